import { TicketStoreFullError } from '../errors.js'

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

/** Peers that are remembered at once. Beyond, those that are not known yet are told to come back later. */
const MAX_PEERS = 100_000
/** So long after its time an entry may still take room, in milliseconds. */
const SLICE_MS = 5_000

interface Entry {
  issue: number
  untilMs: number
}

/**
 * The store of one process. Forgetting a peer would make its tickets good again, so none is forgotten before its time. Entries are
 * found by the slice of time in which they end, which needs neither a timer nor a look at those that stay.
 */
export class MemoryTicketStore implements TicketStore {
  readonly #now: () => number
  readonly #max: number
  readonly #entries = new Map<string, Entry>()
  readonly #slices = new Map<number, Set<string>>()
  #sweptTo = 0

  constructor (now: () => number, max = MAX_PEERS) {
    this.#now = now
    this.#max = max
  }

  /** How many peers take room. */
  get size (): number {
    return this.#entries.size
  }

  /** @throws TicketStoreFullError */
  claim (peerId: string, issue: number, untilMs: number): number {
    const now = this.#now()
    this.#sweep(Math.floor(now / SLICE_MS))
    const entry = this.#entries.get(peerId)
    const known = entry === undefined || entry.untilMs <= now ? 0 : entry.issue
    if (issue <= known || untilMs <= now) return Math.max(issue, known)
    if (entry === undefined && this.#entries.size >= this.#max) throw new TicketStoreFullError(this.#max)
    if (entry !== undefined) this.#take(peerId, entry)
    this.#entries.set(peerId, { issue, untilMs })
    const slice = sliceOf(untilMs)
    const peers = this.#slices.get(slice)
    if (peers === undefined) this.#slices.set(slice, new Set([peerId]))
    else peers.add(peerId)
    return issue
  }

  /** Forgets what ended in slices that are over. */
  #sweep (current: number): void {
    if (current <= this.#sweptTo) return
    this.#sweptTo = current
    for (const [slice, peers] of this.#slices) {
      if (slice >= current) continue
      for (const peerId of peers) this.#entries.delete(peerId)
      this.#slices.delete(slice)
    }
  }

  #take (peerId: string, { untilMs }: Entry): void {
    const slice = sliceOf(untilMs)
    const peers = this.#slices.get(slice)
    peers?.delete(peerId)
    if (peers?.size === 0) this.#slices.delete(slice)
  }
}

/** The slice in which something is still to be remembered that ends at `untilMs`. */
function sliceOf (untilMs: number): number {
  return Math.ceil(untilMs / SLICE_MS) - 1
}
