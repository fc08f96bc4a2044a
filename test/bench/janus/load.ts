import { given, serve } from '../child.js'
import { Samples } from '../load/samples.js'
import type { Tally } from '../scenarios.js'
import { JanusClient } from './client.js'
import type { Asked } from './client.js'

/** Clients that ask Janus, by way of a relay, and never pause. */

export interface JanusLoadOptions {
  port: number
  clients: number
  /** Requests that each client has under way. */
  window: number
  asked: Asked
}

/** How long the last answers may take, in milliseconds. */
const DRAIN_MS = 5_000
/** Clients that connect at once. */
const CONNECTING = 50

const { port, clients: count, window, asked } = given<JanusLoadOptions>()
const latencies = new Samples()
let since = performance.now()
let goesOn = true

const owner = {
  answered: (latencyMs: number) => latencies.add(latencyMs),
  took (client: JanusClient, answers: number) { if (goesOn) client.send(answers, performance.now()) }
}

const clients: JanusClient[] = []
while (clients.length < count) {
  for (let waiting = clients.filter(isWaiting).length; waiting < CONNECTING && clients.length < count; waiting++) {
    clients.push(new JanusClient({ port, id: clients.length, asked }, owner))
  }
  await moment()
}
while (clients.some(isWaiting)) await moment()
for (const client of clients) client.send(window, performance.now())

serve({}, {
  /** What was until now is not measured. */
  begin () {
    since = performance.now()
    latencies.clear()
  },
  tally (): Tally {
    const wallMs = performance.now() - since
    const roundTrips = latencies.count
    const [p50Ms = 0, p99Ms = 0] = latencies.percentiles(50, 99)
    return { wallMs, roundTrips, p50Ms, p99Ms, lateP50Ms: 0, lateP99Ms: 0 }
  },
  /** Every answer is here, and was the right one; how many there were. */
  async drain (): Promise<{ echoes: number }> {
    goesOn = false
    const deadline = performance.now() + DRAIN_MS
    while (clients.some((client) => client.underWay > 0)) {
      if (performance.now() > deadline) throw new Error(`${clients.reduce((sum, client) => sum + client.underWay, 0)} answers are lost`)
      await moment()
    }
    return { echoes: clients.reduce((sum, client) => sum + client.received, 0) }
  }
})

/** Whether the client has had no answer yet, and so may not be connected. */
function isWaiting (client: JanusClient): boolean {
  return client.received === 0
}

async function moment (): Promise<void> {
  await new Promise((resolve) => { setTimeout(resolve, 5) })
}
