import { ControlAnswerError, ControlArgumentError, RoomExistsError, RoomFullError, RoomModeError } from '../../errors.js'
import type { Admittance, MediaServerControl, PeerRequest, Room, RoomRequest } from '../../relay/control.js'
import { isId } from '../../ids.js'
import { checkIds, checkRoomRequest } from '../../relay/control-arguments.js'
import type { Recording } from '../../relay/media-server.js'
import { isDone, refusalOf } from './rest-answer.js'
import type { RestAnswer } from './rest-answer.js'
import { RestClient } from './rest-client.js'
import type { RestClientOptions } from './rest-client.js'
import { AddedPeerAnswer, ComponentAnswer, CreatedRoomAnswer, RecordingsAnswer, RoomAnswer, RoomsAnswer, checked, isRecordingComponent, toRecording, toRoom } from './rest-schemas.js'

/** The control API of a media server that speaks `trunkline.v1`, over REST (PROTOCOL.md). */
export class RestControl implements MediaServerControl {
  readonly #client: RestClient

  constructor (options: RestClientOptions) {
    this.#client = new RestClient(options)
  }

  async createRoom (request: RoomRequest): Promise<Room> {
    checkRoomRequest(request)
    const { roomId, maxPeers, subscribeMode } = request
    checkSegments({ roomId })
    const answer = await this.#client.request('POST', ['room'], { roomId, maxPeers, subscribeMode })
    if (answer.status === 409) throw new RoomExistsError(roomId)
    succeeded(answer, roomId)
    return theRoom(answer, checked(answer, CreatedRoomAnswer).data.room, roomId)
  }

  async getRoom (roomId: string): Promise<Room> {
    const { answer, room } = await this.#look(roomId)
    return theRoom(answer, room, roomId)
  }

  async listRooms (): Promise<Room[]> {
    const answer = await this.#client.request('GET', ['room'])
    succeeded(answer, '')
    return checked(answer, RoomsAnswer).data.map(toRoom)
  }

  async deleteRoom (roomId: string): Promise<void> {
    checkSegments({ roomId })
    const answer = await this.#client.request('DELETE', ['room', roomId])
    if (!isDone(answer)) throw refusalOf(answer, roomId)
  }

  async removePeer (roomId: string, peerId: string): Promise<void> {
    checkSegments({ roomId, peerId })
    const answer = await this.#client.request('DELETE', ['room', roomId, 'peer', peerId])
    if (!isDone(answer)) throw refusalOf(answer, roomId, peerId)
  }

  async addPeer ({ roomId, peerId, metadata, dialect }: PeerRequest): Promise<Admittance> {
    checkSegments({ roomId, peerId })
    const options = { peerId, metadata: inJson(metadata), dialect }
    const answer = await this.#client.request('POST', ['room', roomId, 'peer'], { type: 'webrtc', options })
    if (answer.status === 409) throw new RoomModeError(roomId, 'come by way of the backend', 'connect to the media server themselves')
    // Of a proxy, which says nothing that it could be known by, it means something else.
    if (answer.status === 503 && answer.refusal !== '') throw new RoomFullError(roomId)
    succeeded(answer, roomId, peerId)
    const { peer, token, peer_websocket_url: url } = checked(answer, AddedPeerAnswer).data
    if (peer.id !== peerId) throw new ControlAnswerError(answer.asked, 'it tells of another peer')
    return { peerId, url, token }
  }

  async subscribe (roomId: string, peerId: string, origins: string[]): Promise<void> {
    checkSegments({ roomId, peerId })
    if (!Array.isArray(origins)) throw new ControlArgumentError('origins', 'an array of ids')
    checkIds(Object.fromEntries(origins.map((origin, index) => [`origins[${index}]`, origin])))
    const answer = await this.#client.request('POST', ['room', roomId, 'peer', peerId, 'subscribe'], { origins })
    if (!isDone(answer)) throw refusalOf(answer, roomId, peerId)
  }

  async startRecording (roomId: string): Promise<Recording[]> {
    checkSegments({ roomId })
    const answer = await this.#client.request('POST', ['room', roomId, 'component'], { type: 'recording', options: {} })
    succeeded(answer, roomId)
    return checked(answer, ComponentAnswer).data.properties.recordings.map(toRecording)
  }

  /** In two requests: by which id the recording of a room goes may not be remembered, since others may have begun it. */
  async stopRecording (roomId: string): Promise<Recording[]> {
    const { answer: looked, room } = await this.#look(roomId)
    const component = room.components.find(isRecordingComponent)
    if (component === undefined) return []
    if (!isId(component.id)) throw new ControlAnswerError(looked.asked, 'it tells of a component without an id')
    const answer = await this.#client.request('DELETE', ['room', roomId, 'component', component.id])
    // Somebody else was faster, or an earlier sending of this.
    if (answer.status === 404 && /^component\b/i.test(answer.refusal)) return []
    succeeded(answer, roomId)
    return checked(answer, RecordingsAnswer).data.recordings.map(toRecording)
  }

  /** Whatever is under way is rejected; nothing is asked any more. */
  async close (): Promise<void> {
    await this.#client.close()
  }

  async #look (roomId: string): Promise<{ answer: RestAnswer, room: Parameters<typeof toRoom>[0] }> {
    checkSegments({ roomId })
    const answer = await this.#client.request('GET', ['room', roomId])
    succeeded(answer, roomId)
    return { answer, room: checked(answer, RoomAnswer).data }
  }
}

/** What stands in a path: there, two ids that are ids elsewhere mean the folder above, also when they are percent-encoded. */
function checkSegments (ids: Record<string, string>): void {
  checkIds(ids)
  for (const [name, id] of Object.entries(ids)) if (id === '.' || id === '..') throw new ControlArgumentError(name, "neither '.' nor '..', which lead elsewhere in a URL")
}

function succeeded (answer: RestAnswer, roomId: string, peerId?: string): void {
  if (answer.status < 200 || answer.status > 299) throw refusalOf(answer, roomId, peerId)
}

function theRoom ({ asked }: RestAnswer, room: Parameters<typeof toRoom>[0], roomId: string): Room {
  if (room.id !== roomId) throw new ControlAnswerError(asked, 'it tells of another room')
  return toRoom(room)
}

/** @throws ControlArgumentError */
function inJson (metadata: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(metadata) ?? 'null')
  } catch {
    throw new ControlArgumentError('metadata', 'something that JSON can say')
  }
}
