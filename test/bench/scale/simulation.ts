import { Random } from '../../sim/random.js'

/** What the formulas of `model.ts` say, tried with events one by one. */

export interface Served {
  /** Mean and 99th percentile of the time that an event has waited for others, in microseconds. */
  waitMicros: number
  waitP99Micros: number
  /** Of the time of all processes. */
  utilisation: number
}

export interface RelaysOptions {
  processes: number
  /** Of one event, in microseconds. */
  costMicros: number
  /** Events per second of all clients. */
  perSecond: number
  events: number
  seed: number
}

/** Events of many clients, each at a moment of its own, through processes that have a core each; a client stays with its process. */
export function serve ({ processes, costMicros, perSecond, events, seed }: RelaysOptions): Served {
  const random = new Random(seed)
  const freeAt = new Float64Array(processes)
  const waits = new Float64Array(events)
  let now = 0
  for (let i = 0; i < events; i++) {
    now += -Math.log(1 - random.next()) * 1e6 / perSecond
    const process = Math.floor(random.next() * processes)
    const begins = Math.max(now, freeAt[process]!)
    waits[i] = begins - now
    freeAt[process] = begins + costMicros
  }
  const waitMicros = waits.reduce((sum, wait) => sum + wait, 0) / events
  return { waitMicros, waitP99Micros: waits.sort()[Math.floor(events * 0.99)]!, utilisation: events * costMicros / (now * processes) }
}

export interface TrunkOptions {
  windowBytes: number
  /** There and back, in milliseconds. */
  roundTripMs: number
  /** Bytes after which the other side gives credit. */
  creditBytes: number
  messageBytes: number
  messages: number
}

/** Bytes per second over a trunk that always has something to send, and takes no time for it but that on the way. */
export function fill ({ windowBytes, roundTripMs, creditBytes, messageBytes, messages }: TrunkOptions): number {
  /** When so many bytes more may be sent. */
  const credits: Array<{ atMs: number, bytes: number }> = []
  let now = 0
  let underWay = 0
  let uncredited = 0
  for (let sent = 0; sent < messages; sent++) {
    while (underWay >= windowBytes) {
      const credit = credits.shift()!
      now = Math.max(now, credit.atMs)
      underWay -= credit.bytes
    }
    underWay += messageBytes
    uncredited += messageBytes
    if (uncredited < creditBytes) continue
    credits.push({ atMs: now + roundTripMs, bytes: uncredited })
    uncredited = 0
  }
  return messages * messageBytes / (now + roundTripMs) * 1_000
}
