import type { Clock, Timer } from '../clock.js'
import { LONGEST_AWAY_MS } from '../session/messages.js'
import type { ReconnectPolicy } from './options.js'

/** What stands for a retry that waits for the network instead of for a time. */
const HELD: Timer = { cancel () {} }

/** When a link that was lost is tried again: by backoff, or when the backend has said. */
export class Comeback {
  readonly #policy: ReconnectPolicy
  readonly #clock: Clock
  /** Attempts since the last that came to be joined. */
  #attempts = 0
  #retry: Timer | null = null
  /** When the backend wants the client back, on the link's clock; null: it has not said. */
  #backAt: number | null = null

  constructor (policy: ReconnectPolicy, clock: Clock) {
    this.#policy = policy
    this.#clock = clock
  }

  /** Whether an attempt is yet to come. */
  get waits (): boolean {
    return this.#retry !== null
  }

  /** Whether the backend has nothing against one now. */
  get isWelcome (): boolean {
    return (this.#appointmentMs ?? 0) <= 0
  }

  /** The link is joined, or begins anew. */
  succeeded (): void {
    this.#attempts = 0
  }

  /** The backend wants the client back in so many milliseconds. What is no time is passed over: null, for one, is what JSON makes of a number that is none. */
  invited (afterMs: unknown): void {
    if (typeof afterMs === 'number' && afterMs >= 0) this.#backAt = this.#clock.now() + Math.min(afterMs, LONGEST_AWAY_MS)
  }

  /** Another attempt has failed: milliseconds until the next one by backoff; null: there is to be none. */
  failed (): number | null {
    return this.#policy.delayMs(this.#attempts++)
  }

  /** Has the next attempt made after that time, or when the backend wants it. */
  plan (delayMs: number, retry: () => void): void {
    this.#retry = this.#clock.after(this.#appointmentMs ?? delayMs, retry)
  }

  /** An attempt is due. @param isOnline else it is to wait for the network */
  begin (isOnline: boolean): void {
    this.#retry?.cancel()
    this.#backAt = null
    this.#retry = isOnline ? null : HELD
  }

  cancel (): void {
    this.#retry?.cancel()
    this.#retry = null
  }

  /** Milliseconds until the backend wants the client back; null: there is no such time, or no more. */
  get #appointmentMs (): number | null {
    if (this.#backAt === null) return null
    const ms = this.#backAt - this.#clock.now()
    // At once only after a link that worked: whoever sends clients away without a pause would have them back without one.
    // A clock that was set back must not keep it away.
    return ms > 0 ? Math.min(ms, LONGEST_AWAY_MS) : this.#attempts === 1 ? 0 : null
  }
}
