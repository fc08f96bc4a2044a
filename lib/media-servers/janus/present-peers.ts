import type { RoomPeer } from '../../relay/control.js'
import type { ExpectedPeer, ExpectedPeers } from './expected-peers.js'
import type { Participants } from './participants.js'
import type { JanusPeer } from './peer.js'
import type { Participant, RoomName, VideoRoom } from './videoroom.js'

export interface PresentPeersServices {
  readonly videoRoom: Pick<VideoRoom, 'room'>
  readonly participants: Participants<JanusPeer>
  /** By id; those that are over too, until Janus has heard of it. */
  readonly peers: ReadonlyMap<string, JanusPeer>
  /** Whether a peer has lost its link, and is expected back. */
  isAway (peerId: string): boolean
  readonly expected: Pick<ExpectedPeers, 'byRoom'>
}

/** Who of this process is in which room of VideoRoom, at one moment: both name the same people differently. */
export class PresentPeers {
  readonly #services: PresentPeersServices
  /** By VideoRoom's names for the rooms. */
  readonly #peers = new Map<string, JanusPeer[]>()
  readonly #joined = new Map<string, Map<string, JanusPeer>>()
  readonly #expected: Map<string, ExpectedPeer[]>

  constructor (services: PresentPeersServices) {
    this.#services = services
    this.#expected = services.expected.byRoom()
    for (const peer of services.peers.values()) {
      const room = this.#roomOf(peer)
      const peers = this.#peers.get(room)
      if (peers === undefined) this.#peers.set(room, [peer])
      else peers.push(peer)
    }
    for (const { peer, room, id } of services.participants) {
      const joined = this.#joined.get(String(room)) ?? new Map<string, JanusPeer>()
      this.#joined.set(String(room), joined.set(String(id), peer))
    }
  }

  /** Those that the app has let into a room. */
  in (room: RoomName): JanusPeer[] {
    return this.#peers.get(String(room)) ?? []
  }

  /** What the app calls the room of those in it. */
  roomIdOf (room: RoomName): string | undefined {
    return this.in(room)[0]?.roomId
  }

  /** What VideoRoom calls a peer among these. Of those that are here already over, Janus is hearing. */
  participantsOf (peerId: string, room: RoomName, participants: Participant[]): RoomName[] {
    const joined = this.#joined.get(String(room))
    const isExpected = this.#expected.get(String(room))?.some((peer) => peer.peerId === peerId) ?? false
    return participants.filter((participant) => {
      const peer = joined?.get(String(participant.id))
      if (peer !== undefined) return peer.id === peerId && !peer.isOver
      return isExpected ? isCalled(participant, peerId) : String(participant.id) === peerId
    }).map(({ id }) => id)
  }

  /** Everybody in a room, and nobody twice. */
  describe (room: RoomName, participants: Participant[]): RoomPeer[] {
    const all = new Map<string, RoomPeer>()
    const add = (peer: JanusPeer): void => {
      // Of one that is over Janus is hearing.
      if (!peer.isOver) all.set(peer.id, { id: peer.id, status: this.#services.isAway(peer.id) ? 'disconnected' : 'connected', metadata: metadataOf(peer) })
    }
    const expected = this.#expected.get(String(room)) ?? []
    for (const { peerId, metadata } of expected) all.set(peerId, { id: peerId, status: 'disconnected', metadata })
    for (const peer of this.in(room)) add(peer)
    for (const participant of participants) {
      const peer = this.#joined.get(String(room))?.get(String(participant.id))
      const id = expected.find(({ peerId }) => isCalled(participant, peerId))?.peerId ?? String(participant.id)
      if (peer !== undefined) add(peer)
      else all.set(id, { id, status: 'connected', metadata: all.get(id)?.metadata ?? null })
    }
    return [...all.values()]
  }

  /** Empty: in none that VideoRoom could have. */
  #roomOf ({ roomId }: JanusPeer): string {
    try {
      return String(this.#services.videoRoom.room(roomId))
    } catch {
      // Of the app's function too: one room that it does not know is no reason to tell nothing of the others.
      return ''
    }
  }
}

/** Where VideoRoom has numbers, a client can say its id only as what it is called. */
function isCalled ({ id, display }: Participant, peerId: string): boolean {
  return String(id) === peerId || display === peerId
}

function metadataOf ({ metadata }: JanusPeer): unknown {
  return metadata === '' ? null : JSON.parse(metadata) as unknown
}
