import { EventEmitter } from 'node:events'
import type { SocketConstructor, SocketLike } from '../../lib/client/options.js'
import { sizeOf } from './network.js'
import type { Connection, Item, Pipe, Receiver } from './network.js'

const CONNECTING = 0
const OPEN = 1
const CLOSING = 2
const CLOSED = 3

/** The TCP socket below: what of it is counted, watched and written to. */
class Raw extends EventEmitter {
  bytesRead = 0
  readonly #socket: SimSocket

  constructor (socket: SimSocket) {
    super()
    this.#socket = socket
  }

  /** Whole frames to a client, as a backend writes them below `ws`. */
  write (bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      const short = bytes[at + 1]!
      const start = at + (short < 126 ? 2 : 4)
      const end = start + (short < 126 ? short : bytes.readUInt16BE(at + 2))
      this.#socket.send(bytes.subarray(start, end), { binary: bytes[at] === 0x82 })
      at = end
    }
  }
}

/** One side of a connection, as `ws` would show it. */
export class SimSocket extends EventEmitter implements Receiver {
  readonly OPEN = OPEN
  readonly raw = new Raw(this)
  readonly connection: Connection
  readonly inChunks: boolean
  readyState = CONNECTING
  protocol = ''
  readonly #in: Pipe
  readonly #out: Pipe
  #paused = false
  /** It has written to a broken connection, and hears of it whether or not it reads. */
  #struck = false
  /** Its process is no more. */
  #dead = false
  #closed = { code: 1006, reason: '' }

  constructor (connection: Connection, side: 'client' | 'server', inChunks = true) {
    super()
    this.connection = connection
    this.inChunks = inChunks
    this.#in = side === 'client' ? connection.down : connection.up
    this.#out = side === 'client' ? connection.up : connection.down
    this.#in.receiver = this
  }

  get reads (): boolean {
    return !this.#paused || this.#struck
  }

  get bufferedAmount (): number {
    return this.#out.unsent
  }

  /** The upgrade was accepted: this is the server's side. */
  accepted (protocol: string): void {
    this.readyState = OPEN
    this.protocol = protocol
    this.#out.put({ kind: 'open', protocol })
  }

  /** Its process ends without a word. The other side hears of it from the kernel, unless that is gone as well. */
  die (silently: boolean): void {
    this.#dead = true
    this.readyState = CLOSED
    this.#in.silence()
    this.connection.harmed = true
    if (silently) this.connection.frozen = this.connection.lost = true
    else this.#out.break(this.#out.items.length)
  }

  receive (item: Item): void {
    if (this.#dead || this.readyState === CLOSED) return
    this.raw.bytesRead += sizeOf(item)
    switch (item.kind) {
      case 'open':
        this.readyState = OPEN
        this.protocol = item.protocol
        this.emit('upgrade', { socket: this.raw })
        this.emit('open')
        return
      case 'refused':
        this.emit('error', new Error(`Unexpected server response: ${item.status}`))
        this.#end()
        return
      case 'message':
        this.raw.emit('data')
        this.emit('message', item.data, item.binary)
        return
      case 'ping':
        if (this.readyState === OPEN) this.#put({ kind: 'pong' })
        return
      case 'close':
        this.#closed = { code: item.code, reason: item.reason }
        if (this.readyState === OPEN) {
          this.readyState = CLOSING
          this.#put(item)
        } else {
          this.#put({ kind: 'fin' })
          this.#end()
        }
        return
      case 'gone':
        if (this.readyState === CONNECTING) this.emit('error', new Error('connect ECONNREFUSED'))
        else if (this.raw.bytesRead % 2 === 0) this.emit('error', Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
        this.#end()
        return
      case 'fin': this.#end()
    }
  }

  send (data: string | Uint8Array, { binary = typeof data !== 'string' }: { binary?: boolean } = {}, written?: (error?: Error) => void): void {
    if (this.readyState === CONNECTING) throw new Error('WebSocket is not open: readyState 0 (CONNECTING)')
    if (this.readyState !== OPEN) {
      if (written !== undefined && !this.#dead) process.nextTick(written, new Error('WebSocket is not open'))
      return
    }
    // Copied: the two sides are two machines.
    this.#put({ kind: 'message', data: Buffer.from(data), binary }, written)
  }

  ping (): void {
    if (this.readyState === OPEN) this.#put({ kind: 'ping' })
  }

  pause (): void {
    if (this.readyState !== CONNECTING && this.readyState !== CLOSED) this.#paused = true
  }

  resume (): void {
    if (this.readyState !== CONNECTING && this.readyState !== CLOSED) this.#paused = false
  }

  close (code = 1005, reason: string | Buffer = ''): void {
    if (this.readyState === CONNECTING) this.terminate()
    if (this.readyState !== OPEN) return
    this.readyState = CLOSING
    this.#put({ kind: 'close', code, reason: reason.toString() })
  }

  terminate (): void {
    if (this.readyState === CLOSED || this.#dead) return
    const wasConnecting = this.readyState === CONNECTING
    this.readyState = CLOSING
    this.#in.silence()
    this.#out.break(this.#out.items.length)
    process.nextTick(() => {
      if (this.#dead || this.readyState === CLOSED) return
      if (wasConnecting) this.emit('error', new Error('WebSocket was closed before the connection was established'))
      this.#end()
    })
  }

  #put (item: Item, written?: () => void): void {
    if (this.#in.isBroken && this.#in.items.length > 0 && this.#paused) {
      this.#struck = true
      this.#in.hurry()
    }
    this.#out.put(item, written)
  }

  #end (): void {
    this.readyState = CLOSED
    this.#in.silence()
    this.#out.break(this.#out.items.length)
    this.emit('close', this.#closed.code, Buffer.from(this.#closed.reason))
  }
}

/** What a page has for sockets, over those that `dial` gives. */
export function pageSockets (dial: (protocols: string[]) => SimSocket): SocketConstructor {
  return class PageSocket implements SocketLike {
    binaryType = 'blob'
    onopen: SocketLike['onopen'] = null
    onmessage: SocketLike['onmessage'] = null
    onclose: SocketLike['onclose'] = null
    onerror: SocketLike['onerror'] = null
    readonly #socket: SimSocket

    constructor (_url: string, protocols: string[]) {
      const socket = this.#socket = dial(protocols)
      socket.on('open', () => this.onopen?.({}))
      socket.on('error', () => this.onerror?.({}))
      socket.on('close', (code: number, reason: Buffer) => this.onclose?.({ code, reason: reason.toString() }))
      socket.on('message', (data: Buffer, binary: boolean) => {
        if (socket.readyState === OPEN) this.onmessage?.({ data: binary ? new Uint8Array(data).buffer : data.toString() })
      })
    }

    get readyState (): number {
      return this.#socket.readyState
    }

    get protocol (): string {
      return this.#socket.protocol
    }

    send (data: string | Uint8Array): void {
      this.#socket.send(data)
    }

    close (code?: number, reason?: string): void {
      if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) throw new Error('InvalidAccessError')
      this.#socket.close(code, reason)
    }
  }
}
