import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.js'
import type { Notification } from './schema.js'

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

/** Notifications that no backend has handled yet, oldest first. */
export class Notices implements Iterable<Notification> {
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

  add ({ type, roomId = '', peerId = '', payload = null, recording }: Notice): Notification {
    const notification: Notification = {
      id: randomUUID(),
      roomId,
      peerId,
      type,
      payload: JSON.stringify(payload),
      atMs: this.#clock.now(),
      recording: recording === undefined
        ? null
        : {
            recordingId: recording.recordingId,
            roomId,
            status: recording.status,
            revision: recording.revision,
            startedAtMs: recording.startedAt?.getTime() ?? 0,
            file: recording.file ?? '',
            durationMs: recording.durationMs ?? 0,
            error: recording.error ?? ''
          }
    }
    if (this.#kept.size >= MAX_KEPT) this.#kept.delete(this.#kept.keys().next().value!)
    this.#kept.set(notification.id, notification)
    return notification
  }

  done (id: string): void {
    this.#kept.delete(id)
  }
}
