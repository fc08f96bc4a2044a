import { setImmediate } from 'node:timers'
import type { Socket } from 'node:net'
import type { RawData, WebSocket } from 'ws'
import type { RetryPolicy } from '../../backoff.js'
import type { Clock } from '../../clock.js'
import { CloseCode } from '../../close-codes.js'
import { Heartbeats } from '../../heartbeat.js'
import type { Heartbeat } from '../../heartbeat.js'
import { JANUS_SUBPROTOCOL } from '../../janus-api.js'
import type { TrunkState } from '../../relay/media-server.js'
import { Dialer } from '../../trunk/dialer.js'
import type { Dial } from '../../trunk/dialer.js'
import { isObject } from './messages.js'
import type { JanusMessage } from './messages.js'
import { readTransaction } from './request.js'
import type { JanusRequest } from './request.js'
import { Requests } from './requests.js'

/** How long Janus may take to say goodbye, in milliseconds. */
const CLOSE_MS = 400

/** By what Janus lets a backend in: `apisecret`, or a token. */
export interface Secret {
  name: 'apisecret' | 'token'
  value: string
}

export interface ConnectionOptions {
  url: string
  /** Asked for anew at each attempt; null: none is needed. */
  secret: () => Secret | null | Promise<Secret | null>
  headers: Record<string, string>
  ca: string | Buffer | Array<string | Buffer> | undefined
  /** Bytes of one message of Janus at most. */
  messageBytes: number
  windowBytes: number
  requestMs: number
  handshakeMs: number
  heartbeatMs: number
  retry: RetryPolicy
  clock: Clock
  dial?: Dial | undefined
}

export interface ConnectionObserver {
  state (state: TrunkState): void
  /** A socket is open: who uses it asks for what has to be asked first, and then says `up`, or `fail`. */
  opened (): void
  /** A message that answers no request. @param text as it came */
  event (message: JanusMessage, transaction: string | null, text: string): void
  /** An answer that comes twice, or when its request was given up. */
  late (message: JanusMessage): void
  /** So many bytes have come. */
  received (bytes: number): void
  /** One less waits of this owner. */
  drained (owner: string): void
  /** What came is of no use to anybody. */
  dropped (cause: string, fields: object): void
}

/** The one WebSocket to Janus: requests go out in turns, and each answer finds its request. */
export class JanusConnection {
  readonly requests: Requests
  readonly #options: ConnectionOptions
  readonly #observer: ConnectionObserver
  readonly #dialer: Dialer
  readonly #heartbeats: Heartbeats
  #socket: WebSocket | null = null
  /** Below it. */
  #raw: Socket | null = null
  #isCorked = false
  #heartbeat: Heartbeat | null = null
  /** As it stands in each request. */
  #secret = ''
  #next = ''
  #cause: { code: number, reason: string } | null = null

  constructor (options: ConnectionOptions, observer: ConnectionObserver) {
    const { url, ca, headers, messageBytes, handshakeMs, retry, clock, dial, windowBytes, requestMs } = options
    this.#options = options
    this.#observer = observer
    this.requests = new Requests({ windowBytes, requestMs, clock }, {
      send: (request, number) => this.#send(request, number),
      drained: (owner) => observer.drained(owner)
    })
    this.#heartbeats = new Heartbeats(options.heartbeatMs, clock, 1)
    this.#dialer = new Dialer({
      url,
      ca,
      // The secret is none of the upgrade's, but is asked for at the same time and may fail likewise.
      headers: async () => {
        const secret = await options.secret()
        this.#next = secret === null ? '' : `${JSON.stringify(secret.name)}:${JSON.stringify(secret.value)},`
        return headers
      },
      subprotocols: [JANUS_SUBPROTOCOL],
      messageBytes,
      handshakeMs,
      retry,
      clock,
      dial
    }, {
      state: (state) => {
        if (state.state !== 'up') this.requests.interrupt()
        observer.state(state)
      },
      opened: (socket, raw) => this.#opened(socket, raw),
      late: (afterMs) => this.fail({ code: CloseCode.tryAgainLater, reason: `Janus has not answered within ${afterMs} ms` }),
      stopping: () => this.#close(CloseCode.goingAway, 'the backend is closing')
    })
  }

  get sockets (): number {
    return this.#socket === null ? 0 : 1
  }

  get isUp (): boolean {
    return this.#dialer.state.state === 'up'
  }

  start (): void {
    this.#dialer.start()
  }

  /** What had to be asked first is answered: everything else may go. */
  up (serverId: string): void {
    if (this.#dialer.isStopping) return
    this.#dialer.up(serverId, JANUS_SUBPROTOCOL)
    this.requests.open()
  }

  /** Nothing can be done on this socket: it is given up for another. */
  fail (cause: { code: number, reason: string }): void {
    this.#cause ??= cause
    this.#socket?.terminate()
  }

  async stop (): Promise<void> {
    await this.#dialer.stop()
    this.requests.stop()
  }

  #opened (socket: WebSocket, raw: Socket): void {
    this.#socket = socket
    this.#raw = raw
    this.#secret = this.#next
    this.#cause = null
    socket.on('message', (data) => this.#message(data))
    socket.on('error', ({ message }) => { this.#cause ??= { code: 1006, reason: message } })
    socket.on('close', (code, reason) => {
      this.#heartbeat?.stop()
      this.#heartbeat = null
      if (this.#socket !== socket) return
      this.#socket = this.#raw = null
      this.#dialer.lost(this.#cause ?? { code, reason: reason.toString() })
    })
    this.#heartbeat = this.#heartbeats.watch({
      bytesRead: () => raw.bytesRead,
      ping: () => { if (socket.readyState === socket.OPEN) socket.ping() },
      dead: () => this.fail({ code: 1006, reason: 'heartbeat missed' })
    })
    this.#observer.opened()
  }

  #send (request: JanusRequest, number: number): void {
    const socket = this.#socket
    if (socket === null || socket.readyState !== socket.OPEN) return
    if (!this.#isCorked) {
      // What goes out in one turn leaves in one write.
      this.#isCorked = true
      const raw = this.#raw!
      raw.cork()
      setImmediate(() => {
        this.#isCorked = false
        raw.uncork()
      })
    }
    socket.send(request.text(number, this.#secret), { compress: false })
  }

  #message (data: RawData): void {
    this.#observer.received((data as Buffer).length)
    const text = (data as Buffer).toString()
    let message: JanusMessage
    try {
      const value: unknown = JSON.parse(text)
      if (!isObject(value) || typeof value.janus !== 'string') throw new TypeError('no message of Janus')
      message = value as JanusMessage
    } catch {
      this.#observer.dropped('malformed message', { bytes: text.length })
      return
    }
    const ours = readTransaction(message.transaction)
    const request = ours === null ? null : this.requests.answered(ours.number, message)
    if (request !== null) request.requester.answered(request, message, text)
    else if (ours !== null && message.janus !== 'event') this.#observer.late(message)
    else this.#observer.event(message, ours?.transaction ?? null, text)
  }

  #close (code: number, reason: string): void {
    const socket = this.#socket
    if (socket === null) return
    const deadline = this.#options.clock.after(CLOSE_MS, () => socket.terminate())
    socket.once('close', () => deadline.cancel())
    socket.close(code, reason)
  }
}
