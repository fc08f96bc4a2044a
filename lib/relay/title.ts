import { sameSecret } from '../secrets.js'
import type { Asking } from './link.js'
import type { OpenAnswer } from './media-server.js'

const NOTHING: Asking = { key: '', received: 0, asker: '', turn: 0 }

/** Who may have a session, and who asks for it: its key, and what is known of the end that has asked last. */
export class Title {
  #key = ''
  /** What the client asked with when it was given `#key`: until we hear that it knows, it may ask with the old one again. */
  #oldKey = ''
  /** Whether the id is but what a client says: only the media server knows whether the key fits it. */
  #claimed: boolean
  #asking: Asking | null = null
  /** The same, and kept: an earlier one of the same end may arrive later. */
  #last: Asking = NOTHING

  /** @param claimed whether the id comes from the client */
  constructor (claimed: boolean) {
    this.#claimed = claimed
  }

  /** Empty while the media server has given none. */
  get key (): string {
    return this.#key
  }

  /** What the client's end has asked, until it is answered. */
  get asking (): Asking | null {
    return this.#asking
  }

  /** Whether it is only claimed yet: nobody has shown that the id is theirs. */
  get isClaimed (): boolean {
    return this.#claimed
  }

  /** Whether the client has a key to ask with. */
  get canBeAskedFor (): boolean {
    return this.#key !== '' || (this.#asking !== null && this.#asking.key !== '')
  }

  /** Whether whoever has this key may have the session. */
  isHeldBy (key: string): boolean {
    return sameSecret(key, this.#key) || sameSecret(key, this.#oldKey) || sameSecret(key, this.#asking?.key ?? '')
  }

  /** Whether the same end has asked for it, as far as that is known. */
  isOf ({ asker }: Asking): boolean {
    return asker !== '' && asker === this.#last.asker
  }

  /** Whether it is what is left of an earlier session of the same end, which has been given another elsewhere. */
  isFormer (asking: Asking): boolean {
    return this.isOf(asking) && !this.isHeldBy(asking.key)
  }

  /** Whether the same end has asked for more since. */
  isLate (asking: Asking): boolean {
    return this.isOf(asking) && asking.turn < this.#last.turn
  }

  ask (asking: Asking): void {
    this.#asking = this.#last = asking
  }

  /** The media server has answered. */
  answered ({ key, resumed }: OpenAnswer): void {
    this.#claimed = false
    this.#key = key
    this.#oldKey = resumed ? '' : this.#asking?.key ?? ''
    this.#asking = null
  }

  /** The client has spoken, so it has got the answer. */
  heard (): void {
    this.#oldKey = ''
  }
}
