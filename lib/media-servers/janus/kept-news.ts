import type { Clock, Timer } from '../../clock.js'
import type { Logger } from '../../logger.js'
import type { Recording } from '../../relay/media-server.js'

/** News that wait for the app at most. */
const MAX_NEWS = 1_000
/** How long the app has before it is told again, in milliseconds: each time twice as long as before, up to the second. */
const AGAIN_MS = 10_000
const MAX_AGAIN_MS = 60_000

interface News {
  id: string
  recording: Recording
}

/** Keeps what happened to recordings until the app has dealt with it: Janus itself says it once, or never. */
export class KeptNews {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #tell: (recording: Recording, id: string, handled: () => void) => void
  /** In order. */
  readonly #news = new Map<string, News>()
  #number = 0
  #againMs = AGAIN_MS
  #timer: Timer | null = null

  constructor (clock: Clock, log: Logger, tell: (recording: Recording, id: string, handled: () => void) => void) {
    this.#clock = clock
    this.#log = log
    this.#tell = tell
  }

  get size (): number {
    return this.#news.size
  }

  add (recording: Recording): void {
    const news = { id: `janus-${++this.#number}`, recording }
    if (this.#news.size >= MAX_NEWS) {
      const [oldest] = this.#news.values()
      this.#news.delete(oldest!.id)
      this.#log.error({ recordingId: oldest!.recording.recordingId, status: oldest!.recording.status }, `onRecording is not told again: ${MAX_NEWS} later news wait for its hooks`)
    }
    this.#news.set(news.id, news)
    this.#timer ??= this.#clock.after(this.#againMs, () => this.#late())
    this.#say(news)
  }

  /** All that the app has not dealt with, once more. */
  again (): void {
    for (const news of [...this.#news.values()]) this.#say(news)
  }

  close (): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#news.clear()
  }

  #say ({ id, recording }: News): void {
    this.#tell(recording, id, () => {
      this.#news.delete(id)
      if (this.#news.size > 0) return
      this.#timer?.cancel()
      this.#timer = null
      this.#againMs = AGAIN_MS
    })
  }

  #late (): void {
    this.#timer = null
    this.#againMs = Math.min(MAX_AGAIN_MS, this.#againMs * 2)
    this.again()
    if (this.#news.size > 0) this.#timer ??= this.#clock.after(this.#againMs, () => this.#late())
  }
}
