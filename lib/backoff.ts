/** When to try again: `attempt` counts from 0 and starts anew after a success. */
export interface RetryPolicy {
  /** Milliseconds to wait before this attempt. */
  delayMs (attempt: number): number
}

/**
 * Exponential backoff with full jitter: anywhere between 0 and `min(maxMs, baseMs * 2^attempt)`, so that those who
 * failed together do not return together.
 */
export function fullJitter (baseMs: number, maxMs: number, random: () => number = Math.random): RetryPolicy {
  return {
    delayMs (attempt) {
      // Beyond 2^30 the product only grows past maxMs, and in the end past what a number holds.
      const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 30))
      return Math.floor(random() * ceiling)
    }
  }
}
