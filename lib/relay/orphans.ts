import type { Clock } from '../clock.js'
import type { MediaServer, Status } from './media-server.js'

interface Orphan {
  session: { peerId: string, key: string }
  status: Status
  since: number
}

/**
 * Sessions whose client has gone for good while the trunk that they were attached to was lost. The media server would find
 * out by itself when their window ends; this is how it learns as soon as it can.
 */
export class Orphans {
  readonly #mediaServer: MediaServer
  readonly #clock: Clock
  readonly #max: number
  readonly #trunkIsUp: () => boolean
  readonly #waiting = new Map<string, Orphan>()

  /** @param max kept at most; beyond, the oldest are left to their window */
  constructor (mediaServer: MediaServer, clock: Clock, max: number, trunkIsUp: () => boolean) {
    this.#mediaServer = mediaServer
    this.#clock = clock
    this.#max = max
    this.#trunkIsUp = trunkIsUp
  }

  add (session: Orphan['session'], status: Status): void {
    if (this.#trunkIsUp()) {
      this.#mediaServer.leave(session, status)
      return
    }
    if (this.#waiting.size >= this.#max) this.#waiting.delete(this.#waiting.keys().next().value!)
    this.#waiting.set(session.key, { session, status, since: this.#clock.now() })
  }

  /** The trunk is up. */
  tell (): void {
    const { resumeMs } = this.#mediaServer
    for (const { session, status, since } of this.#waiting.values()) if (this.#clock.now() - since < resumeMs) this.#mediaServer.leave(session, status)
    this.#waiting.clear()
  }
}
