import type { Clock } from '../../clock.js'
import type { Logger } from '../../logger.js'
import type { Flow, Inlet } from '../../relay/inlet.js'
import type { Notification } from '../../relay/media-server.js'
import { sameSecret } from '../../secrets.js'
import { JanusEvents } from './events.js'
import type { JanusEventsServices } from './events.js'
import { KeptNews } from './kept-news.js'

/** Of Janus's own WebSocket event handler. */
const EVENTS_SUBPROTOCOL = 'janus-events'
/** Bytes of one message: a hundred events, each with a whole SDP. */
const MESSAGE_BYTES = 8 * 1024 * 1024
/** One, and the next while nobody knows yet that the first is gone. */
const CONNECTIONS = 2
/** Notifications that wait for the app's hooks from which Janus is not read, and down to which. */
const PAUSE_AT = 250
const RESUME_AT = 100
/** How often a notification is told whose hook fails. */
const ATTEMPTS = 3

export interface JanusEventsOptions {
  /** The route to which Janus's event handler connects. */
  path: string
  /** What it shows in the query, as `key`. */
  key: string
}

/** Where Janus's WebSocket event handler comes: it keeps what nobody takes, in its own memory, so that it can be made to wait. */
export class JanusEventsInlet implements Inlet {
  readonly path: string
  readonly subprotocol = EVENTS_SUBPROTOCOL
  readonly messageBytes = MESSAGE_BYTES
  readonly connections = CONNECTIONS
  readonly events: JanusEvents
  readonly #key: string
  readonly #news: KeptNews<Notification>
  readonly #paused = new Set<Flow>()

  /** @param tell as the observer of the media server is told */
  constructor ({ path, key }: JanusEventsOptions, services: Omit<JanusEventsServices, 'notification'>, tell: (notification: Notification, handled: () => void) => void, clock: Clock, log: Logger) {
    this.path = path
    this.#key = key
    this.#news = new KeptNews<Notification>({
      hook: 'onNotification',
      attempts: ATTEMPTS,
      tell: (notification, _id, handled) => tell(notification, handled),
      describe: ({ id, type }) => ({ notificationId: id, type }),
      handled: () => this.#flow(),
      clock,
      log
    })
    this.events = new JanusEvents({ ...services, notification: (notification) => this.#news.add(notification) })
  }

  admits (key: string): boolean {
    return sameSecret(key, this.#key)
  }

  message (text: string, flow: Flow): void {
    this.events.message(text)
    if (this.#news.size < PAUSE_AT || this.#paused.has(flow)) return
    this.#paused.add(flow)
    flow.pause()
  }

  closed (flow: Flow): void {
    this.#paused.delete(flow)
  }

  close (): void {
    this.#news.close()
  }

  #flow (): void {
    if (this.#news.size > RESUME_AT) return
    for (const flow of this.#paused) flow.resume()
    this.#paused.clear()
  }
}
