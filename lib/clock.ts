/** What a running timer is known by. */
export interface Timer {
  cancel (): void
}

/** All time in this package comes from here, so that tests move it by hand instead of sleeping. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now (): number
  /** Calls `fn` once, after `ms` milliseconds. */
  after (ms: number, fn: () => void): Timer
  /** Calls `fn` every `ms` milliseconds until it is cancelled. */
  every (ms: number, fn: () => void): Timer
}

/** A class, since each client may have some: an object with a closure costs five times as much. */
class SystemTimer implements Timer {
  readonly #handle: NodeJS.Timeout

  constructor (handle: NodeJS.Timeout) {
    this.#handle = handle
  }

  cancel (): void {
    // Of either kind.
    clearTimeout(this.#handle)
  }
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after: (ms, fn) => new SystemTimer(setTimeout(fn, ms)),
  every: (ms, fn) => new SystemTimer(setInterval(fn, ms))
}
