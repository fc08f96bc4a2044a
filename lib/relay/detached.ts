/**
 * Who has lost its link and is waited for, by subject: so many of each, since a client that comes back under a new session each
 * time would leave one behind with each link. No more are in it than there are peers.
 */
export class DetachedSessions<P> {
  readonly #max: number
  readonly #subjects = new Map<P, string | null>()
  /** Those of each subject, the oldest first. */
  readonly #bySubject = new Map<string, Set<P>>()
  #evicted = 0

  /** @param max of one subject, 1 or more */
  constructor (max: number) {
    this.#max = max
  }

  get size (): number {
    return this.#subjects.size
  }

  /** How many had to go so far. */
  get evicted (): number {
    return this.#evicted
  }

  /**
   * It has lost its link. One of which nobody says whose it is counts with no other.
   * @returns who has to end, if any: it is forgotten already
   */
  add (peer: P, subject: string | null): P | null {
    this.delete(peer)
    this.#subjects.set(peer, subject)
    if (subject === null) return null
    const same = this.#bySubject.get(subject) ?? new Set()
    const [oldest] = same
    same.add(peer)
    this.#bySubject.set(subject, same)
    if (same.size <= this.#max) return null
    this.delete(oldest!)
    this.#evicted++
    return oldest!
  }

  /** It is back, or over. */
  delete (peer: P): void {
    const subject = this.#subjects.get(peer)
    this.#subjects.delete(peer)
    if (subject === undefined || subject === null) return
    const same = this.#bySubject.get(subject)!
    same.delete(peer)
    if (same.size === 0) this.#bySubject.delete(subject)
  }
}
