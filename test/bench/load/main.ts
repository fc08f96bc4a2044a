import { given, serve } from '../child.js'
import type { Scenario, Tally } from '../scenarios.js'
import type { LinkKind } from '../variants.js'
import { Client } from './client.js'
import { FRAMINGS } from './framing.js'
import { ClosedLoop, OpenLoop } from './pace.js'
import type { Pace } from './pace.js'
import { Samples } from './samples.js'

/** All clients, in a process of their own. A wrong echo ends it. */

export interface LoadOptions {
  port: number
  clients: number
  /** Bytes of one event. */
  bytes: number
  link: LinkKind
  pace: Scenario['pace']
}

/** How long the echoes of the last events may take, in milliseconds. */
const DRAIN_MS = 5_000
/** Clients that connect at once: more would wait in the listening socket's queue, or be refused there. */
const CONNECTING = 50

const { port, clients: count, bytes: eventBytes, link, pace: asked } = given<LoadOptions>()
const window = 'window' in asked ? asked.window : 1
const pace: Pace = 'window' in asked ? new ClosedLoop(asked.window) : new OpenLoop(asked.perSecond)
const latencies = new Samples()
let since = performance.now()

const owner = {
  echoed: (latencyMs: number) => latencies.add(latencyMs),
  took: (client: Client, echoes: number) => pace.took(client, echoes)
}

const clients: Client[] = []
while (clients.length < count) {
  for (let waiting = clients.filter(isWaiting).length; waiting < CONNECTING && clients.length < count; waiting++) {
    clients.push(new Client({ port, id: clients.length, eventBytes, window, framing: FRAMINGS[link] }, owner))
  }
  await moment()
}
while (clients.some(isWaiting)) await moment()
pace.begin(clients)

serve({}, {
  /** What was until now is not measured; to look at it now would take time of what is. */
  begin () {
    since = performance.now()
    latencies.clear()
    pace.late.clear()
  },
  tally (): Tally {
    const wallMs = performance.now() - since
    const roundTrips = latencies.count
    const [p50Ms = 0, p99Ms = 0] = latencies.percentiles(50, 99)
    const [lateP50Ms = 0, lateP99Ms = 0] = pace.late.percentiles(50, 99)
    return { wallMs, roundTrips, p50Ms, p99Ms, lateP50Ms, lateP99Ms }
  },
  /** Every echo is here, and was the right one; how many there were. */
  async drain (): Promise<{ echoes: number }> {
    pace.stop()
    const deadline = performance.now() + DRAIN_MS
    while (clients.some((client) => client.underWay > 0)) {
      if (performance.now() > deadline) throw new Error(`${clients.reduce((sum, client) => sum + client.underWay, 0)} echoes are lost`)
      await moment()
    }
    return { echoes: clients.reduce((sum, client) => sum + client.received, 0) }
  }
})

/** Whether the client has had no echo yet, and so may not be connected. */
function isWaiting (client: Client): boolean {
  return client.received === 0
}

async function moment (): Promise<void> {
  await new Promise((resolve) => { setTimeout(resolve, 5) })
}
