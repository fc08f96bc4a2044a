import type { Clock, Timer } from '../clock.js'
import { TokenBucket } from '../token-bucket.js'
import type { Turnstile } from './turnstile.js'

/** Somebody who has to ask anew, and is told when. */
export interface Recalled {
  /** False: it is over, or has asked by itself meanwhile. */
  readonly awaitsRecall: boolean
  recall (): void
}

/** Between two looks at whether there is room, in milliseconds. */
const TICK_MS = 20
/** How many are told at once, before anything is known of the room that they take, in seconds' worth of turns. */
const BURST = 0.1

/**
 * Asks everybody to come back, in order, and no faster than the door lets them in: all of them at once would push out
 * whoever else comes, and each other.
 */
export class Recall<R extends Recalled> {
  readonly #turnstile: Pick<Turnstile, 'perSecond' | 'room'>
  readonly #withinMs: number
  readonly #clock: Clock
  readonly #bucket: TokenBucket
  #line: R[] = []
  #next = 0
  /** From when on room is not waited for: strangers who fill it must not keep those out who were in. */
  #deadline = 0
  #timer: Timer | null = null

  /** @param withinMs how long anybody waits for room at most, after which the rate alone counts */
  constructor (turnstile: Pick<Turnstile, 'perSecond' | 'room'>, withinMs: number, clock: Clock) {
    this.#turnstile = turnstile
    this.#withinMs = withinMs
    this.#clock = clock
    this.#bucket = new TokenBucket(turnstile.perSecond, Math.max(1, turnstile.perSecond * BURST), clock.now())
  }

  /** How many have still to be asked; some of them may be gone. */
  get waiting (): number {
    return this.#line.length - this.#next
  }

  /** Begins with these, and with nobody else; those who need not wait are asked at once. */
  start (line: R[]): void {
    this.stop()
    this.#line = line
    this.#deadline = this.#clock.now() + this.#withinMs
    this.#tick()
  }

  /** Asks nobody any more. */
  stop (): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#line = []
    this.#next = 0
  }

  #tick (): void {
    const now = this.#clock.now()
    let room = now >= this.#deadline ? Infinity : this.#turnstile.room
    for (let next; (next = this.#line[this.#next]) !== undefined; this.#next++) {
      if (!next.awaitsRecall) continue
      if (room <= 0 || !this.#bucket.take(now)) break
      // Whoever is asked now comes in a while.
      room--
      next.recall()
    }
    if (this.waiting === 0) this.stop()
    else this.#timer = this.#clock.after(TICK_MS, () => this.#tick())
  }
}
