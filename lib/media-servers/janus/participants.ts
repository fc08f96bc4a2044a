import { isObject } from './messages.js'
import type { JanusMessage } from './messages.js'
import { VIDEOROOM, isName } from './videoroom.js'
import type { RoomName } from './videoroom.js'

/** Whose participants they are. */
export interface Joiner {
  readonly sessionId: number | null
}

export interface JoinedParticipant<Peer> {
  peer: Peer
  room: RoomName
  id: RoomName
}

/**
 * Which participants of VideoRoom a peer is: it has an id for each, which the client may choose, and says it as one joins. Of what it
 * says while the connection is lost nothing is known.
 */
export class Participants<Peer extends Joiner> {
  /** By session and handle: a handle is one at most, and a peer has so many handles. */
  readonly #joined = new Map<number, Map<number, JoinedParticipant<Peer>>>()

  /** Whatever Janus says to a peer. */
  heard (peer: Peer, { janus, sender, plugindata }: JanusMessage): void {
    const { sessionId } = peer
    if (sessionId === null || typeof sender !== 'number') return
    if (janus === 'detached') this.#left(sessionId, sender)
    if (!isObject(plugindata) || plugindata.plugin !== VIDEOROOM || !isObject(plugindata.data)) return
    const { videoroom, room, id, leaving } = plugindata.data
    if (videoroom === 'joined' && isName(room) && isName(id)) {
      const ofSession = this.#joined.get(sessionId) ?? new Map<number, JoinedParticipant<Peer>>()
      this.#joined.set(sessionId, ofSession.set(sender, { peer, room, id }))
    } else if (leaving === 'ok' || videoroom === 'destroyed') {
      this.#left(sessionId, sender)
    }
  }

  /** The session is no more, nor are its handles. */
  ended (sessionId: number): void {
    this.#joined.delete(sessionId)
  }

  * [Symbol.iterator] (): IterableIterator<JoinedParticipant<Peer>> {
    for (const ofSession of this.#joined.values()) yield * ofSession.values()
  }

  #left (sessionId: number, handleId: number): void {
    const ofSession = this.#joined.get(sessionId)
    ofSession?.delete(handleId)
    if (ofSession?.size === 0) this.#joined.delete(sessionId)
  }
}
