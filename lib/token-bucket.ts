/** What one costs: so that the refill of a millisecond is a whole number, and nothing is lost to rounding. */
const COST = 1_000

/** So many in the long run, and so many at once: within any time `t` no more than `burst + perSecond * t` are taken. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  #level: number
  #at: number

  /** @param now in milliseconds, here and below: it begins full */
  constructor (perSecond: number, burst: number, now: number) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#level = burst * COST
    this.#at = now
  }

  /** Takes one. False: there is none. */
  take (now: number): boolean {
    if (this.waitMs(now) > 0) return false
    this.#level -= COST
    return true
  }

  /** One that was not asked about: what is owed is paid back before there is one again. */
  owe (): void {
    this.#level -= COST
  }

  /** Milliseconds until there is one; 0: now. */
  waitMs (now: number): number {
    // A clock that is set back brings nothing, and takes nothing.
    this.#level = Math.min(this.#burst * COST, this.#level + Math.max(0, now - this.#at) * this.#perSecond)
    this.#at = now
    return Math.max(0, Math.ceil((COST - this.#level) / this.#perSecond))
  }
}
