import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import type { ClientOptions } from 'ws'
import type { RetryPolicy } from '../backoff.js'
import type { Clock, Timer } from '../clock.js'
import type { Status, TrunkState } from '../relay/media-server.js'

/** A trunk that lived this long has proved itself: the next failure starts the backoff anew. Milliseconds. */
const PROVEN_MS = 5_000

export interface DialerOptions {
  url: string
  /** Of the upgrade, asked for anew at each attempt: a token may come from anywhere, and may fail. */
  headers: () => Record<string, string> | Promise<Record<string, string>>
  ca: string | Buffer | Array<string | Buffer> | undefined
  /** Offered, in this order. */
  subprotocols: string[]
  /** Bytes of one message at most that is received. */
  messageBytes: number
  /** From the first step of an attempt to `up`, in milliseconds. */
  handshakeMs: number
  retry: RetryPolicy
  clock: Clock
  /** How a socket is opened; `ws` does it unless a test has its own. */
  dial?: Dial | undefined
}

export type Dial = (url: string, protocols: string[], options: ClientOptions) => WebSocket

/** What a dialer tells its owner, whose a socket is from `opened` until it says `lost`. */
export interface DialerObserver {
  state (state: TrunkState): void
  /** The handshake is the owner's, who says `up`, or `lost`. `raw` is the TCP or TLS socket below. */
  opened (socket: WebSocket, raw: Socket): void
  /** The handshake has taken too long: the owner gives the socket up, and says `lost`. */
  late (afterMs: number): void
  /** The owner says goodbye, and `lost` once the socket is gone. */
  stopping (): void
}

/** One WebSocket, whatever is spoken on it: dialled, given up when that takes too long, and dialled again when lost. */
export class Dialer {
  readonly #options: DialerOptions
  readonly #observer: DialerObserver
  #state: TrunkState = { state: 'closed' }
  #socket: WebSocket | null = null
  /** Whether the socket is the owner's. */
  #isOpened = false
  #timer: Timer | null = null
  #attempt = 0
  /** How many there have been: an answer to an earlier one is too late. */
  #attempts = 0
  #upSince = 0
  #stopped: (() => void) | null = null

  constructor (options: DialerOptions, observer: DialerObserver) {
    this.#options = options
    this.#observer = observer
  }

  get state (): TrunkState {
    return this.#state
  }

  /** From the call of `stop` on, and ever after. */
  get isStopping (): boolean {
    return this.#stopped !== null
  }

  start (): void {
    if (this.#state.state === 'closed' && this.#stopped === null) this.#connect()
  }

  /** The handshake is done. */
  up (serverId: string, protocol: string): void {
    this.#timer?.cancel()
    this.#upSince = this.#options.clock.now()
    this.#transition({ state: 'up', serverId, protocol })
  }

  /** The opened socket is gone, or is given up and closes by itself. To be said once of each. */
  lost (cause: Status): void {
    this.#timer?.cancel()
    this.#isOpened = false
    this.#socket = null
    if (this.#stopped !== null) {
      this.#closed()
      return
    }
    const { clock, retry } = this.#options
    if (this.#state.state === 'up' && clock.now() - this.#upSince >= PROVEN_MS) this.#attempt = 0
    const retryMs = retry.delayMs(this.#attempt++)
    this.#timer = clock.after(retryMs, () => this.#connect())
    this.#transition({ state: 'down', cause, retryMs })
  }

  /** Resolves when the socket is gone: for one that is opened, when its owner has said so. */
  async stop (): Promise<void> {
    if (this.#stopped !== null) return
    const { promise, resolve } = defer()
    this.#stopped = resolve
    this.#timer?.cancel()
    if (this.#isOpened) this.#observer.stopping()
    else if (this.#socket !== null) this.#socket.terminate()
    else this.#closed()
    await promise
  }

  #transition (state: TrunkState): void {
    this.#state = state
    this.#observer.state(state)
  }

  #connect (): void {
    this.#transition({ state: 'connecting', attempt: this.#attempt })
    const attempt = ++this.#attempts
    const { headers, handshakeMs, clock } = this.#options
    // One deadline for all of it: the token, the connection, the upgrade, and the handshake of its owner.
    this.#timer = clock.after(handshakeMs, () => this.#giveUp(handshakeMs))
    const ifStill = (act: () => void): void => { if (this.#stopped === null && attempt === this.#attempts) act() }
    // The token may come from anywhere and may fail: that is a failed attempt like any other.
    Promise.resolve().then(headers).then(
      (headers) => ifStill(() => this.#dial(headers)),
      (error: unknown) => ifStill(() => this.lost({ code: 1006, reason: `no token: ${error instanceof Error ? error.message : String(error)}` }))
    )
  }

  #giveUp (afterMs: number): void {
    if (this.#isOpened) {
      this.#observer.late(afterMs)
    } else if (this.#socket !== null) {
      this.#socket.terminate()
    } else {
      this.#attempts++
      this.lost({ code: 1006, reason: `no token within ${afterMs} ms` })
    }
  }

  #dial (headers: Record<string, string>): void {
    const { url, ca, subprotocols, messageBytes, handshakeMs, dial = dialWebSocket } = this.#options
    let socket: WebSocket
    try {
      socket = dial(url, subprotocols, { headers, ...(ca === undefined ? {} : { ca }), perMessageDeflate: false, maxPayload: messageBytes })
    } catch (error) {
      // A token with characters that no header may have, for one.
      this.lost({ code: 1006, reason: (error as Error).message })
      return
    }
    this.#socket = socket
    let upgrade: IncomingMessage
    let cause = 'the connection failed'
    socket.on('upgrade', (response) => { upgrade = response })
    socket.on('error', ({ message }) => {
      if (/response: 401/.test(message)) cause = 'the media server does not accept the token (401)'
      // What ws says when we give it up ourselves.
      else cause = /before the connection was established/.test(message) ? `no connection within ${handshakeMs} ms` : message
    })
    socket.on('close', () => { if (this.#socket === socket && !this.#isOpened) this.lost({ code: 1006, reason: cause }) })
    socket.on('open', () => {
      this.#isOpened = true
      this.#observer.opened(socket, upgrade.socket)
    })
  }

  #closed (): void {
    if (this.#state.state !== 'closed') this.#transition({ state: 'closed' })
    this.#stopped!()
  }
}

const dialWebSocket: Dial = (url, protocols, options) => new WebSocket(url, protocols, options)

function defer (): { promise: Promise<void>, resolve: () => void } {
  let resolve = (): void => {}
  const promise = new Promise<void>((_resolve) => { resolve = _resolve })
  return { promise, resolve }
}
