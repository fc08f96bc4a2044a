import { createServer } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import { JANUS_SUBPROTOCOL } from '../janus-api.js'
import { FakeJanusCore, echoingPlugin } from './fake-janus-core.js'
import type { FakeJanusHandle, FakeJanusRequest, FakeJsep, FakePlugin, Said } from './fake-janus-core.js'
import { Inbox } from './inbox.js'

/**
 * What becomes of a request. `answer`: what Janus would do. `ignore`: nothing, it is as if it had been lost on its way. `silent`: it
 * is carried out, and the answer is lost. `twice`: each message of the answer comes twice. `event before ack`: they come the other
 * way around. An object is said instead of the answer, with the request's session_id and transaction where it has none of its
 * own; a function carries the request out when it calls the function that it is given, and may do so later, often, or never.
 */
export type FakeJanusFault = 'answer' | 'ignore' | 'silent' | 'twice' | 'event before ack' | Record<string, unknown> | ((carryOut: () => void) => void)

export type OnJanusRequest = (request: FakeJanusRequest, socket: WebSocket) => FakeJanusFault

/** A request as it came. Of text that is no JSON object, or has no verb, `verb` is empty. */
export interface ReceivedJanusRequest {
  verb: string
  request: FakeJanusRequest
  text: string
  socket: WebSocket
}

export interface FakeJanusOptions {
  /** What it asks for; default 'secret'. Null: nothing. */
  apiSecret?: string | null
  /** What else it takes, instead; default: nothing. */
  token?: string | null
  /** Default: VideoRoom, EchoTest and Record&Play. */
  plugins?: string[]
  /** What the plugins say; default: what they were told, see `echoingPlugin`. Changed at any time. */
  plugin?: FakePlugin
  /** Changed at any time. Default: every request is answered. */
  onRequest?: OnJanusRequest
  /** Fields of `server_info`, beside or instead of its own. */
  info?: Record<string, unknown>
  /** Default 0: a free one. */
  port?: number
}

/**
 * A Janus of one's own: its WebSocket API, without any media, and with what goes wrong in a real one at the worst moment. As with
 * `reclaim_session_timeout`, sessions outlive their socket until they are claimed; here they do so for ever, see `expire`.
 */
export class FakeJanus {
  /** Changed at any time. */
  onRequest: OnJanusRequest
  readonly apiSecret: string | null
  readonly #core: FakeJanusCore<WebSocket>
  readonly #http: Server
  readonly #ws = new WebSocketServer({ noServer: true, handleProtocols: () => JANUS_SUBPROTOCOL })
  readonly #sockets = new Set<WebSocket>()
  readonly #requests = new Inbox<ReceivedJanusRequest>()
  readonly #arrivals = new Inbox<WebSocket>()
  /** Upgrades that a frozen server has yet to read; null: it is not frozen. */
  #held: Array<() => void> | null = null
  #accepted = 0

