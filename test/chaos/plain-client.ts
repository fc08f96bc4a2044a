import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { fullJitter } from '../../lib/client/index.js'
import { ChaosClient } from './client.js'
import { readEvent } from './events.js'

/** Beyond it the client sends nothing: it would only fill its own memory. */
const MAX_BUFFERED_BYTES = 512 * 1024
const LEAVE_MS = 5_000

const retry = fullJitter(50, 1_000)

/** A bare WebSocket: each connection is an instance. */
export class PlainClient extends ChaosClient {
  readonly resumes = 0
  #socket: WebSocket | null = null
  #timer: NodeJS.Timeout | null = null
  #attempt = 0
  #isOver = false

  get isIn (): boolean {
    return this.#socket?.readyState === WebSocket.OPEN
  }

  start (): void {
    const { backend } = this
    const { generation } = backend
    const connectedAt = performance.now()
    const socket = this.#socket = new WebSocket(`ws://127.0.0.1:${this.proxy.port}/signaling?token=${encodeURIComponent(this.token)}`, { handshakeTimeout: 4_000 })
    // What went wrong, 'close' tells.
    socket.on('error', () => {})
    socket.on('open', () => {
      this.#attempt = 0
      this.begin()
    })
    socket.on('message', (data: Buffer, binary) => this.instance?.heard.take(readEvent(binary ? data : data.toString())))
    socket.on('close', (code, reason) => {
      const isTouched = this.isTroubled || this.troubledAt >= connectedAt
      const cause = isTouched ? 'link lost' : backend.fates[generation] ?? null
      this.over({ how: 'closed', cause: cause === null ? null : `${cause}, of a plain client`, awayMs: 0, text: `${code} ${reason.toString()}` })
      if (!this.#isOver) this.#timer = setTimeout(() => this.start(), retry.delayMs(this.#attempt++))
    })
  }

  async leave (): Promise<void> {
    this.#isOver = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    const socket = this.#socket
    if (socket === null || socket.readyState === WebSocket.CLOSED) return
    socket.close(1000)
    const done = new AbortController()
    await Promise.race([once(socket, 'close'), sleep(LEAVE_MS, undefined, { signal: done.signal }).catch(() => {})])
    done.abort()
  }

  destroy (): void {
    this.#isOver = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#socket?.terminate()
  }

  protected send (event: string | Uint8Array): boolean {
    const socket = this.#socket
    if (socket === null || socket.readyState !== WebSocket.OPEN || socket.bufferedAmount > MAX_BUFFERED_BYTES) return false
    socket.send(event)
    return true
  }
}
