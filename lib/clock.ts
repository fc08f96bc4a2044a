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

export const systemClock: Clock = {
  now: () => Date.now(),
  after (ms, fn) {
    const handle = setTimeout(fn, ms)
    return { cancel: () => clearTimeout(handle) }
  },
  every (ms, fn) {
    const handle = setInterval(fn, ms)
    return { cancel: () => clearInterval(handle) }
  }
}