  private constructor (options: FakeJanusOptions) {
    this.apiSecret = options.apiSecret === undefined ? 'secret' : options.apiSecret
    this.onRequest = options.onRequest ?? (() => 'answer')
    const plugins = options.plugins ?? ['janus.plugin.videoroom', 'janus.plugin.echotest', 'janus.plugin.recordplay']
    const info = {
      name: 'Janus WebRTC Server',
      version: 1102,
      version_string: '1.1.2',
      'session-timeout': 60,
      'reclaim-session-timeout': 60,
      'server-name': 'fake',
      plugins: Object.fromEntries(plugins.map((plugin) => [plugin, { name: plugin, version_string: '0.0.0' }])),
      ...options.info
    }
    this.#core = new FakeJanusCore({ apiSecret: this.apiSecret, token: options.token ?? null, plugins, info })
    this.#core.plugin = options.plugin ?? echoingPlugin
    this.#http = createServer((_request, response) => response.destroy())
    this.#http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      const accept = (): void => this.#upgrade(request, socket, head)
      socket.on('error', () => {})
      if (this.#held === null) accept()
      else this.#held.push(accept)
    })
  }

  static async listen (options: FakeJanusOptions = {}): Promise<FakeJanus> {
    const janus = new FakeJanus(options)
    await new Promise<void>((resolve, reject) => {
      janus.#http.once('error', reject)
      janus.#http.listen(options.port ?? 0, '127.0.0.1', resolve)
    })
    return janus
  }

  get port (): number {
    return (this.#http.address() as AddressInfo).port
  }

  get url (): string {
    return `ws://127.0.0.1:${this.port}`
  }

  /** How many sockets are open. */
  get sockets (): number {
    return this.#sockets.size
  }

  /** How many sockets there have been. */
  get accepted (): number {
    return this.#accepted
  }

  /** The handles of each session, by their ids: a copy. */
  get sessions (): Map<number, Map<number, FakeJanusHandle>> {
    return this.#core.sessions
  }

  get plugin (): FakePlugin {
    return this.#core.plugin
  }

  set plugin (plugin: FakePlugin) {
    this.#core.plugin = plugin
  }

  /** The next socket that connects, or has connected and was not taken yet. */
  async nextSocket (): Promise<WebSocket> {
    return await this.#arrivals.take()
  }

  /** The next request with a verb that was not taken yet, waiting for it if need be; all are kept, also what is ignored or refused. */
  async receive (verb: string, wanted: (received: ReceivedJanusRequest) => boolean = () => true): Promise<ReceivedJanusRequest> {
    return await this.#requests.take((received) => received.verb === verb && wanted(received))
  }

  /** Requests that were not taken. */
  takeAll (): ReceivedJanusRequest[] {
    return this.#requests.takeAll()
  }

  /** Text as it is, valid or not, over the newest socket. */
  say (text: string): void {
    const newest = [...this.#sockets].at(-1)
    if (newest === undefined) throw new Error('no socket is connected')
    newest.send(text)
  }

  /** An unsolicited message, such as `webrtcup`, to the socket that its session belongs to; to nobody, when that is gone. */
  tell (message: { janus: string, session_id: number, [field: string]: unknown }): void {
    const owner = this.#core.ownerOf(message.session_id)
    if (owner === null) throw new Error(`there is no session ${message.session_id}`)
    owner.send(JSON.stringify(message))
  }

  /** What a handle's plugin says on its own. */
  event (sessionId: number, handleId: number, data: Record<string, unknown>, jsep?: FakeJsep): void {
    const plugin = this.#core.pluginOf(sessionId, handleId)
    if (plugin === null) throw new Error(`there is no handle ${handleId} in session ${sessionId}`)
    this.tell({ janus: 'event', session_id: sessionId, sender: handleId, plugindata: { plugin, data }, ...(jsep === undefined ? {} : { jsep }) })
  }

  /** A session has been silent for too long, or was not reclaimed in time. */
  expire (sessionId: number): void {
    this.tell({ janus: 'timeout', session_id: sessionId })
    this.#core.forget(sessionId)
  }

  /** Cuts every socket without a word, and goes on listening; sessions stay. */
  cut (): void {
    for (const socket of this.#sockets) socket.terminate()
  }

  /** What a new process on the same port is: no session, no socket. */
  restart (): void {
    this.#core.forgetAll()
    this.cut()
  }

  /** Reads nothing more, also of sockets to come, so that no ping is answered either. Connecting takes until `thaw`. */
  freeze (): void {
    this.#held ??= []
    for (const socket of this.#sockets) socket.pause()
  }

  thaw (): void {
    const held = this.#held ?? []
    this.#held = null
    for (const accept of held) accept()
    for (const socket of this.#sockets) socket.resume()
  }

  async close (): Promise<void> {
    const closed = new Promise((resolve) => this.#http.close(resolve))
    this.thaw()
    this.cut()
    this.#http.closeAllConnections()
    await closed
  }

  #upgrade (request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
    // As libwebsockets does: no status, no word.
    if (!offered.includes(JANUS_SUBPROTOCOL)) socket.destroy()
    else if (!socket.destroyed) this.#ws.handleUpgrade(request, socket, head, (ws) => this.#accept(ws))
  }

  #accept (socket: WebSocket): void {
    this.#accepted++
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('message', (data) => this.#receive((data as Buffer).toString(), socket))
    this.#arrivals.push(socket)
  }

  #receive (text: string, socket: WebSocket): void {
    const request = parse(text)
    const verb = typeof request?.janus === 'string' ? request.janus : ''
    this.#requests.push({ verb, request: (request ?? {}) as FakeJanusRequest, text, socket })
    if (request === null) {
      socket.send(JSON.stringify({ janus: 'error', error: { code: 454, reason: 'Invalid Janus API request' } }))
      return
    }
    const carryOut = (): Said[] => this.#core.handle(request, socket)
    const fault = this.onRequest(request as FakeJanusRequest, socket)
    if (typeof fault === 'function') fault(() => this.#answer(carryOut(), socket))
    else if (fault === 'answer') this.#answer(carryOut(), socket)
    else if (fault === 'twice') this.#answer(carryOut().flatMap((said) => [said, said]), socket)
    else if (fault === 'event before ack') this.#answer(carryOut().reverse(), socket)
    else if (fault === 'silent') carryOut()
    else if (typeof fault === 'object') this.#answer([{ to: 'asker', message: { ...tagsOf(request), ...fault } }], socket)
  }

  #answer (all: Said[], asker: WebSocket): void {
    // A socket that is gone hears nothing, and Janus does not mind.
    for (const { to, message } of all) (to === 'asker' ? asker : this.#core.ownerOf(message.session_id as number))?.send(JSON.stringify(message), () => {})
  }
}

/** Null: it is no JSON, or neither object nor array; to Janus, an array is an object without fields. */
function parse (text: string): Record<string, unknown> | null {
  try {
    const parsed = JSON.parse(text) as unknown
    return typeof parsed === 'object' ? parsed as Record<string, unknown> | null : null
  } catch {
    return null
  }
}

function tagsOf ({ session_id: sessionId, transaction }: Record<string, unknown>): Record<string, unknown> {
  return { ...(sessionId === undefined ? {} : { session_id: sessionId }), ...(transaction === undefined ? {} : { transaction }) }
}
