import { setTimeout as sleep } from 'node:timers/promises'
import { given, serve } from '../child.js'
import type { Upstream } from '../child.js'
import { Client } from './client.js'
import { Observed } from './observed.js'
import { STEADY_ID } from './scenarios.js'
import type { ClientKind, Steady } from './scenarios.js'

/**
 * The clients that are measured. Each event has its time, whatever became of those before it, and is measured from then: a
 * load that waits for answers would ask less the worse it gets, and so would not see the worst.
 */

export interface SteadyOptions extends Upstream, Steady {
  kind: ClientKind
}

interface Event {
  text: string
  due: number
  window: Observed
}

/** For the answers to what was sent last, in milliseconds. */
const GRACE_MS = 2_000
/** A timer is late by so much however idle the machine is: that is our clock's, and no latency. Milliseconds. */
const TIMER_MS = 1

const { port, clients: count, bytes, perSecond, kind } = given<SteadyOptions>()
const clients = await Promise.all(Array.from({ length: count }, (_, i) => Client.join(port, `${STEADY_ID}-${i}`, kind)))
/** By client, those without an answer, oldest first. */
const unanswered: Event[][] = clients.map(() => [])
const everyMs = 1_000 / perSecond
const start = performance.now()
let number = 0
let observed = new Observed()

clients.forEach((client, i) => {
  client.listen((data) => {
    const event = unanswered[i]!.shift()
    if (data.toString() !== event?.text) throw new Error(`client ${i}: a wrong, lost or reordered echo, ${data.toString('utf8', 0, 60)}, not ${event?.text.slice(0, 60)}`)
    event.window.answered(event, performance.now())
  })
})
send()

serve({}, {
  mark () { observed = new Observed() },
  async latencies () {
    // Of those that are sent from now on nothing is counted; but they are sent, since the load is not to change.
    const window = observed
    observed = new Observed()
    const deadline = performance.now() + GRACE_MS
    while (!window.isComplete && performance.now() < deadline) await sleep(5)
    return window.result(performance.now())
  }
})

function send (): void {
  const now = performance.now()
  let at = start + number * everyMs
  for (; at <= now; at = start + ++number * everyMs) {
    const i = number % count
    const event = { text: `{"type":"candidate","number":${number},"data":"`.padEnd(bytes - 2, 'x') + '"}', due: Math.max(at, now - TIMER_MS), window: observed }
    unanswered[i]!.push(event)
    observed.sent(event, now - at)
    clients[i]!.send(event.text)
  }
  setTimeout(send, at - now)
}
