import { logThrown } from '../logger.js'
import type { Hooks } from './hooks.js'
import type { LeaveReason, Peer } from './peer.js'

/** Nobody asked to be told. */
const TOLD = Promise.resolve()

export interface PresenceObserver {
  /** The app has been told: events may move. */
  told (): void
  failed (error: Error): void
}

/** What the app is told of a peer: that it has joined, once, and that it has left, once, if it was told that it joined. */
export class Presence<Metadata> {
  readonly #peer: Peer<Metadata>
  readonly #hooks: Hooks<Metadata>
  readonly #observer: PresenceObserver
  /** Settles when `onPeerJoin` has; null while the media server has not accepted the peer. */
  #joining: Promise<void> | null = null
  /** Whether `onPeerJoin` was begun, or nobody asked for it: then the app is told of the end too. */
  #joinTold = false
  #over = false

  constructor (peer: Peer<Metadata>, hooks: Hooks<Metadata>, observer: PresenceObserver) {
    this.#peer = peer
    this.#hooks = hooks
    this.#observer = observer
  }

  /** Whether the media server has accepted the peer. */
  get joined (): boolean {
    return this.#joining !== null
  }

  /**
   * The media server has accepted the peer, or has it again.
   * @param predecessor resolves when the last hook has run of an earlier peer of this id
   */
  join (predecessor: Promise<void>): void {
    if (this.#joining !== null) {
      void this.#joining.then(() => this.#observer.told())
    } else if (this.#hooks.lists.onPeerJoin === null) {
      this.#joining = TOLD
      this.#joinTold = true
      this.#observer.told()
    } else {
      // After the end of whoever had this id before; and in any case a turn later, so that a hook which ends the peer finds
      // it joined, and is followed by onPeerLeave.
      this.#joining = predecessor.then(() => this.#tellJoin())
    }
  }

  /** It is over. Resolves when the last hook has run, those in `hooks` first. */
  async leave (reason: LeaveReason, hooks: Promise<void>): Promise<void> {
    this.#over = true
    if (this.#joining === null) return
    await Promise.all([hooks, this.#joining])
    if (!this.#joinTold) return
    await this.#hooks.tell('onPeerLeave', (error) => logThrown(this.#peer.log, error, 'a hook onPeerLeave failed'), this.#peer, reason)
  }

  async #tellJoin (): Promise<void> {
    // Whoever is over by now never was, for the app: who comes and goes faster than its hooks run does not pile them up.
    if (this.#over) return
    this.#joinTold = true
    try {
      await this.#hooks.run('onPeerJoin', this.#peer)
      this.#observer.told()
    } catch (error) {
      this.#observer.failed(error as Error)
    }
  }
}
