import type { IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'
import type { ClientOptions } from 'ws'
import type { RetryPolicy } from '../backoff.js'
import type { Clock, Timer } from '../clock.js'
import { CloseCode } from '../close-codes.js'
import type { TrunkState } from '../relay/media-server.js'
import { Channel, codecs } from './channel.js'
import type { ChannelStats } from './channel.js'
import type { Accepted, Way } from './outbox.js'
import { VERSION, frame } from './schema.js'
import type { Frame, Welcome } from './schema.js'

/** A trunk that lived this long has proved itself: the next failure starts the backoff anew. Milliseconds. */
const PROVEN_MS = 5_000

export interface TrunkOptions {
  url: string
  /** Asked for anew at each attempt. */
  token: () => string | Promise<string>
  headers: Record<string, string>
  ca: string | Buffer | Array<string | Buffer> | undefined
  /** Offered, in this order. */
  subprotocols: string[]
  backendId: string
  /** Bytes of one message at most, in each direction. */
  messageBytes: number
  /** Bytes under way at most, in each direction. */
  windowBytes: number
  /** Bytes of one peer waiting for the trunk from which it is asked to pause. */
  peerBytes: number
  /** Bytes of all peers from which whoever has some waiting is; four times as many are the end. */
  queueBytes: number
  /** How long frames may be held for others that leave with them; 0: no longer than the turn. Milliseconds. */
  holdMs: number
  heartbeatMs: number
  /** From the first step of an attempt to `welcome`. */
  handshakeMs: number
  retry: RetryPolicy
  clock: Clock
  /** How a socket is opened; `ws` does it unless a test has its own. */
  dial?: Dial | undefined
}

export type Dial = (url: string, protocols: string[], options: ClientOptions) => WebSocket

export interface TrunkObserver {
  state (state: TrunkState): void
  frames (frames: Frame[]): void
  relieved (peerId: string): void
}

/** The one WebSocket to the media server, from the backend's side: connects, shakes hands, and comes back when lost. */
export class Trunk {
  readonly #options: TrunkOptions
  readonly #observer: TrunkObserver
  #state: TrunkState = { state: 'closed' }
  #socket: WebSocket | null = null
  #channel: Channel | null = null
  #timer: Timer | null = null
  #attempt = 0
  /** How many there have been: an answer to an earlier one is too late. */
  #attempts = 0
  #upSince = 0
  #resumeWindowMs = 0
  #stopped: (() => void) | null = null

  constructor (options: TrunkOptions, observer: TrunkObserver) {
    this.#options = options
    this.#observer = observer
  }

  get state (): TrunkState {
    return this.#state
  }

  get sockets (): number {
    return this.#channel === null ? 0 : 1
  }

  get stats (): ChannelStats {
    return this.#channel?.stats ?? { waitingBytes: 0, waitingPeers: 0, underWayBytes: 0, windowBytes: this.#options.windowBytes }
  }

  /** Bytes of this peer that wait for the trunk. */
  bytesOf (peerId: string): number {
    return this.#channel?.bytesOf(peerId) ?? 0
  }

  /** For how long the media server of now, or else the last one, holds a session whose client is away. Milliseconds. */
  get resumeWindowMs (): number {
    return this.#resumeWindowMs
  }

  start (): void {
    if (this.#state.state === 'closed' && this.#stopped === null) this.#connect()
  }

  /** Only while `up`; what is sent else goes nowhere. */
  send (frame: Frame): Accepted {
    return this.#state.state === 'up' ? this.#channel!.send(frame) : 'full'
  }

  sendEvent (way: Way, data: Buffer, binary: boolean): Accepted {
    return this.#state.state === 'up' ? this.#channel!.sendEvent(way, data, binary) : 'full'
  }

  way (peerId: string, epoch: number): Way {
    return this.#channel!.way(peerId, epoch)
  }

  /** Writes out what waits and closes; resolves when the socket is gone, within about a second. */
  async stop (): Promise<void> {
    if (this.#stopped !== null) return
    const { promise, resolve } = defer()
    this.#stopped = resolve
    this.#timer?.cancel()
    if (this.#channel !== null) this.#channel.close(CloseCode.goingAway, 'the backend is closing')
    else this.#socket?.terminate()
    if (this.#socket === null) this.#closed()
    await promise
  }

  #transition (state: TrunkState): void {
    this.#state = state
    this.#observer.state(state)
  }

  #connect (): void {
    this.#transition({ state: 'connecting', attempt: this.#attempt })
    const attempt = ++this.#attempts
    const { token, handshakeMs, clock } = this.#options
    // One deadline for all of it: the token, the connection, the upgrade, and the welcome.
    this.#timer = clock.after(handshakeMs, () => this.#giveUp(handshakeMs))
    const ifStill = (act: () => void): void => { if (this.#stopped === null && attempt === this.#attempts) act() }
    // The token may come from anywhere and may fail: that is a failed attempt like any other.
    Promise.resolve().then(token).then(
      (value) => ifStill(() => this.#dial(value)),
      (error: unknown) => ifStill(() => this.#lost({ code: 1006, reason: `no token: ${error instanceof Error ? error.message : String(error)}` }))
    )
  }

  #giveUp (afterMs: number): void {
    if (this.#channel !== null) {
      this.#channel.close(CloseCode.protocolError, `no welcome within ${afterMs} ms`)
    } else if (this.#socket !== null) {
      this.#socket.terminate()
    } else {
      this.#attempts++
      this.#lost({ code: 1006, reason: `no token within ${afterMs} ms` })
    }
  }

  #dial (token: string): void {
    const { url, headers, ca, subprotocols, messageBytes } = this.#options
    let socket: WebSocket
    try {
      socket = (this.#options.dial ?? dialWebSocket)(url, subprotocols, {
        headers: { ...headers, ...(token === '' ? {} : { authorization: `Bearer ${token}` }) },
        ...(ca === undefined ? {} : { ca }),
        perMessageDeflate: false,
        maxPayload: messageBytes
      })
    } catch (error) {
      // A token with characters that no header may have, for one.
      this.#lost({ code: 1006, reason: (error as Error).message })
      return
    }
    this.#socket = socket
    let upgrade: IncomingMessage
    let cause = 'the connection failed'
    const { handshakeMs } = this.#options
    socket.on('upgrade', (response) => { upgrade = response })
    socket.on('error', ({ message }) => {
      if (/response: 401/.test(message)) cause = 'the media server does not accept the token (401)'
      // What ws says when we give it up ourselves.
      else cause = /before the connection was established/.test(message) ? `no connection within ${handshakeMs} ms` : message
    })
    socket.on('close', () => { if (this.#socket === socket && this.#channel === null) this.#lost({ code: 1006, reason: cause }) })
    socket.on('open', () => this.#opened(socket, upgrade))
  }

  #opened (socket: WebSocket, upgrade: IncomingMessage): void {
    const { messageBytes, windowBytes, peerBytes, queueBytes, holdMs, clock, backendId } = this.#options
    const codec = codecs.get(socket.protocol)
    if (codec === undefined) {
      // ws refuses a subprotocol that was not offered, so this is one that the options offered and nobody here speaks.
      socket.terminate()
      return
    }
    const channel = new Channel(socket, () => upgrade.socket.bytesRead, {
      codec, clock, holdMs, masks: true, limits: { messageBytes, windowBytes, peerBytes, softBytes: queueBytes, hardBytes: queueBytes * 4 }
    }, {
      frames: (frames) => this.#frames(frames),
      relieved: (peerId) => this.#observer.relieved(peerId),
      // Whoever says goodbye need not be waited for: the next trunk takes its place.
      closing: (code, reason) => { if (this.#stopped === null) this.#lost({ code, reason }) },
      closed: (code, reason) => { if (this.#channel === channel) this.#lost({ code, reason }) }
    })
    this.#channel = channel
    channel.send(frame('hello', { version: VERSION, backendId, maxMessageBytes: messageBytes, windowBytes }))
  }

  /** The media server has taken in so many further bytes. */
  credited (bytes: number): void {
    this.#channel?.credited(bytes)
  }

  #frames (frames: Frame[]): void {
    if (this.#state.state === 'up') {
      this.#observer.frames(frames)
      return
    }
    const [first, ...rest] = frames
    if (first === undefined) return
    if (first.kind !== 'welcome') this.#channel!.close(CloseCode.protocolError, `the first frame must be welcome, not ${first.kind}`)
    else if (first.body.version !== VERSION) this.#channel!.close(CloseCode.protocolError, `version ${first.body.version} is not spoken here`)
    else {
      this.#welcomed(first.body)
      if (rest.length > 0) this.#observer.frames(rest)
    }
  }

  #welcomed ({ serverId, maxMessageBytes, windowBytes, heartbeatMs, resumeWindowMs }: Welcome): void {
    this.#resumeWindowMs = resumeWindowMs
    this.#timer?.cancel()
    this.#upSince = this.#options.clock.now()
    this.#channel!.limitMessages(maxMessageBytes)
    this.#channel!.limitWindow(windowBytes)
    this.#channel!.startHeartbeat(heartbeatMs > 0 ? Math.min(heartbeatMs, this.#options.heartbeatMs) : this.#options.heartbeatMs)
    this.#transition({ state: 'up', serverId, protocol: this.#channel!.subprotocol })
  }

  #lost (cause: { code: number, reason: string }): void {
    this.#timer?.cancel()
    this.#channel = null
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
