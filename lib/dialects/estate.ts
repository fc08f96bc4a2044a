import type { Claim } from '../relay/link.js'
import { End, endLimits } from '../session/end.js'

/** What a link leaves to the next one of its session: the client's end of that, and what it asks with. */
export class Estate {
  readonly end: End<{ data: Buffer, binary: boolean }>
  /** Names the end among all; empty: it never has another link. */
  readonly asker: string
  #peerId: string | null = null
  #key = ''
  #turn = 0

  constructor (windowEvents: number, asker = '') {
    this.end = new End(endLimits({ windowEvents }))
    this.asker = asker
  }

  /** Whose session it is; null: nobody's yet. */
  get peerId (): string | null {
    return this.#peerId
  }

  /** The media server has answered. */
  joined (peerId: string, key: string): void {
    this.#peerId = peerId
    this.#key = key
  }

  /** What the end asks next. */
  claim (): Claim {
    return { peerId: this.#peerId, key: this.#key, received: this.end.received, asker: this.asker, turn: this.asker === '' ? 0 : ++this.#turn }
  }
}
