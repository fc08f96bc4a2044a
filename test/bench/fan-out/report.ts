import { layOut, range, spread } from '../report.js'
import type { Figure } from '../report.js'

/** One measured window of fan-outs. */
export interface FanOutRun {
  part: 'fan-out'
  variant: string
  scenario: string
  round: number
  /** CPU time of the relay for one event to one client, in microseconds. */
  cpuMicros: number
  /** Deliveries per second: as many as asked for, whatever the relay. */
  rate: number
  /** From the sending of an event until its last client had it. */
  lastP50Ms: number
  lastP99Ms: number
  /** CPU time of the relay by wall time. */
  utilisation: number
}

const LEGEND = [
  'The media server says one event to all clients, at fixed times; over the trunk each client has a frame of its own. CPU time is the relay\'s,',
  "and not the media server's. 'The last has it' is the time from the sending of an event until its last client has read it. Each delivery is",
  'checked: which event, and every byte of it. Medians, with [min - max] over the rounds; for a ratio, over the ratios within a round.'
].join('\n')

export function tableOf (runs: FanOutRun[]): string {
  const tables = [...new Set(runs.map(({ scenario }) => scenario))].map((scenario) => {
    const rows = [['relay', 'CPU us per delivery', 'x http-proxy', 'deliveries/s', 'the last has it: p50 ms', 'p99 ms', 'utilisation']]
    const here = runs.filter((run) => run.scenario === scenario)
    for (const variant of new Set(here.map(({ variant }) => variant))) {
      const mine = here.filter((run) => run.variant === variant)
      const column = (pick: (run: FanOutRun) => number, digits: number): string => range(spread(mine.map(pick)), digits)
      rows.push([
        variant,
        column(({ cpuMicros }) => cpuMicros, 2),
        range(ratiosOf(here, variant), 2),
        column(({ rate }) => rate, 0),
        column(({ lastP50Ms }) => lastP50Ms, 1),
        column(({ lastP99Ms }) => lastP99Ms, 1),
        column(({ utilisation }) => utilisation, 2)
      ])
    }
    return layOut(`One event to all: ${scenario}`, rows)
  })
  return [...tables, LEGEND].join('\n\n')
}

export function figuresOf (runs: FanOutRun[]): Figure[] {
  return [...new Set(runs.map(({ scenario }) => scenario))].map((scenario) => {
    const { median } = ratiosOf(runs.filter((run) => run.scenario === scenario), 'trunkline')
    return { name: `relay CPU per delivery of a fan-out, trunkline / http-proxy, ${scenario}`, value: Number(median.toFixed(3)), unit: 'ratio', wanted: '< 1', pass: median < 1 }
  })
}

/** To http-proxy in the same round, which neighbours on the machine disturb alike. */
function ratiosOf (runs: FanOutRun[], variant: string): ReturnType<typeof spread> {
  return spread(runs.filter((run) => run.variant === variant).flatMap((run) => runs
    .filter((base) => base.variant === 'http-proxy' && base.round === run.round)
    .map((base) => run.cpuMicros / base.cpuMicros)))
}
