import type { Recording } from './schema.js'

/** Recordings of one room that are remembered at most; beyond, the oldest that is over is forgotten, or else the oldest. */
const MAX_IN_ROOM = 64
/** Rooms that are remembered at most; beyond, the one is forgotten of which nothing was heard for longest. */
const MAX_ROOMS = 10_000
/** Bytes of texts that go into one snapshot at most: it travels in one frame. */
const MAX_TEXT_BYTES = 32 * 1024

/** What is being recorded of each room, as the media server has told it: the snapshot for whoever comes. */
export class RoomRecordings {
  readonly #rooms = new Map<string, Map<string, Recording>>()

  told (recording: Recording): void {
    const { roomId, recordingId } = recording
    const room = this.#rooms.get(roomId) ?? new Map<string, Recording>()
    this.#rooms.delete(roomId)
    if (this.#rooms.size >= MAX_ROOMS) this.#rooms.delete(this.#rooms.keys().next().value!)
    this.#rooms.set(roomId, room)
    if (!room.has(recordingId) && room.size >= MAX_IN_ROOM) {
      const over = [...room.values()].find(({ status }) => status !== 'active')
      room.delete(over?.recordingId ?? room.keys().next().value!)
    }
    room.set(recordingId, recording)
  }

  /** Those that are being made, and the latest of the others, as long as they are short. */
  of (roomId: string): Recording[] {
    const recordings = [...this.#rooms.get(roomId)?.values() ?? []]
    let bytes = 0
    const chosen = new Set<Recording>()
    for (const recording of [...recordings.filter(isActive).reverse(), ...recordings.filter((each) => !isActive(each)).reverse()]) {
      bytes += Buffer.byteLength(recording.recordingId + recording.file + recording.error)
      if (bytes > MAX_TEXT_BYTES) break
      chosen.add(recording)
    }
    return recordings.filter((recording) => chosen.has(recording))
  }
}

function isActive ({ status }: Recording): boolean {
  return status === 'active'
}
