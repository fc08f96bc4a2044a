import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { ActiveRecording, type Recording } from './recording.js'
import { systemTiming, type Timing } from './timing.js'

/** Recordings that are listed at most; of more, the oldest that is over is forgotten, with its file: of the room that has the most. */
export const MAX_RECORDINGS = 1_000
/** Recordings that are made at a time. */
export const MAX_ACTIVE = 64
/** Bytes of one file; at so many it is finished. */
export const MAX_FILE_BYTES = 1024 ** 3

export interface RecordingsOptions {
  /** Where the files go. Default: a folder of its own in the system's for temporary files. */
  readonly directory?: string | undefined
  /** Told of each change, in order for each recording. */
  readonly onChange?: (recording: Recording) => void
  readonly timing?: Timing
  /** For tests. */
  readonly limits?: { readonly recordings?: number, readonly active?: number, readonly fileBytes?: number }
}

/** A recording that is not over yet cannot be deleted. */
export class RecordingActiveError extends Error {
  override readonly name = 'RecordingActiveError'
}

/** Which recordings there are, and what has become of them. */
export class Recordings {
  readonly #options: RecordingsOptions
  readonly #limits: { recordings: number, active: number, fileBytes: number }
  readonly #recordings = new Map<string, ActiveRecording>()
  #directory: Promise<string> | undefined

  constructor (options: RecordingsOptions = {}) {
    this.#options = options
    this.#limits = { recordings: MAX_RECORDINGS, active: MAX_ACTIVE, fileBytes: MAX_FILE_BYTES, ...options.limits }
  }

  /** In the order of their beginnings. */
  get all (): Recording[] {
    return [...this.#recordings.values()].map(({ state }) => state)
  }

  get (id: string): Recording | undefined {
    return this.#recordings.get(id)?.state
  }

  /** Begins a recording. Where too many are made already it has failed from the start. */
  begin (of: { readonly roomId: string, readonly peerId: string, readonly componentId: string }): ActiveRecording {
    this.#makeRoom()
    const active = [...this.#recordings.values()].filter(({ isOver }) => !isOver).length
    const id = randomUUID()
    const recording = new ActiveRecording({
      ...of,
      id,
      path: active < this.#limits.active ? this.#path(id) : Promise.reject(new Error(`${this.#limits.active} recordings are made at a time, and no more`)),
      maxBytes: this.#limits.fileBytes,
      timing: this.#options.timing ?? systemTiming,
      onChange: (state) => { this.#options.onChange?.(state) }
    })
    this.#recordings.set(id, recording)
    recording.start()
    return recording
  }

  /**
   * Forgets a recording, and deletes its file.
   * @returns whether there was one
   * @throws {RecordingActiveError}
   */
  async delete (id: string): Promise<boolean> {
    const recording = this.#recordings.get(id)
    if (recording === undefined) return false
    if (!recording.isOver) throw new RecordingActiveError('the recording is not over yet')
    this.#recordings.delete(id)
    if (recording.state.file !== null) await rm(recording.state.file, { force: true })
    return true
  }

  /** Finishes all that are made. Resolves when their files are whole, or cannot be. */
  async close (): Promise<void> {
    const recordings = [...this.#recordings.values()]
    for (const recording of recordings) recording.stop()
    await Promise.all(recordings.map(({ over }) => over))
  }

  #makeRoom (): void {
    if (this.#recordings.size < this.#limits.recordings) return
    // Or one room that is recorded anew all the time would have the files of all others deleted.
    const rooms = new Map<string, string[]>()
    for (const [id, { isOver, state: { roomId } }] of this.#recordings) if (isOver) rooms.set(roomId, [...rooms.get(roomId) ?? [], id])
    const [most] = [...rooms.values()].sort((a, b) => b.length - a.length)
    if (most !== undefined) this.delete(most[0]!).catch(() => {})
  }

  async #path (id: string): Promise<string> {
    this.#directory ??= directory(this.#options.directory)
    try {
      return join(await this.#directory, `${id}.webm`)
    } catch (error) {
      // Somebody may see to it, and the next recording find it.
      this.#directory = undefined
      throw error
    }
  }
}

async function directory (wanted: string | undefined): Promise<string> {
  if (wanted === undefined) return await mkdtemp(join(tmpdir(), 'trunkline-recordings-'))
  const path = resolve(wanted)
  await mkdir(path, { recursive: true, mode: 0o700 })
  return path
}
