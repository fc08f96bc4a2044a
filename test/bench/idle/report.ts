import { layOut, range, spread } from '../report.js'
import type { Figure } from '../report.js'

/** What one variant keeps of each of its idle clients. */
export interface IdleRun {
  part: 'idle'
  variant: string
  round: number
  clients: number
  /** Of each client: what the process has grown by. */
  rssBytes: number
  /** The part of it that is objects, what the heap has got beside them, and what lies outside of it. */
  heapBytes: number
  heapSlackBytes: number
  externalBytes: number
  /** Of the whole process, warm but empty, and full. */
  baseRssMb: number
  fullRssMb: number
}

/** What one idle client may keep, in KiB. */
const WANTED_KIB = 12
const HEADLINE = 'trunkline, SDK links'

export function tableOf (runs: IdleRun[]): string {
  const rows = [['relay', 'clients', 'RSS KiB each', 'heap', 'heap, unused', 'external', 'process, warm and empty MB', 'full MB']]
  for (const variant of new Set(runs.map(({ variant }) => variant))) {
    const mine = runs.filter((run) => run.variant === variant)
    const column = (pick: (run: IdleRun) => number, digits = 1): string => range(spread(mine.map(pick)), digits)
    rows.push([
      variant,
      String(mine[0]!.clients),
      column(({ rssBytes }) => rssBytes / 1_024),
      column(({ heapBytes }) => heapBytes / 1_024),
      column(({ heapSlackBytes }) => heapSlackBytes / 1_024),
      column(({ externalBytes }) => externalBytes / 1_024),
      column(({ baseRssMb }) => baseRssMb, 0),
      column(({ fullRssMb }) => fullRssMb, 0)
    ])
  }
  return [layOut('Memory per idle client', rows), '', LEGEND].join('\n')
}

const LEGEND = [
  'What the relay has grown by for each client that is in and says nothing, in KiB, after several garbage collections and heartbeats;',
  'from a process through which hundreds had come and gone. Medians, with [min - max]. The sockets\' buffers are the kernel\'s, and not in it.',
  "http-proxy has two sockets for each client, so that fewer may fit into the files that a process may open; 'bare' is a WebSocket",
  'route of Fastify with three handlers and nothing behind it.'
].join('\n')

export function figuresOf (runs: IdleRun[]): Figure[] {
  const mine = runs.filter(({ variant }) => variant === HEADLINE)
  if (mine.length === 0) return []
  const kib = spread(mine.map(({ rssBytes }) => rssBytes / 1_024)).median
  return [{
    name: `memory per idle client at ${mine[0]!.clients.toLocaleString('en').replaceAll(',', ' ')}, RSS, sessions on`,
    value: Number(kib.toFixed(2)),
    unit: 'KiB',
    wanted: `<= ${WANTED_KIB}`,
    pass: kib <= WANTED_KIB
  }]
}
