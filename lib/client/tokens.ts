import type { Clock } from '../clock.js'
import type { LinkOptions } from './options.js'

/** Where the token for `join` comes from: the app's string, or its function, which is asked as seldom as possible. */
export class Tokens {
  readonly #source: LinkOptions['token']
  readonly #clock: Clock
  readonly #timeoutMs: number
  #last: string | undefined
  /** The one before, which may still be good for a while. */
  #previous: string | undefined
  /** Whether the backend has yet to see a token that was asked for just now. */
  #fresh = false
  /** Whether a fresh one was refused already. */
  #refused = false

  constructor (source: LinkOptions['token'], clock: Clock, timeoutMs: number) {
    this.#source = source
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  /** Calls one of the two, once: at once if the token is there. The returned function makes it call neither. */
  get (got: (token: string | undefined) => void, missed: (why: string) => void): () => void {
    const source = this.#source
    this.#fresh = typeof source === 'function' && this.#last === undefined
    if (!this.#fresh || typeof source !== 'function') {
      got(typeof source === 'function' ? this.#last : source)
      return () => {}
    }
    let waiting = true
    const first = (fn: () => void): void => {
      if (!waiting) return
      cancel()
      fn()
    }
    const timer = this.#clock.after(this.#timeoutMs, () => first(() => missed('no token in time')))
    const cancel = (): void => {
      waiting = false
      timer.cancel()
    }
    // Not at once, so that the app's function finds the link at rest, and one that throws is one that rejects.
    Promise.resolve().then(source).then(
      (token) => first(() => got(this.#last = token)),
      (error) => first(() => missed(`no token: ${String(error)}`)))
    return cancel
  }

  /** The backend has accepted the token. What it says of it from now on is about its age. */
  accepted (): void {
    this.#fresh = this.#refused = false
  }

  /** What can be shown where no newer token is to be had. */
  get previous (): string | undefined {
    this.#fresh = false
    return this.#previous
  }

  /**
   * The last token is not used again. False: there is no newer one to be had.
   * @param inSession whether it was sent on a link that was in use, and so may have been closed before it was read
   */
  renew (inSession = false): boolean {
    this.#previous = this.#last ?? this.#previous
    this.#last = undefined
    const unread = inSession && !this.#refused
    if (this.#fresh) this.#refused = true
    return typeof this.#source === 'function' && (!this.#fresh || unread)
  }
}
