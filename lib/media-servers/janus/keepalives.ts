import type { Clock, Timer } from '../../clock.js'

/** In so many groups the sessions have their turn: all at once would be a storm each time. */
const STEPS = 64

/** A session that ends unless Janus hears of it. */
export interface KeptAlive {
  /** When Janus last heard of it, in milliseconds since the Unix epoch. */
  readonly heardAt: number
  keepAlive (): void
}

/**
 * Sees to it that Janus hears of each session once in a while: neither pings nor media count, and the time within which a
 * session can be claimed after the connection was lost runs from its last request too.
 */
export class Keepalives {
  readonly #clock: Clock
  readonly #steps: Array<Set<KeptAlive>> = Array.from({ length: STEPS }, () => new Set())
  readonly #stepOf = new Map<KeptAlive, number>()
  #next = 0
  #at = 0
  #everyMs = 0
  #timer: Timer | null = null

  constructor (clock: Clock) {
    this.#clock = clock
  }

  add (session: KeptAlive): void {
    if (this.#stepOf.has(session)) return
    this.#next = (this.#next + 1) % STEPS
    this.#steps[this.#next]!.add(session)
    this.#stepOf.set(session, this.#next)
  }

  delete (session: KeptAlive): void {
    const step = this.#stepOf.get(session)
    if (step === undefined) return
    this.#stepOf.delete(session)
    this.#steps[step]!.delete(session)
  }

  /** @param everyMs how long Janus may hear nothing of a session, in milliseconds; what was asked for it in that time counts */
  start (everyMs: number): void {
    this.stop()
    this.#everyMs = everyMs
    this.#timer = this.#clock.every(Math.ceil(everyMs / STEPS), () => this.#step())
  }

  stop (): void {
    this.#timer?.cancel()
    this.#timer = null
  }

  #step (): void {
    this.#at = (this.#at + 1) % STEPS
    // Its next turn is a whole round away: whoever would be too late by then has it now.
    const since = this.#clock.now() - this.#everyMs / 2
    for (const session of [...this.#steps[this.#at]!]) if (session.heardAt <= since) session.keepAlive()
  }
}
