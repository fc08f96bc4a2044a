import type { TicketStore } from 'trunkline'

/** Peers of which it is remembered which ticket is good. Beyond, the one is forgotten that was heard of longest ago. */
export const MAX_REMEMBERED = 100_000

/**
 * Which ticket of a peer is good. They live for a day, so that a client may come back for as long, and a store that forgets none of them
 * meanwhile would be full after so many clients, and let nobody in any more. Here those who are forgotten lose their tickets: what is
 * void is never good again, and a client that has been away for 100 000 others asks the app for another one.
 */
export class DoorTickets implements TicketStore {
  readonly #max: number
  /** The largest number by peer, the latest last. */
  readonly #numbers = new Map<string, number>()
  /** The largest of those that are forgotten: a smaller one may be void. */
  #forgotten = 0

  constructor (max = MAX_REMEMBERED) {
    this.#max = max
  }

  claim (peerId: string, number: number): number {
    const known = this.#numbers.get(peerId) ?? this.#forgotten
    if (number < known || number === 0) return known
    this.#numbers.delete(peerId)
    this.#numbers.set(peerId, number)
    if (this.#numbers.size > this.#max) {
      const [[oldest, forgotten]] = this.#numbers as unknown as [[string, number]]
      this.#numbers.delete(oldest)
      this.#forgotten = Math.max(this.#forgotten, forgotten)
    }
    return number
  }
}
