import { given, serve } from '../child.js'
import { makeEvent, nowMicros, stamp } from './event.js'

/** Says the same event to every client again and again, at fixed times, once it is told to. */

export interface SenderOptions {
  eventBytes: number
  /** Between two events, in milliseconds. */
  everyMs: number
}

/** @param sendAll gives the event to each client; it is one buffer, which must not be kept. */
export function serveSender (port: number, sendAll: (event: Buffer) => void): void {
  const { eventBytes, everyMs } = given<SenderOptions>()
  const event = makeEvent(eventBytes)
  let sent = 0
  let timer: NodeJS.Timeout | null = null
  serve({ port }, {
    go () {
      const start = performance.now()
      const first = sent
      const next = (): void => {
        stamp(event, sent++, nowMicros())
        sendAll(event)
        // From the start, so that what is late once does not delay all that follow.
        timer = setTimeout(next, Math.max(0, start + (sent - first) * everyMs - performance.now()))
      }
      next()
      return {}
    },
    stop () {
      clearTimeout(timer ?? undefined)
      return { sent }
    }
  })
}
