import { median, of } from './compared.js'
import { atMost, layOut, range, spread } from './report.js'
import type { Figure } from './report.js'
import { cellsOf, interleaved } from './rounds.js'
import { title } from './scenarios.js'
import type { Run, Scenario } from './scenarios.js'
import type { Section } from './section.js'
import { HTTP_PROXY, TRUNKLINE } from './variants.js'
import type { Variant } from './variants.js'

/** The same rate in all, of ever more clients: what one more of them costs that says as little as the others. */

const CLIENTS = [100, 1_000, 5_000]
/** A process may have 20 000 files open in many places, and a 1:1 relay needs two for each client. */
const MOST_CLIENTS = 10_000
/** Growth from the fewest clients to 5 000. */
const MOST = 2

export const growth: Section = {
  name: 'growth',
  async run (options) {
    const cells = [...CLIENTS.flatMap((clients) => cellsOf(scenario(clients), [TRUNKLINE, HTTP_PROXY])), ...cellsOf(scenario(MOST_CLIENTS), [TRUNKLINE])]
    // Fewer rounds: thousands take a while to connect.
    const runs = await interleaved('growth', cells, { warmUpMs: 3_000, measureMs: 3_000 }, { ...options, rounds: Math.ceil(options.rounds / 2) })
    return { text: tableOf(runs), figures: figuresOf(runs), runs }
  }
}

function scenario (clients: number): Scenario {
  return { clients, bytes: 200, pace: { perSecond: 10_000 } }
}

function at (runs: Run[], { name }: Variant, clients: number): Run[] {
  return of(runs, name, title(scenario(clients)))
}

/** How many times more a round trip costs with so many clients than with the fewest. */
export function growthOf (runs: Run[], variant: Variant, clients: number): number {
  const cost = ({ cpuMicros }: Run): number => cpuMicros
  return median(at(runs, variant, clients), cost) / median(at(runs, variant, CLIENTS[0]!), cost)
}

export function tableOf (runs: Run[]): string {
  const rows = [['relay', 'clients', 'CPU us per round trip', 'growth', 'round trips/s', 'p50 ms', 'p99 ms', 'utilisation']]
  for (const variant of [TRUNKLINE, HTTP_PROXY]) {
    for (const clients of [...CLIENTS, MOST_CLIENTS]) {
      const here = at(runs, variant, clients)
      if (here.length === 0) continue
      const column = (pick: (run: Run) => number, digits: number): string => range(spread(here.map(pick)), digits)
      rows.push([
        variant.name,
        `${clients}`,
        column(({ cpuMicros }) => cpuMicros, 2),
        growthOf(runs, variant, clients).toFixed(2),
        column(({ rate }) => rate, 0),
        column(({ p50Ms }) => p50Ms, 2),
        column(({ p99Ms }) => p99Ms, 1),
        column(({ utilisation }) => utilisation, 2)
      ])
    }
  }
  return layOut('growth: 200 B, 10 000 round trips/s of all clients together', rows)
}

export function figuresOf (runs: Run[]): Figure[] {
  const most = CLIENTS[CLIENTS.length - 1]!
  const ours = growthOf(runs, TRUNKLINE, most)
  const theirs = growthOf(runs, HTTP_PROXY, most)
  const name = `CPU per round trip at ${most} clients / at ${CLIENTS[0]}`
  return [
    atMost(`${name}, ${TRUNKLINE.name}`, ours, MOST),
    { ...atMost(`${name}, ${TRUNKLINE.name} by that of ${HTTP_PROXY.name} (${theirs.toFixed(2)})`, ours / theirs, 1), wanted: '< 1', pass: ours < theirs }
  ]
}
