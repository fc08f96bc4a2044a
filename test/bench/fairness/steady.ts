import { setTimeout as sleep } from 'node:timers/promises'
import { given, serve } from '../child.js'
import type { Upstream } from '../child.js'
import { Client } from './client.js'
import { Observed } from './observed.js'
import { STEADY_ID } from './scenarios.js'
import type { ClientKind, Seen, Steady } from './scenarios.js'

/**
 * The clients that are measured. Each event has its time, whatever became of those before it, and is measured from then: a
 * load that waits for answers would ask less the worse it gets, and so would not see the worst.
 */

export interface SteadyOptions extends Upstream, Steady {
  kind: ClientKind
  /** For the answers to what was sent last, in milliseconds. */
  graceMs: number
}

interface Event {
  text: string
  due: number
  observed: Observed
}

/** A timer is late by so much however idle the machine is: that is our clock's, and no latency. Milliseconds. */
const TIMER_MS = 1

const { port, clients: count, bytes, perSecond, kind, graceMs } = given<SteadyOptions>()
const clients = await Promise.all(Array.from({ length: count }, (_, i) => Client.join(port, `${STEADY_ID}-${i}`, kind)))
/** By client, those without an answer, oldest first. */
const unanswered: Event[][] = clients.map(() => [])
const everyMs = 1_000 / perSecond
const start = performance.now()
let number = 0
const quiet = new Observed()
const busy = new Observed()
/** Of these nothing is reported; but they are sent, since the load is not to change. */
const neither = new Observed()
let now: Observed = neither

clients.forEach((client, i) => {
  client.listen((data) => {
    const event = unanswered[i]!.shift()
    if (data.toString() !== event?.text) throw new Error(`client ${i}: a wrong, lost or reordered echo, ${data.toString('utf8', 0, 60)}, not ${event?.text.slice(0, 60)}`)
    event.observed.answered(event, performance.now())
  })
})
send()

serve({}, {
  quiet () { now = quiet },
  busy () { now = busy },
  neither () { now = neither },
  async latencies (): Promise<Seen> {
    now = neither
    const deadline = performance.now() + graceMs
    while (!(quiet.isComplete && busy.isComplete) && performance.now() < deadline) await sleep(5)
    return { quiet: quiet.result(performance.now()), busy: busy.result(performance.now()) }
  }
})

function send (): void {
  const time = performance.now()
  let at = start + number * everyMs
  for (; at <= time; at = start + ++number * everyMs) {
    const i = number % count
    const event = { text: `{"type":"candidate","number":${number},"data":"`.padEnd(bytes - 2, 'x') + '"}', due: Math.max(at, time - TIMER_MS), observed: now }
    unanswered[i]!.push(event)
    now.sent(event, time - at)
    clients[i]!.send(event.text)
  }
  setTimeout(send, at - time)
}
