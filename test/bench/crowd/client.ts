import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { ACK_EVENTS } from '../../../lib/session/end.js'
import { CONTROL, LINK_VERSION, ackMessage, controlMessage, readMessage } from '../../../lib/session/messages.js'
import { BINARY, CLOSE, PING, PONG, TEXT, masked, opening, readFrame } from './frames.js'
import type { ClientKind, Found } from './frames.js'

/** Room for one read of any socket: what is left of it is copied before the next. */
const READ = Buffer.allocUnsafeSlow(64 * 1024)
/** A client with a session acknowledges after so many events, as `trunkline/client` does. */

export interface ClientOwner {
  /** It may send. */
  joined (client: CrowdClient): void
  /** A media event, from `start` to `end`: a view that is void afterwards. */
  event (client: CrowdClient, bytes: Buffer, start: number, end: number): void
  /** It was refused, closed or cut: called once, and not after `leave`. */
  over (client: CrowdClient, how: string): void
}

/**
 * One of thousands: as cheap as can be, so that the relay is what is measured. It joins, answers pings, acknowledges where it has
 * a session, and leaves in good order.
 */
export class CrowdClient {
  readonly id: number
  readonly #kind: ClientKind
  readonly #owner: ClientOwner
  readonly #socket: Socket
  readonly #found: Found = { opcode: 0, start: 0, end: 0 }
  #state: 'connecting' | 'joining' | 'joined' | 'leaving' | 'over' = 'connecting'
  #rest = Buffer.alloc(0)
  #received = 0
  #acknowledged = 0

  constructor (port: number, id: number, kind: ClientKind, owner: ClientOwner) {
    this.id = id
    this.#kind = kind
    this.#owner = owner
    const socket = this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: READ,
        callback: (length) => {
          this.#read(length)
          return true
        }
      }
    })
    socket.on('connect', () => socket.write(opening(kind)))
    socket.on('error', (error) => this.#end(error.message))
    socket.on('close', () => this.#end('cut'))
  }

  /** Whether its socket is gone. */
  get isGone (): boolean {
    return this.#socket.destroyed
  }

  send (event: Uint8Array): void {
    this.#socket.write(masked(TEXT, event))
  }

  /** Says what it has had, if there is something new to say. */
  acknowledge (): void {
    if (this.#kind !== 'session' || this.#state !== 'joined' || this.#acknowledged === this.#received) return
    this.#acknowledged = this.#received
    this.#socket.write(masked(BINARY, ackMessage(this.#received)))
  }

  leave (): void {
    if (this.#state === 'over') return
    this.#state = 'leaving'
    this.#socket.write(masked(CLOSE, Buffer.from([0x03, 0xe8])))
  }

  #read (length: number): void {
    const carried = this.#rest.length
    const bytes = carried === 0 ? READ : Buffer.concat([this.#rest, READ.subarray(0, length)])
    const end = carried + length
    let at = this.#state === 'connecting' ? this.#readOpening(bytes, end) : 0
    if (this.#state !== 'connecting') {
      while (readFrame(bytes, at, end, this.#found)) {
        const { opcode, start, end: next } = this.#found
        at = next
        this.#take(opcode, bytes, start, next)
      }
    }
    this.#rest = at === end ? this.#rest.subarray(0, 0) : Buffer.from(bytes.subarray(at, end))
  }

  #readOpening (bytes: Buffer, end: number): number {
    const text = bytes.toString('latin1', 0, end)
    const size = text.indexOf('\r\n\r\n')
    if (size < 0) return 0
    if (!text.startsWith('HTTP/1.1 101 ')) {
      this.#end(text.slice(0, text.indexOf('\r\n')))
      this.#socket.destroy()
      return end
    }
    this.#state = 'joining'
    if (this.#kind === 'session') this.#socket.write(masked(BINARY, controlMessage({ type: 'join', id: 1, version: LINK_VERSION, client: `client-${this.id}`, token: 'bench' })))
    else this.#joined()
    return size + 4
  }

  #take (opcode: number, bytes: Buffer, start: number, end: number): void {
    if (opcode === TEXT) {
      this.#received++
      this.#owner.event(this, bytes, start, end)
      if (this.#received - this.#acknowledged >= ACK_EVENTS) this.acknowledge()
    } else if (opcode === PING) {
      this.#socket.write(masked(PONG, bytes.subarray(start, end)))
    } else if (opcode === CLOSE) {
      if (this.#state !== 'leaving') this.#socket.write(masked(CLOSE, bytes.subarray(start, end)))
      this.#end(end - start < 2 ? 'closed' : `closed: ${bytes.readUInt16BE(start)} ${bytes.toString('utf8', start + 2, end)}`)
      this.#socket.end()
    } else if (opcode === BINARY && this.#kind === 'session') {
      const message = readMessage(bytes.subarray(start, end))
      if (message?.kind === CONTROL && (message.control as { type?: unknown }).type === 'joined') this.#joined()
    } else if (opcode !== PONG) {
      throw new Error(`an unexpected frame for client ${this.id}: 0x${opcode.toString(16)}`)
    }
  }

  #joined (): void {
    this.#state = 'joined'
    this.#owner.joined(this)
  }

  #end (how: string): void {
    const tells = this.#state !== 'leaving' && this.#state !== 'over'
    this.#state = 'over'
    if (tells) this.#owner.over(this, how)
  }
}
