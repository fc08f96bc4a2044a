/** Where time comes from. */
export interface Timing {
  /** Milliseconds since some beginning; those of `Heard` are since the same. */
  now (): number
  after (ms: number, fn: () => void): { cancel (): void }
  every (ms: number, fn: () => void): { cancel (): void }
}

export const systemTiming: Timing = {
  now: () => performance.now(),
  after (ms, fn) {
    const timer = setTimeout(fn, ms)
    return { cancel: () => { clearTimeout(timer) } }
  },
  every (ms, fn) {
    const timer = setInterval(fn, ms)
    return { cancel: () => { clearInterval(timer) } }
  }
}
