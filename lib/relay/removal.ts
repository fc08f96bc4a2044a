import { isId } from '../ids.js'
import { logThrown } from '../logger.js'
import type { Logger } from '../logger.js'
import type { AppControl } from './app-control.js'
import type { Peer } from './peer.js'
import type { Relay } from './relay.js'

export interface RemovalOptions<Metadata> {
  relay: Relay<Metadata>
  control: AppControl
  /** What lets peers in; null: the app's own. */
  desk: { void (peerId: string): Promise<void> } | null
  log: Logger
}

/** Ends peers for the app; what they could come back with is void from then on. */
export class Removal<Metadata> {
  readonly #options: RemovalOptions<Metadata>

  constructor (options: RemovalOptions<Metadata>) {
    this.#options = options
  }

  /** Whether there was such a peer: what one was given that has not come yet is void too. */
  kick (peerId: string, reason: string): boolean {
    this.#void(peerId)
    return this.#options.relay.kick(peerId, reason)
  }

  /** @returns how many */
  revoke (isConcerned: (peer: Peer<Metadata>) => boolean, reason: string): number {
    const concerned: string[] = []
    const count = this.#options.relay.revoke((peer) => {
      const is = isConcerned(peer)
      if (is) concerned.push(peer.id)
      return is
    }, reason)
    for (const peerId of concerned) this.#void(peerId)
    return count
  }

  /** @throws RoomNotFoundError, PeerNotFoundError */
  async removePeer (roomId: string, peerId: string): Promise<void> {
    const { relay, control } = this.#options
    const room = relay.peers.get(peerId)?.roomId
    // One that is here in another room is not who is meant.
    if (room === undefined || room === roomId) this.#void(peerId)
    await control.removePeer(roomId, peerId)
  }

  #void (peerId: string): void {
    const { desk, log } = this.#options
    // Nobody has such a ticket; and it may be of any size.
    if (!isId(peerId)) return
    desk?.void(peerId).catch((error: unknown) => logThrown(log, error, 'the tickets of a peer that was removed may still be good', { peerId }))
  }
}
