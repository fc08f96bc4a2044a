import type { Recording } from './media-server.js'

/** What is being recorded of a room, and what was. */
export interface RoomRecordings {
  /** False while the trunk is down, and until the media server has said: then the rest is what was known last. */
  isKnown: boolean
  /** Grows with each change that this process has heard of. */
  revision: number
  /** In the order in which they were first heard of; of those that are over the latest. */
  recordings: Recording[]
}

interface Entry {
  recording: Recording
  /** Whether the media server has told of it since the trunk came up, and tells of whatever becomes of it. */
  isConfirmed: boolean
}

interface Room {
  isKnown: boolean
  revision: number
  readonly entries: Map<string, Entry>
}

export interface RecordingsOptions {
  /** Rooms without a peer that are remembered at most; beyond, the half of them is forgotten that was heard of first. */
  maxIdle: number
  /** Whether anybody is there. */
  isInUse (roomId: string): boolean
  /** What `of` answers for it is another from now on. */
  changed (roomId: string): void
}

/** Recordings of one room that are remembered: beyond, those are forgotten first that have been over for longest. */
const MAX_IN_ROOM = 64
/** The same where none of them is over; beyond, the oldest is forgotten. */
const MAX_ACTIVE = 1_024
const OVER = new Set<Recording['status']>(['finished', 'available', 'failed'])

/**
 * Which rooms are being recorded, so that each client's recording light is true. What the media server tells comes in any order with
 * its snapshots, and may have happened while the trunk was down: so each recording goes by its own revision, and of what
 * a snapshot leaves out only that is given up which nobody has told of since the trunk came up.
 */
export class Recordings {
  readonly #options: RecordingsOptions
  readonly #rooms = new Map<string, Room>()
  /** Whether the media server has said which rooms are recorded: then of all others none is. */
  #areAllKnown = false
  /** Rooms that came idle, or were vacated, since all were looked at, and those that were idle then. */
  #idle = 0
  /** Of all rooms, so that one that is forgotten and heard of again does not begin anew. */
  #revision = 0

  constructor (options: RecordingsOptions) {
    this.#options = options
  }

  /** Rooms that are remembered. */
  get rooms (): number {
    return this.#rooms.size
  }

  of (roomId: string): RoomRecordings {
    const { isKnown, revision, entries } = this.#rooms.get(roomId) ?? { isKnown: this.#areAllKnown, revision: this.#revision, entries: new Map<string, Entry>() }
    return { isKnown, revision, recordings: [...entries.values()].map(({ recording }) => recording) }
  }

  /** A recording has changed. @returns whether that is news; what comes late or twice is none */
  told (recording: Recording): boolean {
    const room = this.#room(recording.roomId)
    const { roomId } = recording
    // On its way it may have missed the last who was there: of what comes next nothing need be told.
    const isNews = this.#take(room, recording, this.#areAllKnown || this.#options.isInUse(roomId))
    if (isNews) this.#changed(roomId, room)
    return isNews
  }

  /** All recordings there are in this room, or in all rooms, as the media server has them. */
  snapshot (recordings: Recording[], roomId?: string): void {
    if (roomId !== undefined) {
      this.#snapshot(roomId, recordings)
      return
    }
    this.#areAllKnown = true
    const rooms = new Map([...this.#rooms.keys()].map((id): [string, Recording[]] => [id, []]))
    for (const recording of recordings) rooms.set(recording.roomId, [...rooms.get(recording.roomId) ?? [], recording])
    for (const [id, its] of rooms) this.#snapshot(id, its)
  }

  /** The trunk is lost: nobody knows what becomes of them now. */
  down (): void {
    this.#areAllKnown = false
    for (const room of this.#rooms.values()) this.#doubt(room)
  }

  /**
   * Nobody is there any more. What is recorded of it is remembered: a recording outlives its room. But the media server need not tell
   * this process of it while others are there.
   */
  vacated (roomId: string): void {
    const room = this.#rooms.get(roomId)
    if (room === undefined) return
    if (room.entries.size === 0) {
      this.#rooms.delete(roomId)
      return
    }
    if (!this.#areAllKnown) this.#doubt(room)
    this.#bound()
  }

  #snapshot (roomId: string, recordings: Recording[]): void {
    const room = this.#room(roomId)
    let hasChanged = !room.isKnown
    room.isKnown = true
    const named = new Set(recordings.map(({ recordingId }) => recordingId))
    for (const [id, { isConfirmed, recording: { status } }] of room.entries) {
      if (isConfirmed || named.has(id) || OVER.has(status)) continue
      // It has ended, and whoever knew how has forgotten.
      room.entries.delete(id)
      hasChanged = true
    }
    for (const recording of recordings) hasChanged = this.#take(room, recording, true) || hasChanged
    if (hasChanged) this.#changed(roomId, room)
  }

  #take ({ entries }: Room, recording: Recording, isConfirmed: boolean): boolean {
    const entry = entries.get(recording.recordingId)
    if (entry !== undefined) {
      entry.isConfirmed ||= isConfirmed
      if (recording.revision <= entry.recording.revision) return false
      entry.recording = recording
      return true
    }
    if (entries.size >= MAX_IN_ROOM) {
      const over = [...entries].flatMap(([id, { recording: { status } }]) => OVER.has(status) ? [id] : [])
      for (const id of over.slice(0, entries.size - MAX_IN_ROOM + 1)) entries.delete(id)
      if (entries.size >= MAX_ACTIVE) entries.delete(entries.keys().next().value!)
    }
    entries.set(recording.recordingId, { recording, isConfirmed })
    return true
  }

  #doubt (room: Room): void {
    room.isKnown = false
    room.revision = ++this.#revision
    for (const entry of room.entries.values()) entry.isConfirmed = false
  }

  #changed (roomId: string, room: Room): void {
    room.revision = ++this.#revision
    this.#options.changed(roomId)
  }

  #room (roomId: string): Room {
    let room = this.#rooms.get(roomId)
    if (room === undefined) {
      room = { isKnown: this.#areAllKnown, revision: this.#revision, entries: new Map() }
      this.#rooms.set(roomId, room)
      if (!this.#options.isInUse(roomId)) this.#bound()
    }
    return room
  }

  /** Looks at all of them only now and then, and makes room for as many as come until the next time. */
  #bound (): void {
    const { maxIdle, isInUse } = this.#options
    if (++this.#idle <= maxIdle) return
    const idle = [...this.#rooms.keys()].filter((roomId) => !isInUse(roomId))
    const kept = Math.min(idle.length, Math.floor(maxIdle / 2))
    for (const roomId of idle.slice(0, idle.length - kept)) this.#rooms.delete(roomId)
    this.#idle = kept
  }
}
