/**
 * What decides among several tickets of one peer: one for all processes that take the same tickets. With Redis it is a script of one
 * step, `local known = redis.call('GET', KEYS[1]) or '0' if tonumber(ARGV[1]) > tonumber(known) then
 * redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[2]) known = ARGV[1] end return known`, whose answer is made a number.
 */
export interface TicketStore {
  /**
   * In one step: remembers the larger of `issue` and of what it remembers of the peer, and answers that. An `issue` of 0 only asks.
   * One that rejects, or takes longer than `limits.hookMs`, has the client come back later.
   * @param untilMs milliseconds since 1970, from which on what was remembered by this call may be forgotten, and not earlier
   */
  claim (peerId: string, issue: number, untilMs: number): number | Promise<number>
}

/** Peers that are remembered. Beyond, the one is forgotten that was heard of longest ago, and its tickets are void. */
const MAX_PEERS = 100_000

/**
 * The store of one process. Forgetting a peer must not make its void tickets good again: so there is a floor, the largest number that was
 * forgotten, and of a peer that is not known a smaller one is void. Whoever it catches has been away for 100 000 others, and asks the
 * app for another ticket.
 */
export class MemoryTicketStore implements TicketStore {
  readonly #max: number
  /** By peer, the one that was heard of latest last. */
  readonly #issues = new Map<string, number>()
  #floor = 0

  constructor (max = MAX_PEERS) {
    this.#max = max
  }

  /** How many peers are remembered. */
  get size (): number {
    return this.#issues.size
  }

  claim (peerId: string, issue: number): number {
    const known = this.#issues.get(peerId) ?? this.#floor
    if (issue < known || issue === 0) return known
    this.#issues.delete(peerId)
    this.#issues.set(peerId, issue)
    if (this.#issues.size > this.#max) {
      const [oldest, forgotten] = this.#issues.entries().next().value!
      this.#issues.delete(oldest)
      this.#floor = Math.max(this.#floor, forgotten)
    }
    return issue
  }
}
