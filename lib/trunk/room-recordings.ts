import type { Recording } from './schema.js'

/** Recordings of one room that are remembered: beyond, those are forgotten first that have been over for longest. */
const MAX_IN_ROOM = 64
/** The same where none of them is over; beyond, the oldest is forgotten. */
const MAX_ACTIVE = 1_024
/** Rooms that are remembered at most; beyond, the one is forgotten of which nothing was heard for longest: of those where all is over, if there are any. */
const MAX_ROOMS = 10_000
/** Bytes of texts that go into one snapshot at most: it travels in one frame. */
const MAX_TEXT_BYTES = 128 * 1024

/** What is being recorded of each room, as the media server has told it: the snapshot for whoever comes. */
export class RoomRecordings {
  /** Where something is being made, and where all is over; those of which something was heard latest come last. */
  readonly #active = new Map<string, Map<string, Recording>>()
  readonly #over = new Map<string, Map<string, Recording>>()

  told (recording: Recording): void {
    const { roomId, recordingId } = recording
    const room = this.#room(roomId) ?? new Map<string, Recording>()
    // It may have been told of out of order, or twice.
    if (recording.revision <= (room.get(recordingId)?.revision ?? -1)) return
    if (!room.has(recordingId) && room.size >= MAX_IN_ROOM) {
      const over = [...room.values()].filter((each) => !isActive(each))
      for (const { recordingId } of over.slice(0, room.size - MAX_IN_ROOM + 1)) room.delete(recordingId)
      if (room.size >= MAX_ACTIVE) room.delete(room.keys().next().value!)
    }
    room.set(recordingId, recording)
    this.#put(roomId, room)
  }

  /** Those that are being made, and the latest of the others, as long as they are short. */
  of (roomId: string): Recording[] {
    const recordings = [...this.#room(roomId)?.values() ?? []]
    let bytes = 0
    const chosen = new Set<Recording>()
    for (const recording of [...recordings.filter(isActive).reverse(), ...recordings.filter((each) => !isActive(each)).reverse()]) {
      bytes += Buffer.byteLength(recording.recordingId + recording.file + recording.error)
      if (bytes > MAX_TEXT_BYTES) break
      chosen.add(recording)
    }
    return recordings.filter((recording) => chosen.has(recording))
  }

  #room (roomId: string): Map<string, Recording> | undefined {
    return this.#active.get(roomId) ?? this.#over.get(roomId)
  }

  #put (roomId: string, room: Map<string, Recording>): void {
    this.#active.delete(roomId)
    this.#over.delete(roomId)
    if (this.#active.size + this.#over.size >= MAX_ROOMS) {
      const rooms = this.#over.size > 0 ? this.#over : this.#active
      rooms.delete(rooms.keys().next().value!)
    }
    const rooms = [...room.values()].some(isActive) ? this.#active : this.#over
    rooms.set(roomId, room)
  }
}

function isActive ({ status }: Recording): boolean {
  return status === 'active'
}
