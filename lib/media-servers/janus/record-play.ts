import type { Clock } from '../../clock.js'
import type { Recording } from '../../relay/media-server.js'
import { isObject } from './messages.js'
import type { JanusMessage } from './messages.js'

const PLUGIN = 'janus.plugin.recordplay'

/** Whose a recording is. */
export interface Recorder {
  readonly roomId: string
  readonly sessionId: number | null
}

/** Recordings that clients make of themselves, with Janus's plugin Record&Play: it tells them, and we listen. */
export class RecordPlay {
  readonly #clock: Clock
  readonly #tell: (recording: Recording) => void
  /** Those that are being made, by session and handle. */
  readonly #active = new Map<number, Map<number, Recording>>()

  constructor (clock: Clock, tell: (recording: Recording) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  /** Those that are being made. */
  get active (): Recording[] {
    return [...this.#active.values()].flatMap((ofSession) => [...ofSession.values()])
  }

  /** Whatever Janus says to a peer. */
  heard ({ roomId, sessionId }: Recorder, { janus, sender, plugindata }: JanusMessage): void {
    if (sessionId === null || typeof sender !== 'number') return
    if (janus === 'hangup' || janus === 'detached') this.#finished(sessionId, sender)
    if (!isObject(plugindata) || plugindata.plugin !== PLUGIN || !isObject(plugindata.data)) return
    const { result } = plugindata.data
    if (result === 'done') this.#finished(sessionId, sender)
    else if (isObject(result) && result.status === 'recording') this.#began(roomId, sessionId, sender, result.id)
    else if (isObject(result) && result.status === 'stopped') this.#finished(sessionId, sender)
  }

  /** The session is no more. @param error why what it recorded may be no good; null: it may be */
  ended (sessionId: number, error: string | null): void {
    for (const handle of [...this.#active.get(sessionId)?.keys() ?? []]) this.#finished(sessionId, handle, error)
  }

  #began (roomId: string, sessionId: number, handle: number, id: unknown): void {
    if (typeof id !== 'number' && typeof id !== 'string') return
    const ofSession = this.#active.get(sessionId) ?? new Map<number, Recording>()
    // It says so again when the client negotiates anew.
    if (ofSession.get(handle)?.recordingId === String(id)) return
    const recording: Recording = {
      recordingId: String(id), roomId, status: 'active', revision: 1, startedAt: new Date(this.#clock.now()), file: null, durationMs: null, error: null
    }
    this.#active.set(sessionId, ofSession.set(handle, recording))
    this.#tell(recording)
  }

  #finished (sessionId: number, handle: number, error: string | null = null): void {
    const ofSession = this.#active.get(sessionId)
    const recording = ofSession?.get(handle)
    if (ofSession === undefined || recording === undefined) return
    ofSession.delete(handle)
    if (ofSession.size === 0) this.#active.delete(sessionId)
    this.#tell({ ...recording, status: error === null ? 'finished' : 'failed', revision: 2, error })
  }
}
