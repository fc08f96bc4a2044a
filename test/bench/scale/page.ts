import { spread } from '../report.js'
import { clientsBy, eventsPerSecond, joinsPerSecond, trunkBytesPerSecond, waitOf } from './model.js'
import type { Costs } from './model.js'
import { serve } from './simulation.js'

/** The part of `docs/scale.md` that is figures: from the runs of a benchmark, and from nothing else. */

const BEGIN = '<!-- figures -->\n'
const END = '<!-- /figures -->'
const RATES = [0.1, 1, 10]
const PLACES: Array<[name: string, processes: number]> = [['a process', 1], ['a machine of 8 cores', 7], ['ten such machines', 70]]
const BUSY = [0.3, 0.5, 0.7, 0.9]
const ROUND_TRIPS_MS = [0.5, 2, 10, 50]
const WINDOW_BYTES = 256 * 1024
/** Whose growth is taken for the cost of an event: as many as a busy process has. */
const CLIENTS = 5_000

interface AnyRun {
  section?: string
  part?: string
  scenario?: string
  variant: string
  clients?: number
  cpuMicros?: number
  rssBytes?: number
}

/** @throws Error the runs lack one of the parts that are needed */
export function costsOf (runs: object[]): Costs {
  const median = (what: string, is: (run: AnyRun) => boolean, pick: (run: AnyRun) => number | undefined): number => {
    const values = (runs as AnyRun[]).filter(is).map(pick).filter((value) => value !== undefined)
    if (values.length === 0) throw new Error(`the runs have no ${what}: run all parts of the benchmark`)
    return spread(values).median
  }
  const ofSection = (section: string, clients: string) => ({ section: of, scenario = '', variant }: AnyRun): boolean => of === section && variant === 'trunkline' && scenario.replaceAll(' ', '').startsWith(clients)
  return {
    clients: CLIENTS,
    roundTripMicros: median('growth', ofSection('growth', `${CLIENTS}clients`), ({ cpuMicros }) => cpuMicros),
    busyMicros: median('saturation', ofSection('saturation', '200clientsx200B'), ({ cpuMicros }) => cpuMicros),
    idleBytes: median('idle clients', ({ part, variant }) => part === 'idle' && variant === 'trunkline, SDK links', ({ rssBytes }) => rssBytes),
    joinMicros: median('joins', ({ part, variant }) => part === 'joins' && variant === 'trunkline, SDK links', ({ cpuMicros }) => cpuMicros)
  }
}

/** The tables. @param source what they come from */
export function figuresOf (costs: Costs, source: string): string {
  const { roundTripMicros, busyMicros, idleBytes, joinMicros, clients } = costs
  const carried = PLACES.map(([name, processes]) => [
    name, short(eventsPerSecond(costs, processes)), ...RATES.map((rate) => short(clientsBy(costs, rate, processes))), short(joinsPerSecond(costs, processes))
  ])
  const eventMicros = roundTripMicros / 2
  const waits = BUSY.map((busy) => {
    const simulated = serve({ processes: 1, costMicros: eventMicros, perSecond: busy * 1e6 / eventMicros, events: 400_000, seed: 1 })
    return [`${busy * 100} %`, micros(waitOf(eventMicros, busy)), micros(simulated.waitMicros), micros(simulated.waitP99Micros)]
  })
  const trunks = ROUND_TRIPS_MS.map((ms) => [`${ms} ms`, `${(trunkBytesPerSecond(WINDOW_BYTES, ms) / 1e6).toFixed(0)} MB/s`, short(trunkBytesPerSecond(WINDOW_BYTES, ms) / 250)])
  return [
    `Measured (${source}): an event up and one down cost ${roundTripMicros.toFixed(0)} us of CPU with ${short(clients)} clients at 10 000 round trips/s,`,
    `${busyMicros.toFixed(1)} us at the most that a process can do; a client that says nothing takes ${(idleBytes / 1_024).toFixed(1)} KiB, and a join ${joinMicros.toFixed(0)} us.`,
    '',
    'Carried with 70 % of each core used, and one core of each machine left to the system:',
    '',
    table(['', 'events/s, in and out', ...RATES.map((rate) => `clients of ${rate} events/s`), 'joins/s'], carried),
    '',
    'How long an event waits for others in a process that is so busy; its own work comes to that:',
    '',
    table(['busy', 'by the formula', 'simulated', 'simulated, p99'], waits),
    '',
    'What goes over a trunk with the default window, by the round trip to the media server:',
    '',
    table(['round trip', 'each way', 'events/s of 200 B'], trunks),
    ''
  ].join('\n')
}

/** The page with these figures in it. @throws Error it has no place for them */
export function withFigures (page: string, figures: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error('the page has no place for figures')
  return page.slice(0, begin + BEGIN.length) + figures + page.slice(end)
}

function table (head: string[], rows: string[][]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** Two digits that count: more would not be true. */
function short (value: number): string {
  return Number(value.toPrecision(2)).toLocaleString('en').replaceAll(',', ' ')
}

function micros (value: number): string {
  return `${Number(value.toPrecision(2))} us`
}
