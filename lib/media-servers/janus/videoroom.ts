import { JanusRefusedError, JanusRoomError, PeerNotFoundError, RoomExistsError, RoomNotFoundError } from '../../errors.js'
import { Fault, JanusCode, isObject, whyUnreadable } from './messages.js'
import type { CheckedJanusOptions } from './options.js'
import type { JanusService, PluginData } from './service.js'

export const VIDEOROOM = 'janus.plugin.videoroom'
/** Rooms of which it is known what the app calls them, where VideoRoom calls them otherwise. */
const MAX_NAMES = 10_000

/** Errors of VideoRoom (`plugins/janus_videoroom.c`), those that say something to an app. */
const RoomCode = { noSuchRoom: 426, roomExists: 427, noSuchFeed: 428, missingElement: 429, invalidElement: 430, unauthorized: 433 } as const

/** A room, as VideoRoom names it. */
export type RoomName = number | string

/** One of those that `list` tells of. */
export interface ListedRoom extends Record<string, unknown> {
  room: RoomName
}

export interface Participant {
  id: RoomName
  /** What it has said itself to be called; empty: nothing. */
  display: string
}

export type VideoRoomOptions = Pick<CheckedJanusOptions, 'room' | 'roomSecret' | 'adminKey'>

/** What is asked of VideoRoom in the app's name, in the app's words: its ids of rooms and peers, and its errors. */
export class VideoRoom {
  readonly #options: VideoRoomOptions
  readonly #service: Pick<JanusService, 'message'>
  /** What the app calls a room that VideoRoom calls otherwise, the latest last. */
  readonly #names = new Map<string, string>()

  constructor (options: VideoRoomOptions, service: Pick<JanusService, 'message'>) {
    this.#options = options
    this.#service = service
  }

  /** VideoRoom's name for a room of the app. @throws JanusRoomError */
  room (roomId: string): RoomName {
    const room: unknown = this.#options.room(roomId)
    if (typeof room === 'string') {
      const wrong = whyUnreadable(room)
      if (wrong === null) return room
      throw new JanusRoomError(roomId, wrong)
    }
    // For 0 it would make up another one.
    if (Number.isSafeInteger(room) && (room as number) > 0) return room as number
    throw new JanusRoomError(roomId, typeof room === 'number' ? `${room} is no positive integer` : `mediaServer.room answers ${room === null ? 'null' : typeof room}`)
  }

  /** What the app has called a room last. */
  idOf (room: RoomName): string {
    return this.#names.get(String(room)) ?? String(room)
  }

  /**
   * @param body beside the room, and its secret
   * @throws TrunkDownError
   * @throws RoomNotFoundError, RoomExistsError, PeerNotFoundError
   * @throws JanusRoomError
   * @throws JanusRefusedError
   */
  async manage (roomId: string, body: Record<string, unknown> & { request: string }, peerId = ''): Promise<PluginData> {
    const secret = await this.#options.roomSecret(roomId)
    return await this.#ask(roomId, { ...body, ...(secret === '' ? {} : { secret }) }, peerId)
  }

  /** Where VideoRoom has a key, only who has it may. @throws as `manage` */
  async create (roomId: string, body: Record<string, unknown>): Promise<void> {
    const key = await this.#options.adminKey()
    await this.manage(roomId, { ...body, request: 'create', ...(key === '' ? {} : { admin_key: key }) })
  }

  /** Of private rooms too, whose names are enough to ask. @throws as `manage` */
  async participants (roomId: string): Promise<Participant[]> {
    const { participants } = await this.#ask(roomId, { request: 'listparticipants' })
    return participantsIn(participants)
  }

  /** All rooms; without `adminKey` those that are not private. @throws as `manage` */
  async list (): Promise<ListedRoom[]> {
    const key = await this.#options.adminKey()
    const { list } = await this.#say({ request: 'list', ...(key === '' ? {} : { admin_key: key }) }, (fault) => refusal(fault))
    return Array.isArray(list) ? list.filter((each): each is ListedRoom => isObject(each) && isName(each.room)) : []
  }

  /** Those of a room that `list` has named. @throws as `manage` */
  async participantsOf (room: RoomName): Promise<Participant[]> {
    const { participants } = await this.#say({ request: 'listparticipants', room }, (fault) => errorOf(fault, this.idOf(room), ''))
    return participantsIn(participants)
  }

  async #ask (roomId: string, body: Record<string, unknown>, peerId = ''): Promise<PluginData> {
    const room = this.room(roomId)
    const data = await this.#say({ ...body, room }, (fault) => errorOf(fault, roomId, peerId))
    this.#remember(String(room), roomId)
    return data
  }

  async #say (body: Record<string, unknown>, meant: (fault: Fault) => Error): Promise<PluginData> {
    // Janus would answer with an error that is about nothing.
    const wrong = whyUnreadable(body)
    if (wrong !== null) throw meant(new Fault(JanusCode.invalidJson, wrong))
    try {
      return await this.#service.message(VIDEOROOM, body)
    } catch (error) {
      throw error instanceof Fault ? meant(error) : error
    }
  }

  /** Only of rooms that there are: nobody gets names forgotten by asking for others. */
  #remember (room: string, roomId: string): void {
    this.#names.delete(room)
    if (room !== roomId) this.#names.set(room, roomId)
    if (this.#names.size > MAX_NAMES) this.#names.delete(this.#names.keys().next().value!)
  }
}

function errorOf (fault: Fault, roomId: string, peerId: string): Error {
  const { code, reason } = fault
  if (code === RoomCode.noSuchRoom) return new RoomNotFoundError(roomId)
  if (code === RoomCode.roomExists) return new RoomExistsError(roomId)
  // An id that it cannot have is nobody's.
  if (code === RoomCode.noSuchFeed || (code === RoomCode.invalidElement && reason.includes('(id '))) return new PeerNotFoundError(peerId, roomId)
  return code === RoomCode.invalidElement && reason.includes('(room ') ? new JanusRoomError(roomId, reason) : refusal(fault)
}

/** With the option that is missing, or wrong. */
function refusal ({ code, reason }: Fault): Error {
  const option = reason.includes('admin_key') ? 'adminKey' : reason.includes('secret') ? 'roomSecret' : null
  const isOption = (code === RoomCode.unauthorized || code === RoomCode.missingElement) && option !== null
  return new JanusRefusedError(isOption ? `${reason}, check mediaServer.${option}` : reason, code)
}

function participantsIn (list: unknown): Participant[] {
  if (!Array.isArray(list)) return []
  return list.flatMap((each) => isObject(each) && isName(each.id) ? [{ id: each.id, display: typeof each.display === 'string' ? each.display : '' }] : [])
}

export function isName (value: unknown): value is RoomName {
  return typeof value === 'number' || typeof value === 'string'
}
