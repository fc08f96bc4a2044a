import { layOut, range, spread } from '../report.js'
import type { Figure } from '../report.js'

/** How one storm of joins went. */
export interface JoinsRun {
  part: 'joins'
  variant: string
  round: number
  clients: number
  /** Clients that were told no, or whose connection ended. */
  refused: number
  /** Clients that were told nothing. */
  lost: number
  /** The refused ones, by how. */
  hows: Record<string, number>
  /** From the first connection to the last echo, in milliseconds. */
  tookMs: number
  /** CPU time of the relay for each client, in microseconds: connection, join and one round trip. */
  cpuMicros: number
}

export function tableOf (runs: JoinsRun[]): string {
  const rows = [['relay', 'CPU us per join', 'all in after s', 'refused', 'lost', 'runs']]
  for (const variant of new Set(runs.map(({ variant }) => variant))) {
    const mine = runs.filter((run) => run.variant === variant)
    rows.push([
      variant,
      range(spread(mine.map(({ cpuMicros }) => cpuMicros)), 0),
      range(spread(mine.map(({ tookMs }) => tookMs / 1_000)), 2),
      String(sum(mine.map(({ refused }) => refused))),
      String(sum(mine.map(({ lost }) => lost))),
      String(mine.length)
    ])
  }
  const hows = runs.filter(({ refused }) => refused > 0).map(({ variant, round, hows }) => `${variant}, round ${round}: ${JSON.stringify(hows)}`)
  return [layOut(`${runs[0]?.clients ?? 0} joins at once`, rows), ...hows, '', LEGEND].join('\n')
}

const LEGEND = [
  'All connections are begun in one turn of the event loop. A join is the connection, the upgrade, what the relay asks the media server,',
  'and one media event up and its echo down. Medians, with [min - max] over the rounds; refused and lost are of all rounds together.',
  'Those bounds are raised that would spread a storm or send a part of it away: authPerSecond, concurrentAuth, waitingAuth,',
  'unauthenticatedLinks, and the two of time that a slow machine would run into, authMs and openMs.'
].join('\n')

/** Of every trunkline variant and round. */
export function figuresOf (runs: JoinsRun[]): Figure[] {
  const mine = runs.filter(({ variant }) => variant.startsWith('trunkline'))
  if (mine.length === 0) return []
  const value = sum(mine.map(({ refused, lost }) => refused + lost))
  return [{ name: `joins refused or lost of ${mine[0]!.clients.toLocaleString('en').replaceAll(',', ' ')}`, value, unit: 'joins', wanted: '0', pass: value === 0 }]
}

function sum (values: number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
