import { countOf, of, present, ratioOf, saturatedRuns } from '../compared.js'
import { atMost, layOut, range, spread } from '../report.js'
import type { Figure } from '../report.js'
import { SATURATED } from '../scenarios.js'
import type { Run } from '../scenarios.js'
import { VARIANTS } from './run.js'

/** What is compared with, and how much of its cost is allowed. */
const BASE = 'janode'
const MOST = 1

export function tableOf (scenarios: string[], runs: Run[]): string {
  const tables = scenarios.map((scenario) => {
    const mine = runs.filter((run) => run.scenario === scenario)
    const rows = [['relay', 'CPU us per round trip', `x ${BASE}`, 'round trips/s', 'p50 ms', 'p99 ms', 'utilisation', 'runs']]
    for (const variant of present(mine, VARIANTS)) {
      const counted = saturatedRuns(of(mine, variant))
      const ratio = ratioOf(mine, variant, BASE)
      const column = (pick: (run: Run) => number, digits: number): string => range(spread(counted.kept.map(pick)), digits)
      rows.push([
        variant,
        column(({ cpuMicros }) => cpuMicros, 2) + (counted.isGood ? '' : ' *'),
        ratio === null ? '' : range(ratio, 2),
        column(({ rate }) => rate, 0),
        column(({ p50Ms }) => p50Ms, 1),
        column(({ p99Ms }) => p99Ms, 1),
        column(({ utilisation }) => utilisation, 2),
        countOf(counted)
      ])
    }
    return layOut(scenario, rows)
  })
  return [...tables, LEGEND].join('\n\n')
}

export function figuresOf (scenarios: string[], runs: Run[]): Figure[] {
  return scenarios.flatMap((scenario) => {
    const ratio = ratioOf(runs.filter((run) => run.scenario === scenario), 'trunkline', BASE)
    return ratio === null ? [] : [atMost(`CPU per round trip, trunkline / ${BASE}, ${scenario}`, ratio.median, MOST)]
  })
}

const LEGEND = [
  'A round trip is one whole request of the Janus API from a client, and its answer back: of the right session and handle, about the',
  "client's own room, with the number of a request that was under way. Medians, with [min - max] over the rounds; for a ratio, over the",
  `ratios within a round. Runs in which the relay was less than ${SATURATED} busy are discarded; *: there were too many of them, all runs count,`,
  "and those of whatever it is set against. 'bare relay' is the least that anybody can write with `ws`: it has no limits, no order, no",
  'timeouts and no way back. Trunkline has Janus begin with one message of a handle before it gives it the next; the others do not.'
].join('\n')
