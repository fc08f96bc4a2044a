import type { RecordingChange } from 'trunkline'

/** What those in a room are told of a file. */
export interface RecordedFile {
  id: string
  /** Who is in it; null: nobody knows any more. */
  name: string | null
  /** Milliseconds since 1970. */
  startedAt: number | null
  durationMs: number | null
  url: string
}

interface Entry {
  recording: RecordingChange
  /** Asked for when the recording is first heard of: whoever is in it may leave before it is over. Never rejects. */
  readonly name: Promise<string | null>
}

/** Rooms of which something is remembered: beyond, the one that was heard of longest ago is forgotten. */
export const MAX_ROOMS = 1_000
/** Recordings of one room: beyond, the oldest is forgotten. The files themselves stay where they are. */
export const MAX_IN_ROOM = 100

/** What has been recorded, as the media server has told it: by room, and where the files are. */
export class RecordedFiles {
  readonly #rooms = new Map<string, Map<string, Entry>>()
  readonly #paths = new Map<string, string>()

  /** Told again, or late, it does no harm. */
  told (recording: RecordingChange, findName: () => Promise<string | null>): void {
    const { recordingId, roomId, revision, status, file } = recording
    const room = this.#room(roomId)
    const entry = room.get(recordingId)
    if (entry === undefined) room.set(recordingId, { recording, name: findName().catch(() => null) })
    else if (revision > entry.recording.revision) entry.recording = recording
    else return
    if (status === 'available' && file !== null) this.#paths.set(recordingId, file)
    if (room.size > MAX_IN_ROOM) this.#forget(room, room.keys().next().value!)
  }

  /** Those that can be played, oldest first. */
  async inRoom (roomId: string): Promise<RecordedFile[]> {
    const entries = [...this.#rooms.get(roomId)?.values() ?? []].filter(({ recording }) => this.#paths.has(recording.recordingId))
    return await Promise.all(entries.map(async ({ recording: { recordingId, startedAt, durationMs }, name }) => ({
      id: recordingId, name: await name, startedAt: startedAt?.getTime() ?? null, durationMs, url: `/recordings/${encodeURIComponent(recordingId)}.webm`
    })))
  }

  /** Where a file is; undefined: there is none. */
  path (recordingId: string): string | undefined {
    return this.#paths.get(recordingId)
  }

  #room (roomId: string): Map<string, Entry> {
    const room = this.#rooms.get(roomId) ?? new Map<string, Entry>()
    this.#rooms.delete(roomId)
    this.#rooms.set(roomId, room)
    if (this.#rooms.size > MAX_ROOMS) {
      const [[oldestId, oldest]] = this.#rooms as unknown as [[string, Map<string, Entry>]]
      for (const recordingId of [...oldest.keys()]) this.#forget(oldest, recordingId)
      this.#rooms.delete(oldestId)
    }
    return room
  }

  #forget (room: Map<string, Entry>, recordingId: string): void {
    room.delete(recordingId)
    this.#paths.delete(recordingId)
  }
}
