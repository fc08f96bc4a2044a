import { createServer } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import { messageOf } from '../trunk/codec.js'
import { codecs } from '../trunk/channel.js'
import type { Codec } from '../trunk/codec.js'
import { SUBPROTOCOL, frame } from '../trunk/schema.js'
import type { Bodies, Frame, Kind, Opened, Welcome } from '../trunk/schema.js'
import { Inbox } from './inbox.js'

/** How the fake meets an `open`: or do it yourself, with `answer`. */
export type OnOpen = 'accept' | 'refuse' | 'ignore' | 'accept twice' | ((open: Frame & { kind: 'open' }, trunk: FakeTrunk) => void)

export interface FakeMediaServerOptions {
  /** What it asks for; default 'secret'. */
  token?: string
  /** Default: 'accept'. */
  onOpen?: OnOpen
  /** Whether media events are sent back as they came. Default: no. */
  echo?: boolean
  /** What it says in `welcome`; null: nothing at all. */
  welcome?: Partial<Welcome> | null
  /** What `opened` says of its window, and of how it counts: default 0, which is not at all. */
  windowBytes?: number
  /** Which subprotocols it knows; default: both, protobuf preferred. */
  subprotocols?: string[]
  /** Default 0: a free one. */
  port?: number
}

/** A media server that does as it is told, also what none should: refuse, keep silent, answer twice, speak garbage. */
export class FakeMediaServer {
  /** Changed at any time. */
  onOpen: OnOpen
  echo: boolean
  readonly #options: FakeMediaServerOptions
  readonly #http: Server
  readonly #ws: WebSocketServer
  readonly #frames = new Inbox<Frame>()
  readonly #arrivals = new Inbox<FakeTrunk>()
  readonly #trunks = new Set<FakeTrunk>()
  #epoch = Date.now() * 1024
  #accepted = 0

