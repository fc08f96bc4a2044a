import type { RoomName } from './videoroom.js'

/** Of all rooms at most. Beyond, the one that was let in first is forgotten: its token is good all the same. */
const MAX_EXPECTED = 10_000

export interface ExpectedPeer {
  room: string
  peerId: string
  metadata: unknown
  /** Until when its token is good, in milliseconds since the Unix epoch. */
  until: number
}

/** Clients that this process has let in to connect to Janus themselves: VideoRoom knows nothing of them until they join, and then no metadata. */
export class ExpectedPeers {
  readonly #now: () => number
  /** By room and peer, the latest last. */
  readonly #peers = new Map<string, ExpectedPeer>()

  constructor (now: () => number) {
    this.#now = now
  }

  add (peer: ExpectedPeer): void {
    this.delete(peer.room, peer.peerId)
    this.#peers.set(keyOf(peer.room, peer.peerId), peer)
    if (this.#peers.size > MAX_EXPECTED) this.#peers.delete(this.#peers.keys().next().value!)
  }

  /** Whether it was expected. */
  delete (room: RoomName, peerId: string): boolean {
    return this.#peers.delete(keyOf(room, peerId))
  }

  /** The room is no more. */
  forget (room: RoomName): void {
    for (const { peerId } of this.byRoom().get(String(room)) ?? []) this.delete(room, peerId)
  }

  byRoom (): Map<string, ExpectedPeer[]> {
    const now = this.#now()
    const found = new Map<string, ExpectedPeer[]>()
    for (const [key, peer] of this.#peers) {
      const ofRoom = found.get(peer.room)
      if (peer.until <= now) this.#peers.delete(key)
      else if (ofRoom === undefined) found.set(peer.room, [peer])
      else ofRoom.push(peer)
    }
    return found
  }
}

function keyOf (room: RoomName, peerId: string): string {
  return JSON.stringify([String(room), peerId])
}
