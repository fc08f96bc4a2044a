import type { ClientSocket } from './dialects/client-socket.js'
import type { ThrottleCounts } from './dialects/throttle.js'

/** Every client's socket that is open, whether or not it is let in yet: so that closing the app can wait for all of them. */
export class Connections {
  /** Of those that speak too fast. */
  readonly counts: ThrottleCounts = { throttled: 0, throttles: 0 }
  readonly #open = new Set<ClientSocket>()
  readonly #strangers = new Set<ClientSocket>()
  #closing: { code: number, reason: string } | null = null
  #emptied: (() => void) | null = null
  #emptying: Promise<void> | null = null

  get size (): number {
    return this.#open.size
  }

  /** How many have not shown yet who they are. */
  get strangers (): number {
    return this.#strangers.size
  }

  add (socket: ClientSocket, isKnown: boolean): void {
    this.#open.add(socket)
    if (!isKnown) this.#strangers.add(socket)
    // One that was being upgraded when the closing began.
    if (this.#closing !== null) socket.close(this.#closing.code, this.#closing.reason)
  }

  /** The client was let in. */
  known (socket: ClientSocket): void {
    this.#strangers.delete(socket)
  }

  delete (socket: ClientSocket): void {
    this.#open.delete(socket)
    this.#strangers.delete(socket)
    if (this.#open.size === 0) this.#emptied?.()
  }

  /** Closes whoever is left; resolves when the last socket is gone, which the sockets' own deadline bounds. */
  async close (code: number, reason: string): Promise<void> {
    this.#closing = { code, reason }
    for (const socket of this.#open) socket.close(code, reason)
    this.#emptying ??= new Promise((resolve) => { this.#emptied = resolve })
    if (this.#open.size > 0) await this.#emptying
  }
}
