import type { Clock } from '../../clock.js'
import { CloseCode } from '../../close-codes.js'
import { ControlUnsupportedError, JanusRoomError, PeerNotFoundError, RoomFullError, RoomModeError, RoomNotFoundError } from '../../errors.js'
import { checkIds, checkRoomRequest } from '../../relay/control-arguments.js'
import type { Admittance, MediaServerControl, PeerRequest, Room, RoomRequest } from '../../relay/control.js'
import type { Recording } from '../../relay/media-server.js'
import { ExpectedPeers } from './expected-peers.js'
import type { CheckedJanusOptions } from './options.js'
import type { Participants } from './participants.js'
import type { JanusPeer } from './peer.js'
import { PresentPeers } from './present-peers.js'
import type { JanusRecordings } from './recordings.js'
import { CORE, isDescriptor, signToken } from './signed-token.js'
import { VIDEOROOM } from './videoroom.js'
import type { ListedRoom, Participant, RoomName, VideoRoom } from './videoroom.js'

/** As many as may publish in a room that is made without `maxPeers`: VideoRoom itself would let in three. */
const UNBOUNDED = 2 ** 31 - 1
/** Rooms of which the participants are asked for at once, and of which they are at all, for one list. */
const ASKED_AT_ONCE = 8
const MAX_ASKED = 1_000

export type JanusControlOptions = Pick<CheckedJanusOptions, 'newRoom' | 'plugins' | 'publicUrl' | 'tokenSecret' | 'tokenMs'>

export interface JanusControlServices {
  readonly videoRoom: VideoRoom
  readonly recordings: JanusRecordings
  readonly participants: Participants<JanusPeer>
  /** By id; those that are over too, until Janus has heard of it. */
  readonly peers: ReadonlyMap<string, JanusPeer>
  /** Whether a peer has lost its link, and is expected back. */
  isAway (peerId: string): boolean
  readonly clock: Clock
}

/** With which a client of Janus connects to it: `new Janus({ server: url, token })`. */
export interface JanusAdmittance extends Admittance {
  /** `token` of the message `join`, where the room has `signed_tokens`: it is good for this room only. A secret. */
  roomToken: string
}

/**
 * Rooms of VideoRoom, as the app has them made and looks at them. A peer of this process is named by its id, whatever VideoRoom
 * calls it; other participants, those of other processes too, by what VideoRoom calls them.
 */
export class JanusControl implements MediaServerControl {
  /** None without `tokenSecret` and `publicUrl`. */
  readonly addPeer?: (request: PeerRequest) => Promise<JanusAdmittance>
  readonly #options: JanusControlOptions
  readonly #services: JanusControlServices
  readonly #expected: ExpectedPeers

  constructor (options: JanusControlOptions, services: JanusControlServices) {
    this.#options = options
    this.#services = services
    this.#expected = new ExpectedPeers(() => services.clock.now())
    const { publicUrl, tokenSecret } = options
    if (publicUrl !== undefined && tokenSecret !== null) this.addPeer = async (request) => await this.#addPeer(request, publicUrl, tokenSecret)
  }

  /**
   * `maxPeers` may publish; VideoRoom lets anybody in to watch.
   * @throws RoomExistsError
   * @throws ControlUnsupportedError `subscribeMode: 'manual'`
   * @throws JanusRoomError VideoRoom can have no room of that name
   * @throws JanusRefusedError
   */
  async createRoom (request: RoomRequest): Promise<Room> {
    checkRoomRequest(request)
    const { roomId, maxPeers, subscribeMode } = request
    if (subscribeMode === 'manual') throw new ControlUnsupportedError('janus', "make a room with subscribeMode 'manual', where its clients choose themselves what they get")
    await this.#services.videoRoom.create(roomId, { publishers: UNBOUNDED, ...this.#options.newRoom(roomId), ...(maxPeers === undefined ? {} : { publishers: maxPeers }) })
    return await this.getRoom(roomId)
  }

