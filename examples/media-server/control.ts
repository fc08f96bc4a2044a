import { randomUUID } from 'node:crypto'
import type { DirectDoor } from './direct-door.js'
import type { Recording } from './recording.js'
import type { Recordings } from './recordings.js'
import { TooManyOriginsError, type SubscribeMode } from './room.js'
import { RoomRecording } from './room-recording.js'
import { RoomExistsError, TooManyRoomsError, type HostedRoom, type Rooms } from './rooms.js'
import { ROOM_STOPPED, type Sfu } from './sfu.js'
import type { Timing } from './timing.js'

/** Bytes of an id, as on the trunk. */
const MAX_ID_BYTES = 128
/** Bytes of a peer's metadata, as JSON. */
const MAX_METADATA_BYTES = 16 * 1024

/** Why the API does not do what it was asked: an HTTP status, and what it says. */
export class ControlError extends Error {
  override readonly name = 'ControlError'
  readonly statusCode: number

  constructor (statusCode: number, message: string) {
    super(message)
    this.statusCode = statusCode
  }
}

export interface RoomView {
  id: string
  config: { maxPeers: number | null, subscribeMode: SubscribeMode }
  components: Array<{ id: string, type: 'recording' }>
  peers: PeerView[]
}

export interface PeerView {
  id: string
  type: 'webrtc'
  status: 'connected' | 'disconnected'
  metadata: unknown
}

export interface ComponentView {
  id: string
  type: 'recording'
  properties: { recordings: RecordingView[] }
}

export type RecordingView = Omit<Recording, 'peerId' | 'componentId'>

export interface ControlOptions {
  readonly rooms: Rooms
  readonly sfu: Sfu
  readonly recordings: Recordings
  readonly timing: Timing
  /** Where clients connect directly; none: nowhere. */
  readonly door: () => DirectDoor | undefined
}

/** What a backend can have done here beside its clients' media events. Each method throws a `ControlError` where it cannot. */
export class Control {
  readonly #options: ControlOptions

  constructor (options: ControlOptions) {
    this.#options = options
  }

