import type { Clock, Timer } from './clock.js'

/** How a heartbeat touches the socket that it watches. */
export interface HeartbeatTarget {
  /**
   * Bytes received so far, or `null` while the socket must not be judged: one that we paused ourselves answers no ping.
   * Reading the socket's own counter costs nothing per message, and a slow large message counts as life.
   */
  bytesRead (): number | null
  ping (): void
  /** Silence for two whole beats after a ping: called once, after which the heartbeat has stopped. */
  dead (): void
}

/** Pings every `everyMs` and finds out who is gone without saying so; any inbound byte is proof of life. */
export class Heartbeat {
  readonly #target: HeartbeatTarget
  readonly #timer: Timer
  #bytes: number
  #silentBeats = 0

  constructor (target: HeartbeatTarget, everyMs: number, clock: Clock) {
    this.#target = target
    this.#bytes = target.bytesRead() ?? 0
    this.#timer = clock.every(everyMs, () => this.#beat())
  }

  stop (): void {
    this.#timer.cancel()
  }

  #beat (): void {
    const bytes = this.#target.bytesRead()
    if (bytes === null || bytes !== this.#bytes) {
      this.#silentBeats = 0
      this.#bytes = bytes ?? this.#bytes
    } else if (++this.#silentBeats > 2) {
      // The first silent beat only says that nobody spoke before we asked: two more follow a ping each.
      this.stop()
      this.#target.dead()
      return
    }
    this.#target.ping()
  }
}
