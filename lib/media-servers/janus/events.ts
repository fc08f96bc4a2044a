import type { Notification, Recording } from '../../relay/media-server.js'
import { isId, isObject } from './messages.js'

/** What Janus's event handlers tell of, by the number that they give for it (`events/eventhandler.h`). */
const TYPES: Record<number, string> = {
  1: 'session', 2: 'handle', 4: 'external', 8: 'jsep', 16: 'webrtc', 32: 'media', 64: 'plugin', 128: 'transport', 256: 'core'
}
/** Events of one message at most: Janus itself puts 100 into one. */
const MAX_EVENTS = 10_000
/** Peers that have left, and are still known by their ids. */
const MAX_FORMER = 10_000

/** One event, as a handler of Janus tells it. */
export interface JanusEvent {
  type: number
  subtype?: number
  /** Microseconds since the Unix epoch. */
  timestamp?: number
  emitter?: string
  session_id?: number
  handle_id?: number
  /** What whoever attached the handle has given: for ours the id of the peer. */
  opaque_id?: string
  event: Record<string, unknown>
}

/** A peer as far as an event is about it. */
export interface Concerned {
  id: string
  roomId: string
}

export interface JanusEventsServices {
  /** Who has this session; null: nobody here. */
  ofSession (sessionId: number): Concerned | null
  notification (notification: Notification): void
  recording (recording: Recording): void
  /** What came is of no use to anybody. */
  dropped (cause: string, fields: object): void
  /** Milliseconds since the Unix epoch. */
  now (): number
}

/** What Janus's event handler says, made into notifications and recordings: it knows handles, and the app knows peers. */
export class JanusEvents {
  readonly #services: JanusEventsServices
  /** Rooms of those who were attached, by peer id, the latest last: events of them may come when they have left. */
  readonly #rooms = new Map<string, string>()
  #number = 0

  constructor (services: JanusEventsServices) {
    this.#services = services
  }

  /** A peer has a handle from now on, which its events name by the peer's id. */
  attached ({ id, roomId }: Concerned): void {
    this.#rooms.delete(id)
    this.#rooms.set(id, roomId)
    if (this.#rooms.size > MAX_FORMER) this.#rooms.delete(this.#rooms.keys().next().value!)
  }

  /** One message: an event, or an array of them. */
  message (text: string): void {
    const events = readEvents(text)
    if (events === null) {
      this.#services.dropped('malformed event', { bytes: text.length })
      return
    }
    for (const event of events) this.#event(event)
  }

  #event (event: JanusEvent): void {
    const { type, timestamp, emitter = '', event: { plugin, data } } = event
    const concerned = this.#concerned(event)
    const at = new Date(timestamp === undefined ? this.#services.now() : timestamp / 1_000)
    const recording = isObject(data) && typeof plugin === 'string' ? recordingIn(plugin, data, concerned?.roomId ?? '', at) : null
    if (recording !== null) this.#services.recording(recording)
    this.#services.notification({
      id: `${emitter}-${timestamp ?? 0}-${++this.#number}`,
      roomId: concerned?.roomId ?? roomIn(data),
      peerId: concerned?.id ?? '',
      type: `janus.${TYPES[type] ?? type}`,
      payload: event,
      at
    })
  }

  /** By the session, where that is still there, else by the name that we gave the handle: anybody else's handle may have any name. */
  #concerned ({ session_id: sessionId, opaque_id: opaqueId, event }: JanusEvent): Concerned | null {
    const here = sessionId === undefined ? null : this.#services.ofSession(sessionId)
    if (here !== null) return here
    // Of handles that come and go it stands in the event itself.
    const id = opaqueId ?? event.opaque_id
    const roomId = typeof id === 'string' ? this.#rooms.get(id) : undefined
    return roomId === undefined ? null : { id: id as string, roomId }
  }
}

/** Null: it is none, or no array of some. What is no event in an array is passed over. */
function readEvents (text: string): JanusEvent[] | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  const all: unknown[] = Array.isArray(value) ? value : [value]
  const events = all.slice(0, MAX_EVENTS).map(eventOf).filter((event) => event !== null)
  return events.length === 0 && all.length > 0 ? null : events
}

function eventOf (value: unknown): JanusEvent | null {
  if (!isObject(value)) return null
  const { type, event, session_id: sessionId, handle_id: handleId, opaque_id: opaqueId, timestamp, emitter } = value
  if (typeof type !== 'number' || !isObject(event)) return null
  const { session_id: _session, handle_id: _handle, opaque_id: _opaque, timestamp: _timestamp, emitter: _emitter, ...rest } = value
  return {
    ...rest as { type: number, event: Record<string, unknown> },
    ...(typeof timestamp === 'number' && timestamp >= 0 && timestamp < 8.64e18 ? { timestamp } : {}),
    ...(typeof emitter === 'string' ? { emitter } : {}),
    ...(isId(sessionId) ? { session_id: sessionId } : {}),
    ...(isId(handleId) ? { handle_id: handleId } : {}),
    ...(typeof opaqueId === 'string' ? { opaque_id: opaqueId } : {})
  }
}

/** Plugins name the room that they speak of, as they know it. */
function roomIn (data: unknown): string {
  const room = isObject(data) ? data.room : undefined
  return typeof room === 'string' || typeof room === 'number' ? String(room) : ''
}

/** What a plugin says of a recording; null: nothing. */
function recordingIn (plugin: string, data: Record<string, unknown>, roomId: string, at: Date): Recording | null {
  const { event, id, record_file: file } = data
  const recording = { roomId, startedAt: null, durationMs: null, error: null }
  if (plugin === 'janus.plugin.recordplay' && (event === 'recording' || event === 'stopped') && (typeof id === 'number' || typeof id === 'string')) {
    return event === 'recording'
      ? { ...recording, recordingId: String(id), status: 'active', revision: 1, startedAt: at, file: null }
      : { ...recording, recordingId: String(id), status: 'finished', revision: 2, file: null }
  }
  if (plugin === 'janus.plugin.audiobridge' && event === 'recordingdone' && typeof file === 'string') {
    return { ...recording, roomId: roomIn(data), recordingId: file, status: 'available', revision: 1, file }
  }
  return null
}
