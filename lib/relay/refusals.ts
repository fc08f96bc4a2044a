import type { Refusal } from './refusal.js'

/** Reasons that are told apart: an app may refuse with words of its own, as many as it has clients. */
const MAX_REASONS = 50
/** What all further reasons are counted under. */
const OTHER = 'other'

/** How many were refused, by reason. */
export class Refusals {
  readonly #counts = new Map<string, number>()

  count ({ message }: Refusal): void {
    const reason = this.#counts.has(message) || this.#counts.size < MAX_REASONS - 1 ? message : OTHER
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1)
  }

  stats (): Record<string, number> {
    return Object.fromEntries(this.#counts)
  }
}
