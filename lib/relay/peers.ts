import type { Peer } from './peer.js'

/** Who is here, as the app sees it: `app.trunkline.peers`. */
export interface Peers<Metadata> extends Iterable<Peer<Metadata>> {
  readonly size: number
  /** How many rooms have a peer. */
  readonly rooms: number
  get (id: string): Peer<Metadata> | undefined
  inRoom (roomId: string): Array<Peer<Metadata>>
}

/** The registry: each live peer by its id and by its room. */
export class PeerRegistry<Metadata, P extends Peer<Metadata>> implements Peers<Metadata> {
  readonly #byId = new Map<string, P>()
  readonly #byRoom = new Map<string, Set<P>>()

  get size (): number {
    return this.#byId.size
  }

  get rooms (): number {
    return this.#byRoom.size
  }

  get (id: string): P | undefined {
    return this.#byId.get(id)
  }

  inRoom (roomId: string): P[] {
    return [...this.#byRoom.get(roomId) ?? []]
  }

  hasRoom (roomId: string): boolean {
    return this.#byRoom.has(roomId)
  }

  [Symbol.iterator] (): Iterator<P> {
    return this.#byId.values()
  }

  add (peer: P): void {
    this.#byId.set(peer.id, peer)
    const room = this.#byRoom.get(peer.roomId)
    if (room === undefined) this.#byRoom.set(peer.roomId, new Set([peer]))
    else room.add(peer)
  }

  /** Removes this very peer; never a newer one that goes by the same id. */
  delete (peer: P): void {
    if (this.#byId.get(peer.id) === peer) this.#byId.delete(peer.id)
    const room = this.#byRoom.get(peer.roomId)
    if (room?.delete(peer) === true && room.size === 0) this.#byRoom.delete(peer.roomId)
  }
}
