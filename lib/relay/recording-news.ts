import type { Clock, Timer } from '../clock.js'
import type { Logger } from '../logger.js'
import { logThrown } from '../logger.js'
import type { Hooks, RecordingChange, RoomOfRecording } from './hooks.js'

/** News that wait for the app's hooks at most; what comes beyond is left with the media server. */
const MAX_WAITING = 1_000
/** How long after a hook has failed it is told again, in milliseconds: each time twice as long, up to the second. */
const AGAIN_MS = 1_000
const MAX_AGAIN_MS = 60_000
/** Recordings of which it is remembered what the app has dealt with at most. */
const MAX_REMEMBERED = 10_000

interface News {
  recording: RecordingChange
  /** Tells the media server, by the trunk of the moment. */
  handled: () => void
}

/** What the app has yet to hear of one recording, in order. */
interface Line {
  readonly waiting: News[]
  timer: Timer | null
  failures: number
  /** The first, while a hook has it. */
  running: Promise<void> | null
}

export interface RecordingNewsOptions<Metadata> {
  hooks: Hooks<Metadata>
  /** As it is when the app's turn comes. */
  roomOf (roomId: string): RoomOfRecording<Metadata>
  clock: Clock
  log: Logger
}

/**
 * Tells the app what becomes of recordings: each change at least once, those of one recording in order, and again until the hook has
 * dealt with it. Only then the media server hears that it is done, and so tells it again to the next process if this one dies.
 */
export class RecordingNews<Metadata> {
  readonly #options: RecordingNewsOptions<Metadata>
  /** By recording. */
  readonly #lines = new Map<string, Line>()
  /** What waits, by its id: the media server tells all of it again on each trunk. */
  readonly #waiting = new Map<string, News>()
  /** What the app has dealt with last, by recording. */
  readonly #done = new Map<string, { revision: number, status: string }>()
  #late = 0
  #isClosing = false

  constructor (options: RecordingNewsOptions<Metadata>) {
    this.#options = options
  }

  /** How many wait. */
  get waiting (): number {
    return this.#waiting.size
  }

  /** How many were not told, since they came after a later one of their recording. */
  get late (): number {
    return this.#late
  }

  /** @param handled called once the app has dealt with it, or need not */
  tell (recording: RecordingChange, handled: () => void): void {
    if (this.#isClosing) return
    const known = this.#waiting.get(recording.id)
    if (known !== undefined) {
      known.handled = handled
      return
    }
    if (this.#isOld(recording)) return handled()
    if (this.#waiting.size >= MAX_WAITING) {
      this.#options.log.warn({ roomId: recording.roomId }, `a recording's news are left with the media server: ${MAX_WAITING} wait for the app's hooks`)
      return
    }
    const line = this.#lines.get(recording.recordingId) ?? { waiting: [], timer: null, failures: 0, running: null }
    this.#lines.set(recording.recordingId, line)
    const news: News = { recording, handled }
    this.#waiting.set(recording.id, news)
    // What is being told stays where it is.
    const later = line.waiting.findIndex((other, i) => (i > 0 || line.running === null) && other.recording.revision > recording.revision)
    line.waiting.splice(later === -1 ? line.waiting.length : later, 0, news)
    if (line.timer === null) this.#next(line)
  }

  /** Begins nothing more: the media server tells the next process. Resolves when no hook is running any more. */
  async close (): Promise<void> {
    this.#isClosing = true
    for (const { timer } of this.#lines.values()) timer?.cancel()
    await Promise.all([...this.#lines.values()].map(({ running }) => running))
  }

  #next (line: Line): void {
    if (line.running !== null || this.#isClosing) return
    const [news] = line.waiting
    if (news === undefined) return
    line.running = this.#run(line, news)
  }

  async #run (line: Line, news: News): Promise<void> {
    const { hooks, roomOf, log } = this.#options
    const { recording } = news
    // So that whatever comes of it finds the line running.
    await null
    if (this.#isClosing) return
    try {
      if (this.#isOld(recording)) {
        this.#over(line, news)
      } else {
        await hooks.run('onRecording', recording, roomOf(recording.roomId))
        this.#remember(recording)
        this.#over(line, news)
      }
    } catch (error) {
      const againMs = Math.min(AGAIN_MS * 2 ** line.failures++, MAX_AGAIN_MS)
      const { roomId, recordingId, status } = recording
      logThrown(log, error, `a hook onRecording failed: it is told again in ${againMs} ms`, { roomId, recordingId, status })
      if (!this.#isClosing) this.#again(line, againMs)
    }
    line.running = null
    if (line.timer === null) this.#next(line)
  }

  #again (line: Line, afterMs: number): void {
    line.timer = this.#options.clock.after(afterMs, () => {
      line.timer = null
      this.#next(line)
    })
  }

  #over (line: Line, { recording: { id, recordingId } }: News): void {
    line.waiting.shift()
    line.failures = 0
    const handled = this.#waiting.get(id)?.handled
    this.#waiting.delete(id)
    if (line.waiting.length === 0) this.#lines.delete(recordingId)
    handled?.()
  }

  /** Whether the app has dealt with it, or with what came of it. */
  #isOld ({ recordingId, revision, status }: RecordingChange): boolean {
    const done = this.#done.get(recordingId)
    if (done === undefined || revision > done.revision || (revision === done.revision && status !== done.status)) return false
    if (revision < done.revision) {
      this.#late++
      this.#options.log.warn({ recordingId, revision, handled: done.revision }, "a recording's news are passed over: they came after later ones")
    }
    return true
  }

  #remember ({ recordingId, revision, status }: RecordingChange): void {
    this.#done.delete(recordingId)
    if (this.#done.size >= MAX_REMEMBERED) this.#done.delete(this.#done.keys().next().value!)
    this.#done.set(recordingId, { revision, status })
  }
}
