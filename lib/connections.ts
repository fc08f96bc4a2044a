import type { Clock, Timer } from './clock.js'
import type { ClientSocket } from './dialects/client-socket.js'
import type { ThrottleCounts } from './dialects/throttle.js'
import type { DrainOptions } from './options.js'
import { RESTART } from './relay/peer.js'

export interface ConnectionsOptions {
  clock: Clock
  drain: DrainOptions
  /** Between 0 and 1. */
  random: () => number
}

/** By which part the age at which a link is closed may be less, so that those which came together do not go together. */
const AGE_JITTER = 0.1

/** Every client's socket that is open, whether or not it is let in yet: so that closing the app can wait for all of them. */
export class Connections {
  /** Of those that speak too fast. */
  readonly counts: ThrottleCounts = { throttled: 0, throttles: 0 }
  readonly #options: ConnectionsOptions
  /** With the timer of each: for its age, then for the end of its closing. */
  readonly #open = new Map<ClientSocket, Timer | null>()
  readonly #strangers = new Set<ClientSocket>()
  readonly #closes: Record<number, number> = {}
  #awaited: { sockets: Set<ClientSocket>, resolve: () => void } | null = null

  constructor (options: ConnectionsOptions) {
    this.#options = options
  }

  get size (): number {
    return this.#open.size
  }

  /** How many have not shown yet who they are. */
  get strangers (): number {
    return this.#strangers.size
  }

  /** Those that were closed, by the code that was said first, by either side; 1006: none was. */
  get closes (): Record<number, number> {
    return { ...this.#closes }
  }

  [Symbol.iterator] (): Iterator<ClientSocket> {
    return [...this.#open.keys()][Symbol.iterator]()
  }

  add (socket: ClientSocket, isKnown: boolean): void {
    this.#open.set(socket, this.#age(socket))
    if (!isKnown) this.#strangers.add(socket)
  }

  /** The client was let in. */
  known (socket: ClientSocket): void {
    this.#strangers.delete(socket)
  }

  delete (socket: ClientSocket): void {
    this.#open.get(socket)?.cancel()
    this.#open.delete(socket)
    this.#strangers.delete(socket)
    const code = socket.closeCode ?? 1006
    this.#closes[code] = (this.#closes[code] ?? 0) + 1
    this.#awaited?.sockets.delete(socket)
    if (this.#awaited?.sockets.size === 0) this.#awaited.resolve()
  }

  /** Resolves when everybody who is here now has gone. */
  async emptied (): Promise<void> {
    if (this.#open.size === 0) return
    await new Promise<void>((resolve) => { this.#awaited = { sockets: new Set(this.#open.keys()), resolve } })
  }

  /** Cuts whoever is left. */
  cut (): void {
    for (const socket of this) socket.cut()
  }

  #age (socket: ClientSocket): Timer | null {
    const { clock, random, drain: { maxConnectionAgeMs, deadlineMs } } = this.#options
    if (maxConnectionAgeMs === undefined) return null
    return clock.after(Math.ceil(maxConnectionAgeMs * (1 - AGE_JITTER * random())), () => {
      const reason = { ...RESTART, reason: 'connected for long enough' }
      // What is under way may never end, with hooks that are slower than what comes.
      this.#open.set(socket, clock.after(deadlineMs, () => socket.fail(reason.code, reason.reason, reason.cause)))
      socket.announce(0)
      socket.retire(reason, false)
    })
  }
}