  createRoom ({ roomId = randomUUID(), maxPeers = null, subscribeMode = 'auto' }: { roomId?: string, maxPeers?: number | null, subscribeMode?: SubscribeMode }): RoomView {
    checkId(roomId, 'roomId')
    try {
      return view(this.#options.rooms.make(roomId, { maxPeers, subscribeMode }))
    } catch (error) {
      if (error instanceof RoomExistsError) throw new ControlError(409, 'room exists')
      if (error instanceof TooManyRoomsError) throw new ControlError(503, error.message)
      throw error
    }
  }

  listRooms (): RoomView[] {
    return this.#options.rooms.all.map(view)
  }

  room (roomId: string): RoomView {
    return view(this.#find(roomId))
  }

  deleteRoom (roomId: string): void {
    const { sfu, door } = this.#options
    const hosted = this.#find(roomId)
    const { peers } = view(hosted)
    const isDirect = hosted.way === 'direct'
    sfu.deleteRoom(hosted)
    // Or they would be let into another room of this name.
    if (isDirect) for (const { id } of peers) door()?.remove(id, ROOM_STOPPED)
  }

  async addPeer (roomId: string, { peerId = randomUUID(), metadata = null, dialect = 'trunkline' }: { peerId?: string, metadata?: unknown, dialect?: 'trunkline' | 'fishjam' }): Promise<{ peer: PeerView, token: string, url: string }> {
    this.#find(roomId)
    const door = this.#options.door()
    checkId(peerId, 'peerId')
    if (Buffer.byteLength(JSON.stringify(metadata)) > MAX_METADATA_BYTES) throw new ControlError(400, `metadata is at most ${MAX_METADATA_BYTES} bytes of JSON`)
    if (door === undefined) throw new ControlError(503, 'no clients connect directly')
    this.#findPlace(roomId, peerId)
    const { token, url } = await door.admit({ roomId, peerId, metadata, dialect })
    // Others may have come meanwhile, or the room have ended. Who gets no token is not waited for.
    this.#findPlace(roomId, peerId).add(peerId, metadata)
    return { peer: { id: peerId, type: 'webrtc', status: 'disconnected', metadata }, token, url }
  }

  removePeer (roomId: string, peerId: string): void {
    const { sfu, door } = this.#options
    if (!sfu.removePeer(this.#find(roomId), peerId)) throw new ControlError(404, 'peer not found')
    door()?.remove(peerId)
  }

  subscribe (roomId: string, peerId: string, origins: readonly string[]): void {
    const hosted = this.#find(roomId)
    if (!hosted.has(peerId)) throw new ControlError(404, 'peer not found')
    try {
      hosted.room.subscribe(peerId, origins)
    } catch (error) {
      throw error instanceof TooManyOriginsError ? new ControlError(400, error.message) : error
    }
  }

  /** @returns also whether it is new */
  async record (roomId: string): Promise<{ component: ComponentView, isNew: boolean }> {
    const hosted = this.#find(roomId)
    const { recordings, timing } = this.#options
    const isNew = hosted.recording === undefined
    const recording = hosted.recording ??= new RoomRecording(roomId, recordings, timing)
    if (isNew) for (const member of hosted.room.members) recording.tracksChanged(member, [...member.tracks])
    // A folder that is not to be written to is said at once.
    await recording.opened()
    return { component: { id: recording.id, type: 'recording', properties: { recordings: recording.recordings.map(recordingView) } }, isNew }
  }

  /** @returns what was recorded */
  stopRecording (roomId: string, componentId: string): RecordingView[] {
    const hosted = this.#find(roomId)
    const { recording } = hosted
    if (recording === undefined || recording.id !== componentId) throw new ControlError(404, 'component not found')
    hosted.recording = undefined
    recording.stop()
    return recording.recordings.map(recordingView)
  }

  listRecordings (): RecordingView[] {
    return this.#options.recordings.all.map(recordingView)
  }

  /** Where a file is that a recording has left. */
  file (recordingId: string, name: string): string {
    const file = this.#options.recordings.get(recordingId)?.file
    // Only what we have named ourselves is compared with; nothing is made of what was asked for.
    if (file === undefined || file === null) throw new ControlError(404, file === undefined ? 'recording not found' : 'file not found')
    if (!file.endsWith(`/${name}`) || name.includes('/')) throw new ControlError(404, 'file not found')
    return file
  }

  async deleteRecording (recordingId: string): Promise<void> {
    const state = this.#options.recordings.get(recordingId)
    if (state?.status === 'active' || state?.status === 'finished') throw new ControlError(409, 'the recording is not over yet')
    if (!await this.#options.recordings.delete(recordingId)) throw new ControlError(404, 'recording not found')
  }

  /** The room, if it takes this client directly. */
  #findPlace (roomId: string, peerId: string): HostedRoom {
    const hosted = this.#find(roomId)
    if (hosted.way === 'relayed') throw new ControlError(409, 'room mode')
    if (!hosted.hasPlaceFor(peerId)) throw new ControlError(503, 'room full')
    return hosted
  }

  #find (roomId: string): HostedRoom {
    const hosted = this.#options.rooms.get(roomId)
    if (hosted === undefined) throw new ControlError(404, 'room not found')
    return hosted
  }
}

function view ({ id, config, seats, added, recording }: HostedRoom): RoomView {
  return {
    id,
    config: { ...config },
    components: recording === undefined ? [] : [{ id: recording.id, type: 'recording' }],
    peers: [
      ...[...seats].map(({ peer, isAway }): PeerView => ({ id: peer.id, type: 'webrtc', status: isAway ? 'disconnected' : 'connected', metadata: peer.metadata })),
      ...[...added].map(([peerId, { metadata }]): PeerView => ({ id: peerId, type: 'webrtc', status: 'disconnected', metadata }))
    ]
  }
}

function recordingView ({ peerId, componentId, ...recording }: Recording): RecordingView {
  return recording
}

function checkId (id: string, name: string): void {
  if (id === '' || Buffer.byteLength(id) > MAX_ID_BYTES || /\p{Surrogate}/u.test(id)) throw new ControlError(400, `${name} is a string of 1 to ${MAX_ID_BYTES} bytes`)
}
