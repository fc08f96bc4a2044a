import { DiskFile } from './disk-file.js'
import type { Source } from './forwarder.js'
import type { Timing } from './timing.js'
import { WebmTake } from './webm-take.js'

/** What an error says at most, in characters. */
const MAX_ERROR_LENGTH = 500
/** How often it is looked whether the file is as large as it may be, in milliseconds. */
const LOOK_MS = 1_000

/** One file of what one peer publishes. */
export interface Recording {
  readonly id: string
  readonly roomId: string
  readonly peerId: string
  /** Of the room, by which it is made. */
  readonly componentId: string
  /** `finished`: nothing more is taken, `available`: the file is whole. */
  readonly status: 'active' | 'finished' | 'available' | 'failed'
  /** Grows by 1 with each change of the status, from 1. */
  readonly revision: number
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number
  /** An absolute path, from when there is nothing more to come: of one that failed, what there was until then. */
  readonly file: string | null
  readonly durationMs: number | null
  readonly error: string | null
}

export interface ActiveRecordingOptions {
  readonly id: string
  readonly roomId: string
  readonly peerId: string
  readonly componentId: string
  readonly path: Promise<string>
  readonly maxBytes: number
  readonly timing: Timing
  /** Told of each change, never within a call of this class but `start` and `stop`. */
  readonly onChange: (recording: Recording) => void
}

/** A recording from its beginning to its end. Whatever goes wrong with it ends it, as `failed`, and nothing else. */
export class ActiveRecording {
  /** Resolves when it is `available` or `failed`. Never rejects. */
  readonly over: Promise<void>
  readonly #options: ActiveRecordingOptions
  readonly #file: DiskFile
  readonly #take: WebmTake
  readonly #look: { cancel (): void }
  #state: Recording
  #resolveOver = (): void => {}

  constructor (options: ActiveRecordingOptions) {
    this.#options = options
    const { id, roomId, peerId, componentId, path, timing, maxBytes } = options
    this.#state = { id, roomId, peerId, componentId, status: 'active', revision: 1, startedAt: Date.now(), file: null, durationMs: null, error: null }
    this.over = new Promise((resolve) => { this.#resolveOver = resolve })
    this.#file = new DiskFile(path, (error) => { this.#fail(error) })
    this.#take = new WebmTake(this.#file, timing)
    this.#look = timing.every(LOOK_MS, () => { if (this.#file.bytes >= maxBytes) this.stop() })
  }

  get state (): Recording {
    return this.#state
  }

  get isOver (): boolean {
    return this.#state.status === 'available' || this.#state.status === 'failed'
  }

  /** Resolves when the file is there, or it has failed. */
  async opened (): Promise<void> {
    await this.#file.opened()
    // A failure is told a moment later.
    await Promise.resolve()
  }

  start (): void {
    this.#options.onChange(this.#state)
  }

  /** Takes a track in, before `begin`. */
  add (source: Source): void {
    if (this.#state.status === 'active') this.#take.add(source)
  }

  /** All of its tracks are there. */
  begin (): void {
    if (this.#state.status === 'active') this.#take.begin()
  }

  /** Takes nothing more, and has the file made whole. */
  stop (): void {
    if (this.#state.status !== 'active') return
    this.#look.cancel()
    this.#to({ status: 'finished' })
    this.#finish().catch((error: unknown) => { this.#fail(error as Error) })
  }

  async #finish (): Promise<void> {
    const { durationMs, patches } = await this.#take.end()
    await this.#file.finish(patches)
    if (this.#take.packets === 0) throw new Error('nothing was published')
    this.#to({ status: 'available', file: this.#file.path, durationMs })
    this.#resolveOver()
  }

  #fail (error: Error): void {
    if (this.isOver) return
    this.#look.cancel()
    this.#take.cancel()
    this.#file.finish([]).catch(() => {})
    this.#to({ status: 'failed', file: this.#file.path, error: error.message.slice(0, MAX_ERROR_LENGTH) })
    this.#resolveOver()
  }

  #to (change: Partial<Recording>): void {
    this.#state = { ...this.#state, ...change, revision: this.#state.revision + 1 }
    this.#options.onChange(this.#state)
  }
}
