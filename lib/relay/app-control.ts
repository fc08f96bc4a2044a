import { randomUUID } from 'node:crypto'
import { ControlUnsupportedError, ModeError, PeerNotFoundError, RecordingUnsupportedError, RoomNotFoundError } from '../errors.js'
import { logThrown } from '../logger.js'
import type { Logger } from '../logger.js'
import type { MediaServerControl, Room, RoomRequest } from './control.js'
import type { Recording } from './media-server.js'

/** Rooms at the media server: `app.trunkline.rooms`. */
export interface Rooms {
  /** Makes a room, by a UUID where no `roomId` is given. @throws RoomExistsError */
  create (room?: Partial<RoomRequest>): Promise<Room>
  /** @throws RoomNotFoundError */
  get (roomId: string): Promise<Room>
  list (): Promise<Room[]>
  /** Ends everybody in it, and what is recorded of it. @throws RoomNotFoundError */
  delete (roomId: string): Promise<void>
}

export interface AppControlOptions {
  /** Of the driver. */
  name: string
  control: MediaServerControl | undefined
  mode: 'relay' | 'direct'
  /** Ends a peer of this process; whether it was here, and in that room. */
  kick (roomId: string, peerId: string): boolean
  log: Logger
}

/** What the app has done at the media server. What a driver cannot do is refused here, so that each says it alike. */
export class AppControl {
  readonly #options: AppControlOptions
  readonly rooms: Rooms = {
    create: async (room = {}) => await this.control('make rooms').createRoom({ ...room, roomId: room.roomId ?? randomUUID() }),
    get: async (roomId) => await this.control('tell of rooms').getRoom(roomId),
    list: async () => await this.control('tell of rooms').listRooms(),
    delete: async (roomId) => await this.control('delete rooms').deleteRoom(roomId)
  }

  constructor (options: AppControlOptions) {
    this.#options = options
  }

  /** Ends a peer, wherever it is, and resolves when the media server knows. */
  async removePeer (roomId: string, peerId: string): Promise<void> {
    const { kick, control, log } = this.#options
    const wasHere = kick(roomId, peerId)
    if (wasHere && control === undefined) return
    try {
      await this.control('remove peers').removePeer(roomId, peerId)
    } catch (error) {
      if (!wasHere) throw error
      // It is over: the media server hears of it by the trunk, and may have by now.
      if (!(error instanceof PeerNotFoundError || error instanceof RoomNotFoundError)) logThrown(log, error, 'a peer is removed, but the control API does not say so', { roomId, peerId }, 'info')
    }
  }

  async subscribe (roomId: string, peerId: string, origins: string[]): Promise<void> {
    const control = this.control('subscribe peers')
    if (control.subscribe === undefined) throw new ControlUnsupportedError(this.#options.name, 'subscribe peers: its clients do that themselves')
    await control.subscribe(roomId, peerId, origins)
  }

  async startRecording (roomId: string): Promise<Recording[]> {
    const { control, name } = this.#options
    if (control?.startRecording === undefined) throw new RecordingUnsupportedError(name)
    return await control.startRecording(roomId)
  }

  async stopRecording (roomId: string): Promise<Recording[]> {
    const { control, name } = this.#options
    if (control?.stopRecording === undefined) throw new RecordingUnsupportedError(name)
    return await control.stopRecording(roomId)
  }

  /** @throws ControlUnsupportedError */
  control (what: string): MediaServerControl {
    const { control, name } = this.#options
    if (control === undefined) throw new ControlUnsupportedError(name, what)
    return control
  }

  /** For what only clients need that connect to the media server themselves. @throws ModeError */
  direct (what: string): MediaServerControl {
    if (this.#options.mode !== 'direct') throw new ModeError(what)
    return this.control(what)
  }
}