  /** Of a private room, without `adminKey`, VideoRoom tells only who is there. @throws RoomNotFoundError */
  async getRoom (roomId: string): Promise<Room> {
    checkIds({ roomId })
    const { videoRoom } = this.#services
    const room = videoRoom.room(roomId)
    const [participants, list] = await Promise.all([videoRoom.participants(roomId), videoRoom.list()])
    return { ...this.#describe(listedIn(list, room), participants, this.#present()), id: roomId }
  }

  /** Private rooms only with `adminKey`. Beyond 1 000 rooms with somebody in them, only peers of this process are told of. */
  async listRooms (): Promise<Room[]> {
    const { videoRoom } = this.#services
    const listed = await videoRoom.list()
    const participants = new Map<ListedRoom, Participant[]>()
    const asked = listed.filter((each) => each.num_participants !== 0).slice(0, MAX_ASKED)
    const gone = new Set<ListedRoom>()
    const ask = async (): Promise<void> => {
      for (let each = asked.pop(); each !== undefined; each = asked.pop()) {
        try {
          participants.set(each, await videoRoom.participantsOf(each.room))
        } catch (error) {
          if (!(error instanceof RoomNotFoundError)) throw error
          gone.add(each)
        }
      }
    }
    await Promise.all(Array.from({ length: ASKED_AT_ONCE }, ask))
    const present = this.#present()
    return listed.filter((each) => !gone.has(each)).map((each) => this.#describe(each, participants.get(each) ?? [], present))
  }

  /** @throws RoomNotFoundError */
  async deleteRoom (roomId: string): Promise<void> {
    checkIds({ roomId })
    const { videoRoom, recordings } = this.#services
    const room = videoRoom.room(roomId)
    for (const each of recordings.of(room)) await recordings.stop(each)
    await videoRoom.manage(roomId, { request: 'destroy' })
    this.#expected.forget(room)
    // VideoRoom tells its participants, and leaves them their sessions.
    for (const peer of this.#present().in(room)) peer.fail({ code: CloseCode.noSuchRoom, reason: 'room deleted' })
  }

  /**
   * A peer of this process ends; of others the participant that has joined by its id, or of those
   * that this process has added, by its id as `display`. What a token allows
   * it goes on to allow: who connects to Janus itself may come back until it expires.
   * @throws RoomNotFoundError
   * @throws PeerNotFoundError
   */
  async removePeer (roomId: string, peerId: string): Promise<void> {
    checkIds({ roomId, peerId })
    const { videoRoom, peers } = this.#services
    const room = videoRoom.room(roomId)
    const peer = peers.get(peerId)
    if (peer !== undefined && !peer.isOver && this.#present().in(room).includes(peer)) {
      peer.fail({ code: CloseCode.removed, reason: 'removed' })
      return
    }
    const ids = this.#present().participantsOf(peerId, room, await videoRoom.participants(roomId))
    const wasExpected = this.#expected.delete(room, peerId)
    if (ids.length === 0 && !wasExpected) throw new PeerNotFoundError(peerId, roomId)
    for (const id of ids) await videoRoom.manage(roomId, { request: 'kick', id }, peerId)
  }

  /** @throws RoomNotFoundError */
  async startRecording (roomId: string): Promise<Recording[]> {
    checkIds({ roomId })
    return await this.#services.recordings.start(roomId)
  }

  /** @throws RoomNotFoundError */
  async stopRecording (roomId: string): Promise<Recording[]> {
    checkIds({ roomId })
    return await this.#services.recordings.stop(roomId)
  }

  async #addPeer ({ roomId, peerId, metadata, dialect }: PeerRequest, url: string, secret: () => string | Promise<string>): Promise<JanusAdmittance> {
    checkIds({ roomId, peerId })
    const { videoRoom, clock } = this.#services
    if (dialect !== 'janus') throw new ControlUnsupportedError('janus', `have clients of the dialect '${dialect}' connect to Janus itself, which speaks its own API alone`)
    const room = videoRoom.room(roomId)
    if (!isDescriptor(String(room))) throw new JanusRoomError(roomId, "',' and ':' in a name cannot stand in a token of Janus")
    const [participants, list, key] = await Promise.all([videoRoom.participants(roomId), videoRoom.list(), secret()])
    const present = this.#present()
    if (present.in(room).some(({ isOver }) => !isOver)) throw new RoomModeError(roomId, 'are relayed', 'connect to Janus themselves')
    const others = present.describe(room, participants).filter(({ id }) => id !== peerId)
    if (others.length >= (maxPeersOf(listedIn(list, room)) ?? Infinity)) throw new RoomFullError(roomId)
    const { plugins, tokenMs } = this.#options
    const expiresAt = clock.now() + tokenMs
    this.#expected.add({ room: String(room), peerId, metadata, until: expiresAt })
    return {
      peerId,
      url,
      token: signToken(key, { realm: CORE, descriptors: plugins, expiresAt }),
      roomToken: signToken(key, { realm: VIDEOROOM, descriptors: [`room=${room}`], expiresAt })
    }
  }

  #describe (listed: ListedRoom, participants: Participant[], present: PresentPeers): Room {
    return {
      id: present.roomIdOf(listed.room) ?? this.#services.videoRoom.idOf(listed.room),
      maxPeers: maxPeersOf(listed),
      // Of a private room only what was asked for here is known.
      isRecorded: listed.record === undefined ? this.#services.recordings.of(listed.room).length > 0 : listed.record === true,
      peers: present.describe(listed.room, participants)
    }
  }

  #present (): PresentPeers {
    return new PresentPeers({ ...this.#services, expected: this.#expected })
  }
}

/** Without anything but its name where it is private. */
function listedIn (list: ListedRoom[], room: RoomName): ListedRoom {
  return list.find((each) => String(each.room) === String(room)) ?? { room }
}

function maxPeersOf ({ max_publishers: most }: Record<string, unknown>): number | null {
  return typeof most === 'number' && most !== UNBOUNDED ? most : null
}
