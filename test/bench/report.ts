import { SATURATED, VARIANTS } from './scenarios.js'
import type { Run, Variant } from './scenarios.js'

/** One number that somebody may hold us to. */
export interface Figure {
  name: string
  value: number
  unit: string
  wanted: string
  pass: boolean
}

export interface Spread {
  median: number
  min: number
  max: number
}

export function spread (values: number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const median = (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2
  return { median, min: sorted[0]!, max: sorted[sorted.length - 1]! }
}

/** The runs in which the relay had no time to wait, or all of them if these are less than half. */
export function saturatedRuns (runs: Run[]): { kept: Run[], discarded: number, isSaturated: boolean } {
  const saturated = runs.filter(({ utilisation }) => utilisation >= SATURATED)
  return saturated.length * 2 >= runs.length
    ? { kept: saturated, discarded: runs.length - saturated.length, isSaturated: true }
    : { kept: runs, discarded: 0, isSaturated: false }
}

/** What a scenario comes to, by variant. */
export function tableOf (scenario: string, runs: Run[]): string {
  const rows = [['relay', 'CPU us per round trip', 'x http-proxy', 'round trips/s', 'p50 ms', 'p99 ms', 'utilisation', 'runs']]
  for (const variant of VARIANTS) {
    const { kept, discarded, isSaturated } = saturatedRuns(of(runs, variant))
    if (kept.length === 0) continue
    const ratio = ratioOf(runs, variant, 'http-proxy')
    const column = (pick: (run: Run) => number, digits: number): string => range(spread(kept.map(pick)), digits)
    rows.push([
      variant,
      column(({ cpuMicros }) => cpuMicros, 2) + (isSaturated ? '' : ' *'),
      ratio === null ? '' : range(ratio, 2),
      column(({ rate }) => rate, 0),
      column(({ p50Ms }) => p50Ms, 1),
      column(({ p99Ms }) => p99Ms, 1),
      column(({ utilisation }) => utilisation, 2),
      discarded === 0 ? `${kept.length}` : `${kept.length} (${discarded} discarded)`
    ])
  }
  return layOut(scenario, rows)
}

/** @param rows as many cells in each */
export function layOut (title: string, rows: string[][]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)))
  const lines = rows.map((row) => '  ' + row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ').trimEnd())
  return [title, ...lines].join('\n')
}

export const LEGEND = [
  'A round trip is one media event up and its echo down. Medians, with [min - max] over the rounds; for a ratio, over the',
  'ratios within a round. The clients never pause, so the latencies are those of a full queue: 800 events under way.',
  `Runs in which the relay was less than ${SATURATED} busy are discarded; *: there were too many of them, all runs count.`,
  "'net' has no WebSocket at all: a lower bound, not an alternative."
].join('\n')

/** What is wanted of the results, and whether it is so. */
export function figuresOf (scenarios: string[], runs: Run[]): Figure[] {
  return scenarios.flatMap((scenario) => {
    const ratio = ratioOf(runs.filter((run) => run.scenario === scenario), 'trunkline', 'http-proxy')
    if (ratio === null) return []
    return [{
      name: `relay CPU per round trip, trunkline / http-proxy, ${scenario}`,
      value: Number(ratio.median.toFixed(3)),
      unit: 'ratio',
      wanted: '< 1',
      pass: ratio.median < 1
    }]
  })
}

/** At most 1: the benchmark ends with the first run that fails, and the run with the first wrong echo. */
export function failureFigure (failures: number): Figure {
  return { name: 'runs that failed, as by a wrong, lost or reordered echo', value: failures, unit: 'runs', wanted: '0', pass: failures === 0 }
}

/**
 * The ratio of the medians; min and max are those within one round, which neighbours on the machine disturb alike. A
 * busy relay is never set against one that has waited: all runs of both count as soon as one of them was not busy.
 */
function ratioOf (runs: Run[], variant: Variant, base: Variant): Spread | null {
  const all = [of(runs, variant), of(runs, base)] as const
  const busy = all.map(saturatedRuns)
  const [mine, theirs] = busy.every(({ isSaturated }) => isSaturated) ? [busy[0]!.kept, busy[1]!.kept] : all
  if (mine.length === 0 || theirs.length === 0) return null
  const cost = (kept: Run[]): number => spread(kept.map(({ cpuMicros }) => cpuMicros)).median
  const median = cost(mine) / cost(theirs)
  const paired = mine.flatMap((run) => theirs.filter(({ round }) => round === run.round).map(({ cpuMicros }) => run.cpuMicros / cpuMicros))
  const { min, max } = spread([median, ...paired])
  return { median, min: paired.length === 0 ? median : min, max: paired.length === 0 ? median : max }
}

function of (runs: Run[], variant: Variant): Run[] {
  return runs.filter((run) => run.variant === variant)
}

export function range ({ median, min, max }: Spread, digits: number): string {
  return `${median.toFixed(digits)} [${min.toFixed(digits)} - ${max.toFixed(digits)}]`
}
