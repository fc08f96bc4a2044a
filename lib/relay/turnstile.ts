import type { Clock, Timer } from '../clock.js'
import { TokenBucket } from '../token-bucket.js'
import { busy } from './refusal.js'
import type { Refusal } from './refusal.js'

export interface TurnstileLimits {
  /** Turns that are begun in a second, a tenth of it at once. */
  authPerSecond: number
  /** Turns at once. */
  concurrentAuth: number
  /** How many may wait for their turn, those who are in already not limited. */
  waitingAuth: number
}

/** Who wants to pass, beside what the app is told of it. */
export interface Visitor {
  /** Whether it is in already, and only shows anew who it is: it waits for as long as it takes, and is not refused. */
  isIn?: boolean
  /** Aborted once nobody wants it to pass any more: it gives up its place. */
  gone?: AbortSignal | undefined
}

export interface TurnstileStats {
  running: number
  waiting: number
  /** The most at once, since the start. */
  mostRunning: number
  mostWaiting: number
}

interface Waiter {
  go: () => void
  refuse: (refusal: unknown) => void
}

/** The longest that anybody is told to stay away, in milliseconds. */
const LONGEST_AWAY_MS = 30_000
/** The part of a second's turns that may be begun at once. */
const BURST = 0.1

/**
 * Lets through so many at once and so many a second, in the order in which they came, those who are in already before strangers. The
 * others wait, or are told when to come back.
 */
export class Turnstile {
  readonly perSecond: number
  readonly #limits: TurnstileLimits
  readonly #clock: Clock
  readonly #bucket: TokenBucket
  /** Those who are in already, and strangers. */
  readonly #insiders = new Line()
  readonly #strangers = new Line()
  #timer: Timer | null = null
  #closed: (() => Refusal) | null = null
  #running = 0
  #mostRunning = 0
  #mostWaiting = 0
  /** Until when those who were sent away have a turn each. */
  #promisedUntil = 0

  constructor (limits: TurnstileLimits, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
    this.perSecond = limits.authPerSecond
    this.#bucket = new TokenBucket(limits.authPerSecond, Math.max(1, limits.authPerSecond * BURST), clock.now())
  }

  /** How many that are in already may be sent here for a turn, without one of them waiting for long: no stranger goes before them. */
  get room (): number {
    return Math.max(0, 2 * this.#limits.concurrentAuth - this.#running - this.#insiders.size)
  }

  get #waiting (): number {
    return this.#insiders.size + this.#strangers.size
  }

  /**
   * Resolves at its turn, which `leave` must end.
   * @throws Refusal too many wait, or it is closed
   * @throws the signal's reason it is gone
   */
  async enter ({ isIn = false, gone }: Visitor = {}): Promise<void> {
    if (this.#closed !== null) throw this.#closed()
    gone?.throwIfAborted()
    // Those who came before go first, should there be room for any.
    this.#turn()
    if (this.#mayGo()) {
      this.#begin()
      return
    }
    if (!isIn && this.#waiting >= this.#limits.waitingAuth) throw busy('too many at once', undefined, this.comeBackMs())
    const { promise, resolve, reject } = withResolvers()
    const waiter: Waiter = { go: resolve, refuse: reject }
    const line = isIn ? this.#insiders : this.#strangers
    const giveUp = (): void => {
      line.delete(waiter)
      this.#turn()
      reject(gone?.reason)
    }
    line.add(waiter)
    this.#mostWaiting = Math.max(this.#mostWaiting, this.#waiting)
    gone?.addEventListener('abort', giveUp, { once: true })
    this.#turn()
    try {
      await promise
    } finally {
      gone?.removeEventListener('abort', giveUp)
    }
  }

  /** A turn is over. */
  leave (): void {
    this.#running--
    this.#turn()
  }

  /** When one that is sent away is to come back, in milliseconds: each gets the turn after that of the one before. */
  comeBackMs (): number {
    const now = this.#clock.now()
    const turnMs = 1_000 / this.perSecond
    this.#promisedUntil = Math.min(Math.max(this.#promisedUntil, now + this.#waiting * turnMs) + turnMs, now + LONGEST_AWAY_MS)
    return Math.ceil(this.#promisedUntil - now)
  }

  stats (): TurnstileStats {
    return { running: this.#running, waiting: this.#waiting, mostRunning: this.#mostRunning, mostWaiting: this.#mostWaiting }
  }

  /** Lets nobody through any more, whoever waits included. @param refusal made for each of them */
  close (refusal: () => Refusal): void {
    this.#closed = refusal
    this.#timer?.cancel()
    for (const line of [this.#insiders, this.#strangers]) for (let waiter; (waiter = line.next()) !== undefined;) waiter.refuse(refusal())
  }

  #mayGo (): boolean {
    return this.#running < this.#limits.concurrentAuth && this.#bucket.take(this.#clock.now())
  }

  #begin (): void {
    this.#mostRunning = Math.max(this.#mostRunning, ++this.#running)
  }

  /** Begins the turns that may begin now, and looks again when the next one may. */
  #turn (): void {
    while (this.#waiting > 0 && this.#mayGo()) {
      // In here and not after the promise, so that nobody slips in between.
      this.#begin()
      const next = this.#insiders.next() ?? this.#strangers.next()
      next!.go()
    }
    this.#timer?.cancel()
    this.#timer = null
    // One that waits for a turn to end is let through by `leave`.
    if (this.#waiting === 0 || this.#running >= this.#limits.concurrentAuth) return
    this.#timer = this.#clock.after(this.#bucket.waitMs(this.#clock.now()), () => {
      this.#timer = null
      this.#turn()
    })
  }
}

/** Who waits, in order; any of them may give up. */
class Line {
  readonly #waiting = new Set<Waiter>()
  /** Kept over many turns: a new one would begin at all that have been deleted since. */
  #order = this.#waiting.values()

  get size (): number {
    return this.#waiting.size
  }

  add (waiter: Waiter): void {
    this.#waiting.add(waiter)
  }

  delete (waiter: Waiter): void {
    this.#waiting.delete(waiter)
  }

  /** Takes out who is first. */
  next (): Waiter | undefined {
    let { value, done } = this.#order.next()
    if (done === true) {
      this.#order = this.#waiting.values()
      value = this.#order.next().value
    }
    if (value !== undefined) this.#waiting.delete(value)
    return value
  }
}

function withResolvers (): { promise: Promise<void>, resolve: () => void, reject: (reason: unknown) => void } {
  let resolve = (): void => {}
  let reject = (_reason: unknown): void => {}
  const promise = new Promise<void>((_resolve, _reject) => { resolve = _resolve; reject = _reject })
  return { promise, resolve, reject }
}
