/** What a run can find wrong. */
export type Kind = 'lost' | 'duplicated' | 'reordered' | 'leaked' | 'stuck' | 'needless reset' | 'wrong failure' | 'other'

export interface Violation {
  kind: Kind
  text: string
  /** What had happened just before. */
  trace: string[]
}

const SHORT_TRACE = 40

/** What happened in a run: the trace, its hash, what was counted, and what was wrong. */
export class Report {
  readonly violations: Violation[] = []
  readonly counts: Record<string, number> = {}
  readonly #print: ((line: string) => void) | null
  #lines: string[] = []
  #hash = 0x811C9DC5

  /** @param print is given every line, where somebody wants to read them all */
  constructor (print: ((line: string) => void) | null) {
    this.#print = print
  }

  /** Of everything that happened, in order: two runs of a seed have the same. */
  get hash (): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0')
  }

  get isPrinting (): boolean {
    return this.#print !== null
  }

  /** `line` must say nothing that is random beyond the seed, such as a key. */
  trace (line: string): void {
    for (let i = 0; i < line.length; i++) this.#hash = Math.imul(this.#hash ^ line.charCodeAt(i), 0x01000193)
    this.#lines.push(line)
    if (this.#lines.length > SHORT_TRACE * 2) this.#lines = this.#lines.slice(-SHORT_TRACE)
    this.#print?.(line)
  }

  count (what: string, by = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + by
  }

  violation (kind: Kind, text: string): void {
    this.trace(`VIOLATION ${kind}: ${text}`)
    this.violations.push({ kind, text, trace: this.#lines.slice(-SHORT_TRACE) })
  }
}
