import type { Recording } from '../../relay/media-server.js'
import { isSilent } from './publishers.js'
import type { SeenPublisher, WatchedHandle } from './publishers.js'

/** What VideoRoom calls a file unless it is told otherwise: with when it began, in microseconds since the Unix epoch. */
const FILE_NAME = /^videoroom-.+-user-.+-(\d{16})-(?:audio|video|data)-\d+\.mjr$/

interface File {
  recording: Recording
  handle: WatchedHandle
}

export interface RoomRecordingOptions {
  roomId: string
  /** As VideoRoom names it. */
  room: number | string
  /** Where the files are, on Janus's machine; null: Janus does not say. */
  folder: string | null
  /** How long something has to be missing before it is taken for gone, in milliseconds: Janus closes a file before it renames it. */
  confirmMs: number
  /** A recording is news. */
  tell: (recording: Recording) => void
}

/** What is recorded in one room, as one look after the other shows it. */
export class RoomRecording {
  readonly roomId: string
  readonly room: number | string
  readonly #options: RoomRecordingOptions
  /** By the name that they have in the end. */
  readonly #files = new Map<string, File>()
  /** Since when what should be there is not, in milliseconds since the Unix epoch: files by name, publishers by handle. */
  readonly #missing = new Map<string, number>()
  /** By handle: of whom it was told that nothing is recorded. */
  readonly #failed = new Set<string>()
  #failures = 0
  /** Files of which it is not known how they ended, should they have. */
  #doubtful = new Set<string>()

  constructor (options: RoomRecordingOptions) {
    this.#options = options
    this.roomId = options.roomId
    this.room = options.room
  }

  /** Those that are being made. */
  get active (): Recording[] {
    return [...this.#files.values()].map(({ recording }) => recording)
  }

  /** Where they are being made: to be looked at even when their peers are not here any more. */
  get handles (): WatchedHandle[] {
    return [...this.#files.values()].map(({ handle }) => handle)
  }

  /** The room as a whole is recorded, and nobody can say into which files. @param at in milliseconds since the Unix epoch */
  began (at: number): void {
    const recordingId = `janus-room-${this.room}-${at}`
    if (this.#files.size === 0) this.#add(recordingId, at, null, { peerId: '', sessionId: 0, handleId: 0 })
  }

  /**
   * What is there now. Answers publishers of whom nothing is recorded, though it should be.
   * @param at in milliseconds since the Unix epoch
   */
  seen (publishers: SeenPublisher[], at: number): SeenPublisher[] {
    const here = new Set<string>()
    for (const { files, ...handle } of publishers) {
      for (const file of files) {
        const name = finalName(file)
        here.add(name)
        if (!this.#files.has(name)) this.#add(name, startOf(name) ?? at, this.#place(name), handle)
      }
    }
    const silent = publishers.filter(isSilent)
    const silentKeys = new Set(silent.map(keyOf))
    const gone = (key: string): boolean => {
      const since = this.#missing.get(key) ?? at
      this.#missing.set(key, since)
      return at - since >= this.#options.confirmMs
    }
    for (const name of [...this.#files.keys()]) if (!here.has(name) && gone(name)) this.#end(name, 'available', null)
    const mute = silent.filter((publisher) => gone(keyOf(publisher)))
    for (const key of [...this.#missing.keys()]) if (here.has(key) || (!silentKeys.has(key) && !this.#files.has(key))) this.#missing.delete(key)
    for (const key of [...this.#failed]) if (!silentKeys.has(key)) this.#failed.delete(key)
    for (const name of here) this.#doubtful.delete(name)
    return mute
  }

  /** Nothing of this publisher is recorded: that is told once. */
  failed ({ publisherId, ...handle }: SeenPublisher, error: string): void {
    const key = keyOf(handle)
    if (this.#failed.has(key)) return
    this.#failed.add(key)
    const { roomId, room, tell } = this.#options
    tell({ recordingId: `janus-room-${room}-user-${publisherId}-${handle.handleId}`, roomId, status: 'failed', revision: ++this.#failures, startedAt: null, file: null, durationMs: null, error, ...whomOf(handle) })
  }

  /** Janus may have ended them in the meantime, in whatever way. */
  doubt (): void {
    this.#doubtful = new Set(this.#files.keys())
  }

  /** Nothing is made any more. Answers what was. */
  end (status: 'finished' | 'available' | 'failed', error: string | null = null): Recording[] {
    return [...this.#files.keys()].map((name) => this.#end(name, status, error))
  }

  #add (recordingId: string, startedAt: number, file: string | null, { peerId, sessionId, handleId }: WatchedHandle): void {
    const recording: Recording = {
      recordingId, roomId: this.roomId, status: 'active', revision: 1, startedAt: new Date(startedAt), file, durationMs: null, error: null, ...whomOf({ peerId })
    }
    this.#files.set(recordingId, { recording, handle: { peerId, sessionId, handleId } })
    this.#options.tell(recording)
  }

  #end (recordingId: string, status: Recording['status'], error: string | null): Recording {
    const { recording } = this.#files.get(recordingId)!
    this.#files.delete(recordingId)
    this.#missing.delete(recordingId)
    const ended = { ...recording, status: status === 'available' && this.#doubtful.delete(recordingId) ? 'finished' : status, revision: recording.revision + 1, error }
    this.#options.tell(ended)
    return ended
  }

  #place (name: string): string {
    const { folder } = this.#options
    return folder === null || name.startsWith('/') ? name : `${folder.replace(/\/$/, '')}/${name}`
  }
}

/** Without what Janus's `recordings_tmp_ext` adds for as long as it writes. */
export function finalName (file: string): string {
  return file.replace(/\.mjr\.[^./]+$/, '.mjr')
}

/** In milliseconds since the Unix epoch; null: the name does not tell. */
function startOf (name: string): number | null {
  const [, microseconds] = FILE_NAME.exec(name) ?? []
  return microseconds === undefined ? null : Math.floor(Number(microseconds) / 1_000)
}

/** Of whom a file is; of all where there is one for the whole room. */
function whomOf ({ peerId }: { peerId: string }): { peerId?: string } {
  return peerId === '' ? {} : { peerId }
}

function keyOf ({ sessionId, handleId }: WatchedHandle): string {
  return `${sessionId}/${handleId}`
}
