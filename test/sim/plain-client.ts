import { CloseCode } from '../../lib/close-codes.js'
import { Client } from './client.js'
import { WINDOW_MS } from './setup.js'
import type { SimSocket } from './sockets.js'

/** What the media server's app takes to let somebody in, at most. */
const SLACK_MS = 2_000

/** A client that knows nothing but its WebSocket: with that its session ends, and the next one is another. */
export class PlainClient extends Client {
  readonly peerId = null
  #socket: SimSocket | null = null
  #leaving = false

  get isJoined (): boolean {
    return this.#socket?.readyState === 1
  }

  get isOver (): boolean {
    return this.#socket === null
  }

  start (): void {
    if (this.#socket !== null) return
    this.excuses.clear()
    this.#leaving = false
    this.begin()
    const socket = this.#socket = this.world.dialLink(this, [], this.token())
    const { backend } = this
    let refused = false
    socket.on('message', (data: Buffer, binary: boolean) => this.incoming.take(binary ? new Uint8Array(data) : data.toString()))
    socket.on('error', () => { refused ||= socket.readyState === 0 })
    socket.on('close', (code: number, reason: Buffer) => {
      this.#socket = null
      this.note(`closed ${code} ${reason.toString()}`)
      if (!refused) this.#judge(code, reason.toString(), this.backend ?? backend, socket.connection.harmed)
      this.begin()
      this.clock.after(this.world.random.between(50, 1_500), () => this.start())
    })
  }

  send (events: number): void {
    if (!this.isJoined) return
    for (let i = 0; i < events; i++) {
      const { event, sent } = this.newEvent()
      sent()
      this.#socket!.send(event)
      this.world.report.count('events up')
    }
  }

  leave (): void {
    this.#leaving = true
    this.#socket?.close(CloseCode.normal, 'done')
  }

  setOnline (online: boolean): void {
    this.online = online
  }

  #judge (code: number, reason: string, backend: PlainClient['backend'], harmed: boolean): void {
    const { setup } = this.world
    const away = backend?.awayMs ?? 0
    // Nothing tells its askings apart, so one that comes late pushes it out as a rival would.
    if (this.identity !== null) this.excuse('taken over')
    // What comes late on a link that was frozen was true when it was said.
    const expected = this.#leaving || backend === null || harmed ||
      (code === CloseCode.restart && (backend.draining || setup.settings.drain.maxConnectionAgeMs !== undefined)) ||
      (code === CloseCode.mediaServerReset && (this.excuses.size > 0 || away >= WINDOW_MS)) ||
      (code === CloseCode.trunkLost && away >= WINDOW_MS) ||
      (code === CloseCode.tryAgainLater && away + SLACK_MS >= setup.settings.limits.openMs) ||
      (code === CloseCode.internalError && this.excuses.has('hook failed')) ||
      (code === CloseCode.notAuthenticated && setup.tokenMs > 0) ||
      (code === CloseCode.replaced && this.excuses.has('taken over')) ||
      (code === CloseCode.removed && this.excuses.has('kicked'))
    if (!expected) this.world.report.violation('wrong failure', `${this.name}, a plain client, was closed with ${code} ${reason}`)
    else this.world.report.count('plain clients closed')
  }
}
