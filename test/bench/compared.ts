import { spread } from './report.js'
import type { Spread } from './report.js'
import { CALM_MS, SATURATED } from './scenarios.js'
import type { Run } from './scenarios.js'

/** What runs come to: those of one scenario, by variant. */

export interface Kept {
  kept: Run[]
  discarded: number
  /** False: too many would have had to be discarded, so that all of them count. */
  isGood: boolean
}

/** The runs that are as they should be, or all of them if these are less than half. */
export function goodRuns (runs: Run[], isGood: (run: Run) => boolean): Kept {
  const good = runs.filter(isGood)
  return good.length * 2 >= runs.length
    ? { kept: good, discarded: runs.length - good.length, isGood: true }
    : { kept: runs, discarded: 0, isGood: false }
}

/** Those in which the relay had no time to wait. */
export function saturatedRuns (runs: Run[]): Kept {
  return goodRuns(runs, ({ utilisation }) => utilisation >= SATURATED)
}

/** Those in which the load was in time. */
export function calmRuns (runs: Run[]): Kept {
  return goodRuns(runs, ({ lateP99Ms }) => lateP99Ms <= CALM_MS)
}

/** How many runs a row of a table is of. */
export function countOf ({ kept, discarded }: Kept): string {
  return discarded === 0 ? `${kept.length}` : `${kept.length} (${discarded} discarded)`
}

export function of (runs: Run[], variant: string, scenario?: string): Run[] {
  return runs.filter((run) => run.variant === variant && (scenario === undefined || run.scenario === scenario))
}

/** The names of all there are, in the order of their first runs: which is any, so that of a list counts. */
export function present (runs: Run[], names: readonly string[]): string[] {
  return names.filter((name) => runs.some(({ variant }) => variant === name))
}

export function median (runs: Run[], pick: (run: Run) => number): number {
  return spread(runs.map(pick)).median
}

/**
 * The ratio of the medians of what a round trip costs; min and max are those within one round, which neighbours on the machine
 * disturb alike. A busy relay is never set against one that has waited: all runs of both count as soon as one of them was not
 * busy. Null: one of them was not measured.
 */
export function ratioOf (runs: Run[], variant: string, base: string): Spread | null {
  const all = [of(runs, variant), of(runs, base)] as const
  const busy = all.map(saturatedRuns)
  const [mine, theirs] = busy.every(({ isGood }) => isGood) ? [busy[0]!.kept, busy[1]!.kept] : all
  if (mine.length === 0 || theirs.length === 0) return null
  const cost = ({ cpuMicros }: Run): number => cpuMicros
  const ratio = median(mine, cost) / median(theirs, cost)
  const paired = mine.flatMap((run) => theirs.filter(({ round }) => round === run.round).map(({ cpuMicros }) => run.cpuMicros / cpuMicros))
  const { min, max } = spread([ratio, ...paired])
  return { median: ratio, min: paired.length === 0 ? ratio : min, max: paired.length === 0 ? ratio : max }
}
