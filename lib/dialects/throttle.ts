import type { Clock, Timer } from '../clock.js'
import { TokenBucket } from '../token-bucket.js'

export interface ThrottleLimits {
  /** Messages of one client in the long run. */
  messagesPerSecond: number
  /** Messages of one client at once. */
  messageBurst: number
  /** Milliseconds that a client may be kept waiting for too many messages within a minute. */
  pausedMs: number
}

/** How a throttle acts upon the client that it counts. */
export interface ThrottleTarget {
  pause (): void
  resume (): void
  /** Waiting does not help: called once, after which the throttle has stopped. */
  tooMany (): void
}

/** Of all clients' throttles. */
export interface ThrottleCounts {
  /** Clients that are kept waiting. */
  throttled: number
  /** How often one had to be, since the start. */
  throttles: number
}

const SECOND_MS = 1_000
const MINUTE_SECONDS = 60
const MINUTE_MS = MINUTE_SECONDS * SECOND_MS

/**
 * How fast a client may speak. Whoever is faster is kept waiting until it has paid for what it has said; who is kept waiting
 * too much within a minute does not slow down, and has to go.
 *
 * What piles up while somebody else holds the client up comes all at once afterwards, and is not the client's fault: as long
 * as that took it may be kept waiting for nothing.
 */
export class Throttle {
  readonly #limits: ThrottleLimits
  readonly #clock: Clock
  readonly #counts: ThrottleCounts
  readonly #target: ThrottleTarget
  readonly #bucket: TokenBucket
  /** Set while the client is kept waiting. */
  #timer: Timer | null = null
  /** Made for those who ever have to wait. */
  #waited: LastMinute | null = null
  /** Up to when the waiting has been added up. */
  #addedUp = 0
  #heldSince: number | null = null
  #excusedMs = 0

  constructor (limits: ThrottleLimits, clock: Clock, counts: ThrottleCounts, target: ThrottleTarget) {
    this.#limits = limits
    this.#clock = clock
    this.#counts = counts
    this.#target = target
    this.#bucket = new TokenBucket(limits.messagesPerSecond, limits.messageBurst, clock.now())
  }

  /** One message was read. */
  count (): void {
    const now = this.#clock.now()
    if (this.#bucket.take(now)) return
    // It is here already, and so may be many more that came in the same read.
    this.#bucket.owe()
    if (this.#timer !== null) return
    this.#counts.throttled++
    this.#counts.throttles++
    this.#waited ??= new LastMinute()
    this.#addedUp = now
    this.#wait(now, this.#waited)
    this.#target.pause()
  }

  /** Somebody else holds the client up. */
  held (): void {
    this.#heldSince ??= this.#clock.now()
  }

  /** Nobody else does any more. */
  released (): void {
    this.#excuse(this.#clock.now())
    this.#heldSince = null
  }

  /** The client has to catch up with what it kept while it could say nothing: it is slowed down, but not sent away for it. */
  catchUp (): void {
    this.#excusedMs = MINUTE_MS
  }

  stop (): void {
    if (this.#timer === null) return
    this.#timer.cancel()
    this.#timer = null
    this.#counts.throttled--
  }

  /** Looks again when there may be a token, when the client may have waited too long, or a second has passed: it is counted by the second. */
  #wait (now: number, waited: LastMinute): void {
    const left = this.#limits.pausedMs - waited.sum(now) + this.#excusedMs
    this.#timer = this.#clock.after(Math.min(this.#bucket.waitMs(now), left + 1, SECOND_MS), () => this.#look(waited))
  }

  #look (waited: LastMinute): void {
    const now = this.#clock.now()
    this.#excuse(now)
    const waitedMs = Math.max(0, now - this.#addedUp)
    const excusedMs = Math.min(waitedMs, this.#excusedMs)
    this.#excusedMs -= excusedMs
    this.#addedUp = now
    waited.add(now, waitedMs - excusedMs)
    if (waited.sum(now) > this.#limits.pausedMs) {
      this.stop()
      this.#target.tooMany()
    } else if (this.#bucket.waitMs(now) > 0) {
      this.#wait(now, waited)
    } else {
      this.stop()
      this.#target.resume()
    }
  }

  #excuse (now: number): void {
    if (this.#heldSince === null) return
    this.#excusedMs = Math.min(MINUTE_MS, this.#excusedMs + Math.max(0, now - this.#heldSince))
    this.#heldSince = now
  }
}

/** A sum over the last minute, to the second. */
class LastMinute {
  readonly #seconds = new Uint32Array(MINUTE_SECONDS)
  #sum = 0
  #latest = 0

  add (now: number, amount: number): void {
    this.#forget(now)
    this.#seconds[this.#latest % MINUTE_SECONDS]! += amount
    this.#sum += amount
  }

  sum (now: number): number {
    this.#forget(now)
    return this.#sum
  }

  #forget (now: number): void {
    const second = Math.floor(now / SECOND_MS)
    // The places between the latest second and this one are those of a minute ago.
    for (let at = Math.max(this.#latest + 1, second - MINUTE_SECONDS + 1); at <= second; at++) {
      this.#sum -= this.#seconds[at % MINUTE_SECONDS]!
      this.#seconds[at % MINUTE_SECONDS] = 0
    }
    this.#latest = Math.max(this.#latest, second)
  }
}
