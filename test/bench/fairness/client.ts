import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import { ACK_EVENTS } from '../../../lib/session/end.js'
import { CONTROL, LINK_SUBPROTOCOL, LINK_VERSION, ackMessage, controlMessage, readMessage } from '../../../lib/session/messages.js'
import { HELLO } from './scenarios.js'
import type { ClientKind } from './scenarios.js'

/** A client with a session acknowledges after so many events: that is what `trunkline/client` does, and all that it does here. */

/** A client as cheap as can be, so that it is never what is measured. */
export class Client {
  readonly socket: WebSocket
  readonly #kind: ClientKind
  #raw: Socket | null = null
  #received = 0
  #event: (data: Buffer) => void = () => {}

  private constructor (port: number, id: string, kind: ClientKind) {
    this.#kind = kind
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/signaling?token=${id}`, kind === 'plain' ? [] : [LINK_SUBPROTOCOL], { perMessageDeflate: false })
    this.socket.on('upgrade', ({ socket }) => { this.#raw = socket })
    this.socket.on('message', (data, binary) => this.#message(data as Buffer, binary))
  }

  /** Resolves when the media server has answered. */
  static async join (port: number, id: string, kind: ClientKind): Promise<Client> {
    const client = new Client(port, id, kind)
    const { socket } = client
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject)
      socket.on('close', (code) => reject(new Error(`${id} was closed: ${code}`)))
      socket.on('open', () => {
        if (kind === 'session') socket.send(controlMessage({ type: 'join', id: 1, version: LINK_VERSION, client: randomUUID() }))
        else socket.send(HELLO)
      })
      client.#event = (data) => {
        if (data.toString() === HELLO) resolve()
        else reject(new Error(`${id} has heard something else than its first word`))
      }
    })
    return client
  }

  /** The TCP connection below, for who writes frames of its own. */
  get raw (): Socket {
    return this.#raw!
  }

  /** Who hears the events from now on. */
  listen (event: (data: Buffer) => void): void {
    this.#event = event
  }

  send (text: string): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(text)
  }

  #message (data: Buffer, binary: boolean): void {
    if (binary) {
      const message = readMessage(data)
      if (message?.kind === CONTROL && (message.control as { type?: unknown }).type === 'joined') this.socket.send(HELLO)
      return
    }
    if (this.#kind === 'session' && ++this.#received % ACK_EVENTS === 0) this.socket.send(ackMessage(this.#received))
    this.#event(data)
  }
}