  private constructor (options: FakeMediaServerOptions) {
    const known = options.subprotocols ?? [...codecs.keys()]
    this.#options = options
    this.onOpen = options.onOpen ?? 'accept'
    this.echo = options.echo ?? false
    this.#http = createServer((_request, response) => { response.writeHead(426).end() })
    this.#ws = new WebSocketServer({ noServer: true, handleProtocols: (offered) => known.find((name) => offered.has(name)) ?? false })
    this.#http.on('upgrade', (request: IncomingMessage, socket, head) => {
      if (request.headers.authorization !== `Bearer ${options.token ?? 'secret'}`) {
        socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
        return
      }
      this.#ws.handleUpgrade(request, socket, head, (ws) => this.#accept(ws))
    })
  }

  static async listen (options: FakeMediaServerOptions = {}): Promise<FakeMediaServer> {
    const server = new FakeMediaServer(options)
    await new Promise<void>((resolve) => server.#http.listen(options.port ?? 0, '127.0.0.1', resolve))
    return server
  }

  get port (): number {
    return (this.#http.address() as AddressInfo).port
  }

  get url (): string {
    return `ws://127.0.0.1:${this.port}/trunk`
  }

  /** For the option `mediaServer`. */
  get options (): { url: string, token: string } {
    return { url: this.url, token: this.#options.token ?? 'secret' }
  }

  /** Trunks that are open. */
  get trunks (): FakeTrunk[] {
    return [...this.#trunks]
  }

  /** How many trunks there have been. */
  get accepted (): number {
    return this.#accepted
  }

  /** The next trunk that connects, or has connected and was not taken yet. */
  async nextTrunk (): Promise<FakeTrunk> {
    return await this.#arrivals.take()
  }

  /** The next frame of a kind that was not taken yet, waiting for it if need be; `hello` and answers apart, all are kept. */
  async receive<K extends Kind> (kind: K, wanted: (frame: Extract<Frame, { kind: K }>) => boolean = () => true): Promise<Extract<Frame, { kind: K }>> {
    return await this.#frames.take((received) => received.kind === kind && wanted(received as Extract<Frame, { kind: K }>)) as Extract<Frame, { kind: K }>
  }

  /** Frames that were not taken. */
  takeAll (): Frame[] {
    return this.#frames.takeAll()
  }

  /** Sends over the newest trunk. */
  send (...frames: Frame[]): void {
    this.#newest().send(...frames)
  }

  /** The newest epoch that was given. */
  get epoch (): number {
    return this.#epoch
  }

  /** An `opened` for an `open`, with an epoch of its own. */
  answer (open: Frame & { kind: 'open' }, body: Partial<Opened> = {}): Frame {
    return frame('opened', { id: open.body.id, key: `key-${++this.#epoch}`, resumed: false, received: 0, windowBytes: this.#options.windowBytes ?? 0, recordings: [], ...body }, open.peerId, this.#epoch)
  }

  /** Cuts every trunk without a word, and goes on listening. */
  cut (): void {
    for (const trunk of this.#trunks) trunk.socket.terminate()
  }

  async close (): Promise<void> {
    this.cut()
    this.#http.closeAllConnections()
    await new Promise((resolve) => this.#http.close(resolve))
  }

  #newest (): FakeTrunk {
    const newest = this.trunks.at(-1)
    if (newest === undefined) throw new Error('no trunk is connected')
    return newest
  }

  #accept (ws: WebSocket): void {
    const codec = codecs.get(ws.protocol) ?? codecs.get(SUBPROTOCOL)!
    const trunk = new FakeTrunk(ws, codec)
    this.#accepted++
    this.#trunks.add(trunk)
    ws.on('error', () => {})
    ws.on('close', () => this.#trunks.delete(trunk))
    ws.on('message', (data) => { for (const received of codec.decode(data as Buffer)) this.#receive(received, trunk) })
  }

  #receive (received: Frame, trunk: FakeTrunk): void {
    if (received.kind === 'hello') {
      const { welcome = {} } = this.#options
      if (welcome !== null) trunk.send(frame('welcome', { version: 1, serverId: 'fake', maxMessageBytes: 1024 * 1024, heartbeatMs: 0, resumeWindowMs: 0, windowBytes: 0, ...welcome }))
      this.#arrivals.push(trunk)
      return
    }
    if (received.kind === 'open') this.#opening(received, trunk)
    if (this.echo && (received.kind === 'text' || received.kind === 'binary')) trunk.send(received)
    else this.#frames.push(received)
  }

  #opening (open: Frame & { kind: 'open' }, trunk: FakeTrunk): void {
    const { onOpen } = this
    if (typeof onOpen === 'function') onOpen(open, trunk)
    else if (onOpen === 'accept') trunk.send(this.answer(open))
    else if (onOpen === 'accept twice') trunk.send(this.answer(open), this.answer(open))
    else if (onOpen === 'refuse') trunk.send(frame('refused', { id: open.body.id, code: 4403, reason: 'not today' }, open.peerId))
  }
}

/** One trunk, as the fake sees it. */
export class FakeTrunk {
  readonly socket: WebSocket
  readonly #codec: Codec
  /** Resolves when the trunk is gone. */
  readonly closed: Promise<{ code: number, reason: string }>

  constructor (socket: WebSocket, codec: Codec) {
    this.socket = socket
    this.#codec = codec
    this.closed = new Promise((resolve) => socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })))
  }

  get subprotocol (): string {
    return this.#codec.subprotocol
  }

  /** All in one message. */
  send (...frames: Frame[]): void {
    this.socket.send(messageOf(this.#codec, frames), { binary: this.#codec.binary })
  }

  /** Bytes as they are, valid or not. */
  sendRaw (data: Buffer | string): void {
    this.socket.send(data)
  }
}

/** A frame, for `send`. */
export function fakeFrame<K extends Kind> (kind: K, body: Bodies[K], peerId = '', epoch = 0): Frame {
  return frame(kind, body, peerId, epoch)
}
