import { ManualClock } from '../../lib/testing/manual-clock.js'
import type { Random } from './random.js'
import type { SimSocket } from './sockets.js'

/** A program somewhere: it has a clock and sockets of its own, and can die. */
export class Process {
  readonly name: string
  readonly clock: ManualClock
  readonly sockets = new Set<SimSocket>()
  alive = true

  constructor (name: string, now: number) {
    this.name = name
    this.clock = new ManualClock(now)
  }

  has (socket: SimSocket): SimSocket {
    this.sockets.add(socket)
    socket.once('close', () => this.sockets.delete(socket))
    return socket
  }

  /** Nothing of it ever acts again: its clock stands still, and its sockets are silent. */
  die (silently: boolean): void {
    this.alive = false
    for (const socket of this.sockets) socket.die(silently)
    this.sockets.clear()
  }
}

interface Waiting {
  owner: Process
  what: string
  since: number
  settle: () => void
}

/** What the app's own functions wait for: a database, say. Whatever it is, it comes when the run decides so. */
export class Later {
  readonly #random: Random
  readonly #now: () => number
  readonly #trace: (line: string) => void
  #waiting: Waiting[] = []
  /** Whether every answer is there at once. */
  isPrompt = false

  constructor (random: Random, now: () => number, trace: (line: string) => void) {
    this.#random = random
    this.#now = now
    this.#trace = trace
  }

  async wait (owner: Process, what: string): Promise<void> {
    if (this.isPrompt) return
    await new Promise<void>((resolve) => { this.#waiting.push({ owner, what, since: this.#now(), settle: resolve }) })
  }

  /** Lets one of them have its answer. */
  settleOne (): void {
    this.#drop()
    if (this.#waiting.length === 0) return
    const waiting = this.#random.pick(this.#waiting)
    this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
    this.#settle(waiting)
  }

  /** Whoever has waited for so long has its answer now. */
  settleAll (ms: number): void {
    this.#drop()
    const due = this.#waiting.filter(({ since }) => this.#now() - since >= ms)
    this.#waiting = this.#waiting.filter((waiting) => !due.includes(waiting))
    for (const waiting of due) this.#settle(waiting)
  }

  #settle ({ owner, what, settle }: Waiting): void {
    this.#trace(`${owner.name}: ${what} is done`)
    settle()
  }

  #drop (): void {
    this.#waiting = this.#waiting.filter(({ owner }) => owner.alive)
  }
}
