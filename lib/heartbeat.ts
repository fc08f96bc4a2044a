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

/**
 * Pings each socket every `everyMs` and finds out who is gone without saying so; any inbound byte is proof of life.
 *
 * One timer goes round for all of them: with one for each, every idle client would pay for it. It takes no notice of the
 * time of day, which may be set back.
 */
export class Heartbeats {
  readonly #clock: Clock
  readonly #stepMs: number
  readonly #steps: Array<Set<Heartbeat>>
  /** The latest step. */
  #at = 0
  #watched = 0
  #timer: Timer | null = null

  /** @param steps in how many parts of `everyMs` the sockets have their turn: by one of them a first beat may come early */
  constructor (everyMs: number, clock: Clock, steps: number) {
    this.#clock = clock
    this.#stepMs = Math.ceil(everyMs / steps)
    this.#steps = Array.from({ length: Math.max(1, Math.round(everyMs / this.#stepMs)) }, () => new Set())
  }

  watch (target: HeartbeatTarget): Heartbeat {
    this.#timer ??= this.#clock.every(this.#stepMs, () => this.#step())
    this.#watched++
    const heartbeat = new Heartbeat(target, this, this.#at)
    // Their turn is over, and comes again when all the others have had theirs.
    this.#steps[this.#at]!.add(heartbeat)
    return heartbeat
  }

  /** Harmless when it has stopped. */
  stop (heartbeat: Heartbeat): void {
    if (!this.#steps[heartbeat.step]!.delete(heartbeat) || --this.#watched > 0) return
    this.#timer?.cancel()
    this.#timer = null
  }

  #step (): void {
    this.#at = (this.#at + 1) % this.#steps.length
    const step = this.#steps[this.#at]!
    // A copy, since who comes meanwhile is not asked yet; who is stopped meanwhile is not asked any more.
    for (const heartbeat of [...step]) if (step.has(heartbeat)) heartbeat.beat()
  }
}

/** That of one socket. */
export class Heartbeat {
  readonly step: number
  readonly #target: HeartbeatTarget
  readonly #all: Heartbeats
  #bytes: number
  #silentBeats = 0

  constructor (target: HeartbeatTarget, all: Heartbeats, step: number) {
    this.#target = target
    this.#all = all
    this.step = step
    this.#bytes = target.bytesRead() ?? 0
  }

  stop (): void {
    this.#all.stop(this)
  }

  beat (): void {
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
