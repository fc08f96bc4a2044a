import type { Clock, Timer } from './clock.js'
import type { Connections } from './connections.js'
import type { ClientSocket } from './dialects/client-socket.js'
import type { Logger } from './logger.js'
import type { DrainOptions } from './options.js'
import { RESTART } from './relay/peer.js'
import { Refusal } from './relay/refusal.js'

export interface DrainParts {
  options: DrainOptions
  /** How many clients a successor lets in per second; a tenth of it at once. */
  perSecond: number
  /** Milliseconds that a client may take to answer a close. */
  closeMs: number
  connections: Connections
  admission: { close (refusal: () => Refusal): void }
  relay: { close (): void, drain (): Promise<void>, stop (): Promise<void> }
  clock: Clock
  log: Logger
  /** Between 0 and 1. */
  random: () => number
}

/** Whoever is not let in any more stays away for so long at least, since it may come upon the same process. Milliseconds. */
const AWAY_MS = 500
/** For the trunk to flush and close, once the clients have gone or the deadline has passed. Milliseconds. */
const TRUNK_MS = 500
/** What closing may take beyond the deadline: the trunk, and what the framework does. Milliseconds. */
export const AFTER_DEADLINE_MS = 1_000

/**
 * The end of a process that nobody is to notice. Nobody is let in any more; the clients are closed with 1012 one by one, in
 * random order, no faster than a successor lets them in, each after what is under way for it; those with a session are told
 * their time at the start. Then come the last hooks, and the trunk. At the deadline whatever is left is cut.
 */
export class Drain {
  readonly #parts: DrainParts
  readonly #timers = new Set<Timer>()
  #spreadMs = 0
  #done: Promise<void> | null = null

  constructor (parts: DrainParts) {
    this.#parts = parts
  }

  get begun (): boolean {
    return this.#done !== null
  }

  /** Begins, or goes on; resolves when the trunk is closed, `deadlineMs` and a second later at most. */
  async run (): Promise<void> {
    this.#done ??= this.#run()
    await this.#done
  }

  async #run (): Promise<void> {
    const { options: { deadlineMs }, admission, relay, connections, log } = this.#parts
    this.#spreadMs = this.#spreadOf(connections.size)
    log.info({ links: connections.size, spreadMs: this.#spreadMs, deadlineMs }, 'draining: clients are told to come back elsewhere')
    admission.close(() => this.#refusal())
    relay.close()
    const deadline = this.#after(deadlineMs)
    // What is not flushed by then never may be. Its client is still told, and the app.
    void this.#after(this.#lastCallMs).then(() => { void relay.drain() })
    const gone = connections.emptied()
    this.#closeAll([...connections])
    const isInTime = await Promise.race([gone.then(async () => await relay.drain()).then(() => true), deadline.then(() => false)])
    if (!isInTime) {
      log.warn({ deadlineMs, links: connections.size }, 'closing without waiting for hooks and clients any longer')
      void relay.drain()
      connections.cut()
    }
    this.#cancelTimers()
    const stopped = relay.stop().catch((error: unknown) => log.error({ err: error }, 'the trunk could not be closed'))
    await Promise.race([stopped, this.#after(TRUNK_MS)])
    this.#cancelTimers()
  }

  /** As fast as a successor lets clients in, and so that the last one still has its time to answer. */
  #spreadOf (links: number): number {
    const { options: { spreadMs }, perSecond } = this.#parts
    const needed = (links - Math.floor(perSecond / 10)) * 1_000 / perSecond
    return Math.floor(Math.max(0, Math.min(spreadMs, needed, this.#lastCallMs)))
  }

  /** From when on there is but the time for clients to answer a close. */
  get #lastCallMs (): number {
    const { options: { deadlineMs }, closeMs } = this.#parts
    return deadlineMs - Math.min(closeMs, Math.floor(deadlineMs / 2))
  }

  #closeAll (sockets: ClientSocket[]): void {
    shuffle(sockets, this.#parts.random)
    const turns = sockets.map((socket, i) => ({ socket, afterMs: Math.floor(this.#spreadMs * i / sockets.length) }))
    for (const { socket, afterMs } of turns) socket.announce(afterMs)
    for (const { socket, afterMs } of turns) {
      if (afterMs === 0) socket.retire(RESTART, true)
      else void this.#after(afterMs).then(() => socket.retire(RESTART, true))
    }
  }

  #refusal (): Refusal {
    const afterMs = AWAY_MS + Math.floor(this.#spreadMs * this.#parts.random())
    return new Refusal(RESTART.code, 503, RESTART.reason, undefined, afterMs)
  }

  async #after (ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#parts.clock.after(ms, () => {
        this.#timers.delete(timer)
        resolve()
      })
      this.#timers.add(timer)
    })
  }

  #cancelTimers (): void {
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }
}

function shuffle (items: unknown[], random: () => number): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [items[i], items[j]] = [items[j], items[i]]
  }
}
