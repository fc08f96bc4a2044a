import type { Latencies } from './scenarios.js'

/** Events that were due between `since` and the end of one window, and their answers. */
export class Observed {
  readonly #late: number[] = []
  readonly #latencies: number[] = []
  readonly #open = new Set<{ due: number }>()

  /** @param lateMs after `due`, by the load's own fault */
  sent (event: { due: number }, lateMs: number): void {
    this.#open.add(event)
    this.#late.push(lateMs)
  }

  /** Whatever is not of this window is passed over. */
  answered (event: { due: number }, now: number): void {
    if (this.#open.delete(event)) this.#latencies.push(now - event.due)
  }

  get isComplete (): boolean {
    return this.#open.size === 0
  }

  /** What is unanswered now has taken until now at least, and to leave it out would be to leave out the worst. */
  result (now: number): Latencies {
    const bounds = [...this.#open].map(({ due }) => now - due)
    const known = Math.min(...bounds)
    const all = [...this.#latencies, ...bounds].sort((a, b) => a - b)
    const [p50Ms, p99Ms] = [percentile(all, 50), percentile(all, 99)]
    return {
      sent: all.length,
      answered: this.#latencies.length,
      p50Ms,
      p99Ms,
      p50IsBound: p50Ms >= known,
      p99IsBound: p99Ms >= known,
      lateMs: percentile(this.#late.sort((a, b) => a - b), 99)
    }
  }
}

function percentile (sorted: number[], percent: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * percent / 100) - 1)] ?? NaN
}
