import type { ClientSocket } from './dialects/client-socket.js'

/** Every client's socket that is open, whether or not it is let in yet: so that closing the app can wait for all of them. */
export class Connections {
  readonly #open = new Set<ClientSocket>()
  #closing: { code: number, reason: string } | null = null
  #emptied: (() => void) | null = null

  get size (): number {
    return this.#open.size
  }

  add (socket: ClientSocket): void {
    this.#open.add(socket)
    // One that was being upgraded when the closing began.
    if (this.#closing !== null) socket.close(this.#closing.code, this.#closing.reason)
  }

  delete (socket: ClientSocket): void {
    this.#open.delete(socket)
    if (this.#open.size === 0) this.#emptied?.()
  }

  /** Closes whoever is left; resolves when the last socket is gone, which the sockets' own deadline bounds. */
  async close (code: number, reason: string): Promise<void> {
    this.#closing = { code, reason }
    for (const socket of this.#open) socket.close(code, reason)
    if (this.#open.size > 0) await new Promise<void>((resolve) => { this.#emptied = resolve })
  }
}
