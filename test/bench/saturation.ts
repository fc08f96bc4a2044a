import { countOf, of, present, ratioOf, saturatedRuns } from './compared.js'
import { NGINX_HINT } from '../setup/nginx.js'
import { atMost, layOut, range, spread } from './report.js'
import type { Figure } from './report.js'
import { cellsOf, interleaved } from './rounds.js'
import type { Cell, Times } from './rounds.js'
import { SATURATED, title } from './scenarios.js'
import type { Run, Scenario } from './scenarios.js'
import type { Section } from './section.js'
import { ASYNC, HTTP_PROXY, NAIVE, NET, NET_CORKED, NGINX, SESSION, TRUNKLINE } from './variants.js'
import type { Variant } from './variants.js'

/** Clients that never pause, so that the relay has no time to wait: what an event costs at most load, and how many go through. */

const NAME = 'saturation'
const SMALL: Scenario = { clients: 200, bytes: 200, pace: { window: 4 } }
const LARGE: Scenario = { clients: 200, bytes: 2048, pace: { window: 4 } }
const MANY: Scenario = { clients: 2_000, bytes: 200, pace: { window: 4 } }

const ORDER = [TRUNKLINE, SESSION, ASYNC, NET, NET_CORKED, NGINX, HTTP_PROXY, NAIVE].map(({ name }) => name)

interface Wanted {
  scenario: Scenario
  variant: Variant
  base: Variant
  /** The ratio of what a round trip costs, at most. */
  most: number
}

const WANTED: Wanted[] = [
  { scenario: SMALL, variant: TRUNKLINE, base: NET, most: 1.25 },
  { scenario: LARGE, variant: TRUNKLINE, base: NET, most: 1.5 },
  { scenario: MANY, variant: TRUNKLINE, base: NET, most: 1.25 },
  { scenario: SMALL, variant: TRUNKLINE, base: HTTP_PROXY, most: 0.45 },
  { scenario: LARGE, variant: TRUNKLINE, base: HTTP_PROXY, most: 0.55 },
  { scenario: MANY, variant: TRUNKLINE, base: HTTP_PROXY, most: 0.45 },
  { scenario: SMALL, variant: TRUNKLINE, base: NGINX, most: 1.15 },
  { scenario: MANY, variant: TRUNKLINE, base: NGINX, most: 0.65 },
  { scenario: SMALL, variant: SESSION, base: TRUNKLINE, most: 1.15 }
]

export const saturation = section({ warmUpMs: 2_000, measureMs: 3_000 }, () => [
  ...cellsOf(SMALL, [TRUNKLINE, SESSION, ASYNC, NET, NET_CORKED, NGINX, HTTP_PROXY, NAIVE]),
  ...cellsOf(LARGE, [TRUNKLINE, NET, NET_CORKED, NGINX, HTTP_PROXY, NAIVE]),
  ...cellsOf(MANY, [TRUNKLINE, NET, NET_CORKED, NGINX, HTTP_PROXY, NAIVE])
])

/** @param variants Trunkline, and those that it is to be compared with */
export function quickLook (variants: Variant[] = [TRUNKLINE, NET, HTTP_PROXY]): Section {
  return section({ warmUpMs: 1_500, measureMs: 2_000 }, () => cellsOf(SMALL, variants))
}

function section (times: Times, cells: () => Cell[]): Section {
  return {
    name: NAME,
    async run (options) {
      const runs = await interleaved(NAME, cells(), times, options)
      const scenarios = [SMALL, LARGE, MANY].map(title).filter((scenario) => runs.some((run) => run.scenario === scenario))
      const tables = scenarios.map((scenario) => tableOf(scenario, runs.filter((run) => run.scenario === scenario)))
      return { text: [...tables, LEGEND].join('\n\n'), figures: figuresOf(runs), runs }
    }
  }
}

/** What a scenario comes to, by variant. */
export function tableOf (scenario: string, runs: Run[]): string {
  const rows = [['relay', 'CPU us per round trip', `x ${NET.name}`, 'round trips/s', 'p50 ms', 'p99 ms', 'utilisation', 'runs']]
  for (const variant of present(runs, ORDER)) {
    const mine = saturatedRuns(of(runs, variant))
    const ratio = ratioOf(runs, variant, NET.name)
    const column = (pick: (run: Run) => number, digits: number): string => range(spread(mine.kept.map(pick)), digits)
    rows.push([
      variant,
      column(({ cpuMicros }) => cpuMicros, 2) + (mine.isGood ? '' : ' *'),
      ratio === null ? '' : range(ratio, 2),
      column(({ rate }) => rate, 0),
      column(({ p50Ms }) => p50Ms, 1),
      column(({ p99Ms }) => p99Ms, 1),
      column(({ utilisation }) => utilisation, 2),
      countOf(mine)
    ])
  }
  return layOut(`${NAME}: ${scenario}`, rows)
}

/** What is wanted of the results, of those that there are. */
export function figuresOf (runs: Run[]): Figure[] {
  return WANTED.flatMap(({ scenario, variant, base, most }) => {
    const ratio = ratioOf(runs.filter((run) => run.scenario === title(scenario)), variant.name, base.name)
    if (ratio === null) return []
    const what = variant === SESSION ? 'SDK links and a synchronous hook / plain clients' : `${variant.name} / ${base.name}`
    return [atMost(`CPU per round trip, ${what}, ${title(scenario)}`, ratio.median, most)]
  })
}

const LEGEND = [
  'A round trip is one media event up and its echo down. Medians, with [min - max] over the rounds; for a ratio, over the',
  'ratios within a round. The clients never pause, so the latencies are those of a full queue: four events of each under way.',
  `Runs in which the relay was less than ${SATURATED} busy are discarded; *: there were too many of them, all runs count, and those of`,
  `whatever it is set against. '${NET.name}' has no WebSocket at all: a lower bound, not an alternative.`
].join('\n')

export const WITHOUT_NGINX = `There is no ${NGINX.name} here, so it is left out. To have it measured: ${NGINX_HINT}`
