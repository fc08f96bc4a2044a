import { calmRuns, countOf, median, of, present } from './compared.js'
import { atMost, layOut, range, spread } from './report.js'
import type { Figure } from './report.js'
import { cellsOf, interleaved } from './rounds.js'
import { CALM_MS, title } from './scenarios.js'
import type { Run, Scenario } from './scenarios.js'
import type { Section } from './section.js'
import { DIRECT, HTTP_PROXY, NAIVE, NET, NGINX, TRUNKLINE } from './variants.js'

/** The same rate for all, which each of them can do: how much later an event arrives for having been relayed. */

const SCENARIO: Scenario = { clients: 200, bytes: 200, pace: { perSecond: 12_000 } }
const VARIANTS = [DIRECT, NGINX, NET, TRUNKLINE, HTTP_PROXY, NAIVE]
/** Added p50 by that of nginx. */
const MOST = 1.6

export const fixedRate: Section = {
  name: 'fixed-rate',
  async run (options) {
    const runs = await interleaved('fixed-rate', cellsOf(SCENARIO, VARIANTS), { warmUpMs: 2_000, measureMs: 3_000 }, options)
    return { text: `${tableOf(runs)}\n\n${LEGEND}`, figures: figuresOf(runs), runs }
  }
}

/** Milliseconds at the median that a relay adds to a round trip. */
export function addedOf (runs: Run[], variant: string): number {
  const p50 = ({ p50Ms }: Run): number => p50Ms
  const [mine, direct] = [variant, DIRECT.name].map((name) => median(calmRuns(of(runs, name)).kept, p50))
  return mine! - direct!
}

export function tableOf (runs: Run[]): string {
  const rows = [['relay', 'p50 ms', 'added p50 ms', 'p99 ms', 'CPU us per round trip', 'round trips/s', 'utilisation', 'load late ms, p50', 'p99', 'runs']]
  for (const variant of present(runs, VARIANTS.map(({ name }) => name))) {
    const mine = calmRuns(of(runs, variant))
    const column = (pick: (run: Run) => number, digits: number): string => range(spread(mine.kept.map(pick)), digits)
    rows.push([
      variant,
      column(({ p50Ms }) => p50Ms, 3) + (mine.isGood ? '' : ' *'),
      variant === DIRECT.name ? '' : addedOf(runs, variant).toFixed(3),
      column(({ p99Ms }) => p99Ms, 2),
      variant === DIRECT.name ? '' : column(({ cpuMicros }) => cpuMicros, 2),
      column(({ rate }) => rate, 0),
      variant === DIRECT.name ? '' : column(({ utilisation }) => utilisation, 2),
      column(({ lateP50Ms }) => lateP50Ms, 3),
      column(({ lateP99Ms }) => lateP99Ms, 2),
      countOf(mine)
    ])
  }
  return layOut(`fixed rate: ${title(SCENARIO)}, 12 000 round trips/s in all`, rows)
}

export function figuresOf (runs: Run[]): Figure[] {
  if (of(runs, NGINX.name).length === 0) return []
  const theirs = addedOf(runs, NGINX.name)
  // Where nothing can be told apart, nothing has been shown.
  const ratio = theirs > 0 ? addedOf(runs, TRUNKLINE.name) / theirs : Infinity
  return [atMost(`p50 added over direct at 12 000/s, ${TRUNKLINE.name} / ${NGINX.name}`, ratio, MOST)]
}

const LEGEND = [
  'Each event is due at a fixed time and is measured from then, whatever became of those before it. "load late" is how much of that',
  'is the load\'s own doing: it shares its cores with the media server, and so is about the same for all. "added" is the median of',
  `the p50 without that of those who are connected to the media server itself. Runs in which the load was more than ${CALM_MS} ms late, p99,`,
  'are discarded: the machine was busy with other things. *: there were too many of them, all runs count.'
].join('\n')
