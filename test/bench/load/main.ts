import { createHistogram } from 'node:perf_hooks'
import { given, serve } from '../child.js'
import type { Scenario, Tally, Variant } from '../scenarios.js'
import { Client } from './client.js'
import { lengthPrefixed, webSocket } from './framing.js'

/** All clients, closed loop, in a process of their own. A wrong echo ends it. */

export interface LoadOptions {
  port: number
  scenario: Scenario
  variant: Variant
}

/** How long the echoes of the last events may take, in milliseconds. */
const DRAIN_MS = 5_000
/** Clients that connect at once: more would wait in the listening socket's queue, or be refused there. */
const CONNECTING = 50

const { port, scenario, variant } = given<LoadOptions>()
const latencies = createHistogram({ figures: 3 })
let roundTrips = 0
let since = performance.now()
let sending = true

const owner = {
  echoed (latencyMs: number): void {
    roundTrips++
    latencies.record(Math.max(1, Math.round(latencyMs * 1_000)))
  },
  goesOn: () => sending
}

const clients: Client[] = []
while (clients.length < scenario.clients) {
  while (clients.length < scenario.clients && clients.filter(isWaiting).length < CONNECTING) {
    clients.push(new Client({
      port, id: clients.length, eventBytes: scenario.bytes, window: scenario.window, framing: variant === 'net' ? lengthPrefixed : webSocket
    }, owner))
  }
  await moment()
}
while (clients.some(isWaiting)) await moment()

serve({}, {
  tally (): Tally {
    const now = performance.now()
    const tally = { wallMs: now - since, roundTrips, p50Ms: latencies.percentile(50) / 1_000, p99Ms: latencies.percentile(99) / 1_000 }
    since = now
    roundTrips = 0
    latencies.reset()
    return tally
  },
  async drain () {
    sending = false
    const deadline = performance.now() + DRAIN_MS
    while (clients.some((client) => client.underWay > 0)) {
      if (performance.now() > deadline) throw new Error(`${clients.reduce((sum, client) => sum + client.underWay, 0)} echoes are lost`)
      await moment()
    }
    return { roundTrips: clients.reduce((sum, client) => sum + client.received, 0) }
  }
})

/** Whether the client has had no echo yet, and so may not be connected. */
function isWaiting (client: Client): boolean {
  return client.received === 0
}

async function moment (): Promise<void> {
  await new Promise((resolve) => { setTimeout(resolve, 5) })
}
