import type { NumberedEvent } from './events.js'

export interface Counts {
  /** Different events that have come. */
  received: number
  /** Events whose place was passed and that have not come. */
  lost: number
  duplicated: number
  /** Events that came after one that was sent later. */
  reordered: number
  /** Events that were changed, or are of another stream. */
  damaged: number
}

export const NO_COUNTS: Counts = { received: 0, lost: 0, duplicated: 0, reordered: 0, damaged: 0 }

/** What one side gets within one instance of a session: 1, 2, 3 and so on of one stream, or it is counted what is wrong. */
export class Sequence {
  readonly counts: Counts = { ...NO_COUNTS }
  /** Whose events these are: that of the first. */
  from: string | null = null
  #last = 0
  readonly #missing = new Set<number>()

  take (event: NumberedEvent | null): void {
    this.from ??= event?.stream ?? null
    if (event === null || event.stream !== this.from || !event.intact) {
      this.counts.damaged++
      if (event === null || event.stream !== this.from) return
    }
    const { number } = event
    if (number > this.#last) {
      for (let n = this.#last + 1; n < number; n++) this.#missing.add(n)
      this.#last = number
      this.counts.received++
    } else if (this.#missing.delete(number)) {
      this.counts.reordered++
      this.counts.received++
    } else {
      this.counts.duplicated++
    }
    this.counts.lost = this.#missing.size
  }
}
