import type { Clock, Timer } from '../clock.js'

export interface TokenLifeOptions {
  /** How long before its end a client is asked for a new token, in milliseconds. */
  refreshMs: number
  /** How long after its end a client that was asked may take, in milliseconds. */
  graceMs: number
}

export interface TokenLifeObserver {
  /** A new token is wanted. */
  refresh (): void
  expired (): void
}

/** The longest that one timer of Node holds, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** How long what a client has shown is good for. Who can be asked for a new token is, and gets some grace; others end in time. */
export class TokenLife {
  readonly #options: TokenLifeOptions
  readonly #clock: Clock
  readonly #observer: TokenLifeObserver
  #timer: Timer | null = null

  constructor (options: TokenLifeOptions, clock: Clock, observer: TokenLifeObserver) {
    this.#options = options
    this.#clock = clock
    this.#observer = observer
  }

  /** Begins anew. @param canRefresh whether the client can be asked for a new one */
  start (expiresAt: Date | null, canRefresh: boolean): void {
    this.stop()
    if (expiresAt === null) return
    const end = expiresAt.getTime()
    const { refreshMs, graceMs } = this.#options
    if (!canRefresh) {
      this.#at(end, () => this.#observer.expired())
      return
    }
    // One that lives shorter than the notice is asked for at half of its life, not at once and over and over.
    const left = end - this.#clock.now()
    this.#at(end - Math.min(refreshMs, left / 2), () => {
      this.#at(end + graceMs, () => this.#observer.expired())
      this.#observer.refresh()
    })
  }

  stop (): void {
    this.#timer?.cancel()
    this.#timer = null
  }

  #at (time: number, act: () => void): void {
    const left = time - this.#clock.now()
    this.#timer = this.#clock.after(Math.max(0, Math.min(left, MAX_TIMER_MS)), () => {
      if (left > MAX_TIMER_MS) this.#at(time, act)
      else act()
    })
  }
}
