import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.js'
import { NoticeError } from '../errors.js'
import { isId, isWellFormed } from '../ids.js'
import type { Notification, Recording } from './schema.js'

/** What a media server tells its backends beside media events. */
export interface Notice {
  /** What happened: `roomCreated`, `peerConnected` and so on; yours to choose. */
  type: string
  /** Empty or absent where it is about no room. */
  roomId?: string
  peerId?: string
  /** Anything that is JSON. */
  payload?: unknown
  /** For the change of a recording: reaches `onRecording` instead of `onNotification`. */
  recording?: {
    recordingId: string
    status: 'active' | 'finished' | 'available' | 'failed'
    /** Grows with each change. */
    revision: number
    startedAt?: Date
    file?: string
    durationMs?: number
    error?: string
  }
}

/** Kept at most; beyond, the oldest is forgotten. */
const MAX_KEPT = 10_000
/** Bytes of a payload's JSON at most. */
const MAX_PAYLOAD_BYTES = 64 * 1024
/** Bytes of any other text at most. */
const MAX_TEXT_BYTES = 4 * 1024
const STATUSES = ['active', 'finished', 'available', 'failed']

/** Notifications that no backend has handled yet, oldest first. */
export class Notices {
  readonly #clock: Clock
  readonly #kept = new Map<string, Notification>()

  constructor (clock: Clock) {
    this.#clock = clock
  }

  get size (): number {
    return this.#kept.size
  }

  [Symbol.iterator] (): Iterator<Notification> {
    return this.#kept.values()
  }

  /** Adds to what a trunk has yet to be told; how much that is. No longer than what is kept, since the rest is forgotten. */
  queue (backlog: Notification[], kept: Notification): number {
    if (backlog.length >= MAX_KEPT) backlog.shift()
    return backlog.push(kept)
  }

  /**
   * Sends from a backlog, oldest first, until `send` says that there is no more room: what nobody has handled meanwhile, and what became of
   * recordings, which is news to the clients of each backend.
   */
  tell (backlog: Notification[], send: (kept: Notification) => boolean): void {
    let told = 0
    let hasRoom = true
    while (told < backlog.length && hasRoom) {
      const next = backlog[told++]!
      if (next.recording !== null || this.#kept.has(next.id)) hasRoom = send(next)
    }
    backlog.splice(0, told)
  }

  /** @throws NoticeError it could not be told: what is taken here is sent to every backend until one has handled it */
  add ({ type, roomId = '', peerId = '', payload = null, recording }: Notice): Notification {
    check(typeof type === 'string' && isText(type), 'type is a string of at most 4 KiB')
    check(roomId === '' || isId(roomId), 'roomId is a string of at most 128 bytes')
    check(peerId === '' || isId(peerId), 'peerId is a string of at most 128 bytes')
    const notification: Notification = {
      id: randomUUID(),
      roomId,
      peerId,
      type,
      payload: toJson(payload),
      atMs: this.#clock.now(),
      recording: recording === undefined ? null : toRecording(recording, roomId)
    }
    if (this.#kept.size >= MAX_KEPT) this.#kept.delete(this.#kept.keys().next().value!)
    this.#kept.set(notification.id, notification)
    return notification
  }

  done (id: string): void {
    this.#kept.delete(id)
  }
}

function toRecording ({ recordingId, status, revision, startedAt, file = '', durationMs = 0, error = '' }: NonNullable<Notice['recording']>, roomId: string): Recording {
  const startedAtMs = startedAt?.getTime() ?? 0
  check(typeof recordingId === 'string' && recordingId !== '' && isText(recordingId), 'recording.recordingId is a string of at most 4 KiB')
  check(STATUSES.includes(status), `recording.status is one of ${STATUSES.join(', ')}`)
  check(isUint(revision), 'recording.revision is an integer of 0 or more')
  check(isUint(startedAtMs), 'recording.startedAt is a date')
  check(isUint(Math.round(durationMs)), 'recording.durationMs is 0 or more, in milliseconds')
  check(isText(file) && isText(error), 'recording.file and recording.error are strings of at most 4 KiB')
  return { recordingId, roomId, status, revision, startedAtMs, file, durationMs: Math.round(durationMs), error }
}

function toJson (payload: unknown): string {
  let json: string | undefined
  try {
    json = JSON.stringify(payload)
  } catch (error) {
    throw new NoticeError(`payload is not JSON (${(error as Error).message})`)
  }
  if (json === undefined) throw new NoticeError('payload is not JSON')
  check(Buffer.byteLength(json) <= MAX_PAYLOAD_BYTES, `payload is at most ${MAX_PAYLOAD_BYTES} bytes of JSON`)
  return json
}

function check (holds: boolean, what: string): asserts holds {
  if (!holds) throw new NoticeError(what)
}

const isUint = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
const isText = (value: string): boolean => isWellFormed(value) && Buffer.byteLength(value) <= MAX_TEXT_BYTES
