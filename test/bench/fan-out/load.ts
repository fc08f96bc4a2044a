import { createHistogram } from 'node:perf_hooks'
import { given, serve } from '../child.js'
import { CrowdClient } from '../crowd/client.js'
import { makeEvent, nowMicros, sentAt, stamp } from './event.js'

/** Clients that listen, in a process of their own. A wrong, lost or repeated event ends it. */

export interface FanOutLoadOptions {
  port: number
  clients: number
  eventBytes: number
}

export interface FanOutTally {
  wallMs: number
  /** Since it was last asked, of all clients together. */
  deliveries: number
  /** From the sending of an event until its last client had it, of the events that all have had. */
  lastP50Ms: number
  lastP99Ms: number
}

export interface FanOutHad {
  least: number
  most: number
}

/** How many may be on their way in at once. */
const CONNECTING = 100
const HELLO = Buffer.from('{"type":"hello"}')

const { port, clients, eventBytes } = given<FanOutLoadOptions>()
const expected = makeEvent(eventBytes)
const next = new Int32Array(clients).fill(-1)
const all: CrowdClient[] = []
/** Events that some have had and others not: how many have, and when each was sent. */
const underWay = new Map<number, { had: number, at: number }>()
const latencies = createHistogram({ figures: 3 })
let isIn = 0
let deliveries = 0
let since = performance.now()

const owner = {
  joined: (client: CrowdClient) => client.send(HELLO),
  event (client: CrowdClient, bytes: Buffer, start: number, end: number) {
    const number = next[client.id]!++
    if (number >= 0) {
      delivered(client, number, bytes, start, end)
    } else {
      if (bytes.compare(HELLO, 0, HELLO.length, start, end) !== 0) throw new Error(`client ${client.id} has heard something else than its own first word`)
      isIn++
      more()
    }
  },
  over (client: CrowdClient, how: string) {
    throw new Error(`client ${client.id}: ${how}`)
  }
}

function more (): void {
  while (all.length < clients && all.length - isIn < CONNECTING) all.push(new CrowdClient(port, all.length, 'plain', owner))
}

/** All clients have the same event under one number, and each has every number in its turn. */
function delivered (client: CrowdClient, number: number, bytes: Buffer, start: number, end: number): void {
  let event = underWay.get(number)
  if (event === undefined) underWay.set(number, event = { had: 0, at: end - start < expected.length ? 0 : sentAt(bytes, start) })
  stamp(expected, number, event.at)
  if (bytes.compare(expected, 0, expected.length, start, end) !== 0) {
    throw new Error(`client ${client.id}, event ${number}: a wrong, lost or reordered event: ${end - start} bytes ${bytes.toString('latin1', start, Math.min(end, start + 80))}`)
  }
  deliveries++
  if (++event.had < clients) return
  underWay.delete(number)
  latencies.record(Math.max(1, nowMicros() - event.at))
}

more()
while (next.includes(-1)) await moment()

serve({}, {
  tally (): FanOutTally {
    const now = performance.now()
    const tally = { wallMs: now - since, deliveries, lastP50Ms: latencies.percentile(50) / 1_000, lastP99Ms: latencies.percentile(99) / 1_000 }
    since = now
    deliveries = 0
    latencies.reset()
    return tally
  },
  /** How many events each client has had at least, and at most. */
  had: (): FanOutHad => ({ least: Math.min(...next), most: Math.max(...next) })
})

async function moment (): Promise<void> {
  await new Promise((resolve) => { setTimeout(resolve, 10) })
}
