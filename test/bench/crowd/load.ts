import { given, serve } from '../child.js'
import { CrowdClient } from './client.js'
import type { ClientKind } from './frames.js'

/** A crowd in a process of its own: clients that come when told to, each has an echo of its own event, and stay. */

export interface CrowdOptions {
  port: number
  kind: ClientKind
  clients: number
  /** How many may be on their way in at once. */
  connecting: number
  /** Events that each has echoed, one after the other, before it counts as in. */
  events: number
}

/** How the crowd is. */
export interface CrowdState {
  /** Those that have had each echo. */
  in: number
  /** Those that were refused, closed or cut, by how. */
  over: Record<string, number>
  /** From the first word to the last client that was in, in milliseconds. */
  tookMs: number
}

/** `trunkline/client` says within this time what it has had, in milliseconds. */
const ACK_MS = 1_000
/** For all to be gone, in milliseconds. */
const LEAVE_MS = 10_000

const { port, kind, clients, connecting, events } = given<CrowdOptions>()
const all: CrowdClient[] = []
const had = new Uint32Array(clients)
const state: CrowdState = { in: 0, over: {}, tookMs: 0 }
let waiting = 0
let startedAt = 0

serve({}, {
  go () {
    startedAt = performance.now()
    more()
    return {}
  },
  state: () => state,
  async leave () {
    for (const client of all) client.leave()
    const deadline = performance.now() + LEAVE_MS
    while (all.some(({ isGone }) => !isGone)) {
      if (performance.now() > deadline) throw new Error('clients that leave are not let go')
      await new Promise((resolve) => { setTimeout(resolve, 5) })
    }
    return {}
  }
})

setInterval(() => { for (const client of all) client.acknowledge() }, ACK_MS)

function more (): void {
  for (; all.length < clients && waiting < connecting; waiting++) all.push(new CrowdClient(port, all.length, kind, owner))
}

const owner = {
  joined: (client: CrowdClient) => client.send(eventOf(client)),
  event (client: CrowdClient, bytes: Buffer, start: number, end: number) {
    const expected = eventOf(client)
    if (bytes.compare(expected, 0, expected.length, start, end) !== 0 || had[client.id]! >= events) {
      throw new Error(`a wrong, lost or reordered echo: ${bytes.toString('latin1', start, Math.min(end, start + 80))}, not ${expected.toString()}`)
    }
    if (++had[client.id]! < events) {
      client.send(eventOf(client))
    } else {
      state.in++
      waiting--
      state.tookMs = performance.now() - startedAt
      more()
    }
  },
  over (client: CrowdClient, how: string) {
    state.over[how] = (state.over[how] ?? 0) + 1
    if (had[client.id]! === events) return
    waiting--
    more()
  }
}

/** The event whose echo the client has to have next: it names both. */
function eventOf ({ id }: CrowdClient): Buffer {
  return Buffer.from(`{"type":"candidate","client":${id},"number":${had[id]}}`)
}
