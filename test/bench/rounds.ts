import { run } from './run.js'
import type { Run, Scenario } from './scenarios.js'
import type { SectionOptions } from './section.js'
import { nginx } from '../setup/nginx.js'
import { NGINX } from './variants.js'
import type { Variant } from './variants.js'

/** One run in each round. */
export interface Cell {
  scenario: Scenario
  variant: Variant
}

/** Of one run, in milliseconds. Code that is still being compiled is not what is measured. */
export interface Times {
  warmUpMs: number
  measureMs: number
}

/** Runs all cells in each round, in random order: neighbours and clock rates drift, and nobody may always come first. */
export async function interleaved (section: string, cells: readonly Cell[], times: Times, { rounds, say, ...options }: SectionOptions): Promise<Run[]> {
  const runs: Run[] = []
  for (let round = 1; round <= rounds; round++) {
    for (const cell of shuffled(cells)) {
      const result = { section, ...await run({ ...cell, ...times, ...options, round }) }
      runs.push(result)
      say(lineOf(result))
    }
  }
  return runs
}

/** All pairs that there can be: without nginx where there is none. */
export function cellsOf (scenario: Scenario, variants: readonly Variant[]): Cell[] {
  return variants.filter((variant) => variant !== NGINX || nginx() !== null).map((variant) => ({ scenario, variant }))
}

function lineOf ({ round, scenario, variant, cpuMicros, rate, p50Ms, utilisation }: Run): string {
  return `round ${round}  ${scenario.padEnd(22)}  ${variant.padEnd(17)}  ${cpuMicros.toFixed(2).padStart(6)} us  ${rate.toFixed(0).padStart(7)}/s  p50 ${p50Ms.toFixed(3).padStart(7)} ms  utilisation ${utilisation.toFixed(2)}`
}

export function shuffled<T> (items: readonly T[]): T[] {
  const order = [...items]
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    const item = order[i]!
    order[i] = order[j]!
    order[j] = item
  }
  return order
}
