/** Who keeps something in memory that is for somebody else. */
export interface Holder {
  /** Of it, at the moment. */
  readonly bufferedBytes: number
  /** Whether it waits for somebody who may never come: it goes before all others. */
  readonly isDetached: boolean
  /** Lets go of it: there is too much altogether. */
  shed (): void
}

/** It is judged anew after a part of the bound has come in: the bound may be passed by so much. */
const STEPS = 64

/**
 * The bound of all buffers together. What each holder has is looked at only now and then, when enough has come in since the
 * last time to matter: a count that is kept with every event would cost every event, and be wrong in the end.
 */
export class MemoryBudget {
  readonly #maxBytes: number
  readonly #holders: () => Iterable<Holder>
  #sinceJudged = 0
  #shed = 0

  /** @param holders all that there are */
  constructor (maxBytes: number, holders: () => Iterable<Holder>) {
    this.#maxBytes = maxBytes
    this.#holders = holders
  }

  /** How many holders have had to let go. */
  get shed (): number {
    return this.#shed
  }

  /** Bytes that are buffered: asks every holder. */
  get bytes (): number {
    return this.measure().bufferedBytes
  }

  /** The same, and what one holder has of it at most. */
  measure (): { bufferedBytes: number, mostBufferedBytes: number } {
    let bufferedBytes = 0
    let mostBufferedBytes = 0
    for (const holder of this.#holders()) {
      const bytes = holder.bufferedBytes
      bufferedBytes += bytes
      if (bytes > mostBufferedBytes) mostBufferedBytes = bytes
    }
    return { bufferedBytes, mostBufferedBytes }
  }

  /** So many bytes have come in, wherever they go. */
  received (bytes: number): void {
    this.#sinceJudged += bytes
    if (this.#sinceJudged * STEPS < this.#maxBytes) return
    this.#sinceJudged = 0
    if (this.bytes > this.#maxBytes) this.#judge()
  }

  #judge (): void {
    const held = [...this.#holders()].map((holder) => ({ holder, bytes: holder.bufferedBytes, isDetached: holder.isDetached }))
    held.sort((one, other) => Number(other.isDetached) - Number(one.isDetached) || other.bytes - one.bytes)
    let excess = held.reduce((sum, { bytes }) => sum + bytes, 0) - this.#maxBytes
    for (const { holder, bytes } of held) {
      if (excess <= 0) return
      if (bytes === 0) continue
      excess -= bytes
      this.#shed++
      holder.shed()
    }
  }
}
