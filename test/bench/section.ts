import type { Placement } from './processes.js'
import type { Figure } from './report.js'

/** What every part of the benchmark is given. */
export interface SectionOptions {
  rounds: number
  placement: Placement
  /** Where relays leave their CPU profiles; null: nowhere. */
  profileDir: string | null
  /** One line, as it happens. */
  say: (line: string) => void
}

/** What a part comes to. */
export interface SectionResult {
  /** For people: one or more tables. */
  text: string
  figures: Figure[]
  /** What was measured, run by run; each says of which part and variant it is. */
  runs: object[]
}

/** A part of the benchmark: some scenarios, the variants that are compared in them, and what is wanted of the results. */
export interface Section {
  readonly name: string
  /** @throws Error a run failed: an echo was wrong, for one */
  run (options: SectionOptions): Promise<SectionResult>
}
