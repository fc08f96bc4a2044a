import { given, serve } from '../child.js'
import { makeEvent, nowMicros, stamp } from './event.js'

/** Says the same event to every client again and again, at fixed times, once it is told to. */

export interface SenderOptions {
  eventBytes: number
  /** Between two events, in milliseconds; before anything is measured, and then. */
  warmUpEveryMs: number
  everyMs: number
}

export interface Sent {
  /** Events, from the first one on. */
  sent: number
}

/** @param sendAll gives the event to each client; it is one buffer, which must not be kept. */
export function serveSender (port: number, sendAll: (event: Buffer) => void): void {
  const { eventBytes, warmUpEveryMs, everyMs } = given<SenderOptions>()
  const event = makeEvent(eventBytes)
  let sent = 0
  let timer: NodeJS.Timeout | null = null
  const sendEvery = (ms: number): object => {
    const start = performance.now()
    const first = sent
    const next = (): void => {
      stamp(event, sent++, nowMicros())
      sendAll(event)
      // From the start, so that what is late once does not delay all that follow.
      timer = setTimeout(next, Math.max(0, start + (sent - first) * ms - performance.now()))
    }
    next()
    return {}
  }
  serve({ port }, {
    warmUp: () => sendEvery(warmUpEveryMs),
    go: () => sendEvery(everyMs),
    stop (): Sent {
      clearTimeout(timer ?? undefined)
      return { sent }
    }
  })
}
