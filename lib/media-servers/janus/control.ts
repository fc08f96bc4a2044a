import { RoomNotFoundError } from '../../errors.js'
import type { MediaServerControl, Room, RoomRequest } from '../../relay/control.js'
import type { Recording } from '../../relay/media-server.js'
import { isObject } from './messages.js'
import { VIDEOROOM } from './recordings.js'
import type { JanusRecordings, JanusRecordingsOptions } from './recordings.js'
import type { JanusService } from './service.js'

/** Rooms of VideoRoom, as the app has them made and looks at them. */
export class JanusControl implements MediaServerControl {
  readonly #options: Pick<JanusRecordingsOptions, 'room' | 'roomSecret'>
  readonly #service: Pick<JanusService, 'message'>
  readonly #recordings: JanusRecordings

  constructor (options: Pick<JanusRecordingsOptions, 'room' | 'roomSecret'>, service: Pick<JanusService, 'message'>, recordings: JanusRecordings) {
    this.#options = options
    this.#service = service
    this.#recordings = recordings
  }

  async createRoom ({ roomId, maxPeers }: RoomRequest): Promise<Room> {
    await this.#service.message(VIDEOROOM, { request: 'create', room: this.#options.room(roomId), ...(maxPeers === undefined ? {} : { publishers: maxPeers }) })
    return await this.getRoom(roomId)
  }

  async getRoom (roomId: string): Promise<Room> {
    const found = (await this.listRooms()).find(({ id }) => id === String(this.#options.room(roomId)))
    if (found === undefined) throw new RoomNotFoundError(roomId)
    return found
  }

  async listRooms (): Promise<Room[]> {
    const { list } = await this.#service.message(VIDEOROOM, { request: 'list' })
    return (Array.isArray(list) ? list.filter(isObject) : []).map(({ room, max_publishers: maxPeers, record }) => ({
      id: String(room), maxPeers: Number(maxPeers), isRecorded: record === true, peers: []
    }))
  }

  async deleteRoom (roomId: string): Promise<void> {
    await this.#service.message(VIDEOROOM, { request: 'destroy', room: this.#options.room(roomId) })
  }

  async removePeer (roomId: string, peerId: string): Promise<void> {
    await this.#service.message(VIDEOROOM, { request: 'kick', room: this.#options.room(roomId), id: peerId })
  }

  async startRecording (roomId: string): Promise<Recording[]> {
    return await this.#recordings.start(roomId)
  }

  async stopRecording (roomId: string): Promise<Recording[]> {
    return await this.#recordings.stop(roomId)
  }
}
