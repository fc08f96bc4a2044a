import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { RetryPolicy } from '../backoff.js'
import type { Clock } from '../clock.js'
import { CloseCode } from '../close-codes.js'
import type { Status, TrunkState } from '../relay/media-server.js'
import { Channel, codecs } from './channel.js'
import type { ChannelStats } from './channel.js'
import { Dialer } from './dialer.js'
import type { Dial } from './dialer.js'
import type { Accepted, Way } from './outbox.js'
import { VERSION, frame } from './schema.js'
import type { Frame, Welcome } from './schema.js'

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

export interface TrunkObserver {
  state (state: TrunkState): void
  frames (frames: Frame[]): void
  relieved (peerId: string): void
}

/** The one WebSocket to the media server, from the backend's side: shakes hands on each that is dialled, and speaks frames. */
export class Trunk {
  readonly #options: TrunkOptions
  readonly #observer: TrunkObserver
  readonly #dialer: Dialer
  #channel: Channel | null = null
  #resumeWindowMs = 0

  constructor (options: TrunkOptions, observer: TrunkObserver) {
    this.#options = options
    this.#observer = observer
    const { url, token, headers, ca, subprotocols, messageBytes, handshakeMs, retry, clock, dial } = options
    const authorized = async (): Promise<Record<string, string>> => {
      const value = await token()
      return { ...headers, ...(value === '' ? {} : { authorization: `Bearer ${value}` }) }
    }
    this.#dialer = new Dialer({ url, headers: authorized, ca, subprotocols, messageBytes, handshakeMs, retry, clock, dial }, {
      state: (state) => observer.state(state),
      opened: (socket, raw) => this.#opened(socket, raw),
      late: (afterMs) => this.#channel!.close(CloseCode.protocolError, `no welcome within ${afterMs} ms`),
      stopping: () => this.#channel!.close(CloseCode.goingAway, 'the backend is closing')
    })
  }

  get state (): TrunkState {
    return this.#dialer.state
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
    this.#dialer.start()
  }

  /** Only while `up`; what is sent else goes nowhere. */
  send (frame: Frame): Accepted {
    return this.state.state === 'up' ? this.#channel!.send(frame) : 'full'
  }

  sendEvent (way: Way, data: Buffer, binary: boolean): Accepted {
    return this.state.state === 'up' ? this.#channel!.sendEvent(way, data, binary) : 'full'
  }

  way (peerId: string, epoch: number): Way {
    return this.#channel!.way(peerId, epoch)
  }

  /** Writes out what waits and closes; resolves when the socket is gone, within about a second. */
  stop (): Promise<void> {
    return this.#dialer.stop()
  }

  #opened (socket: WebSocket, raw: Socket): void {
    const { messageBytes, windowBytes, peerBytes, queueBytes, holdMs, clock, backendId } = this.#options
    const codec = codecs.get(socket.protocol)
    if (codec === undefined) {
      // ws refuses a subprotocol that was not offered, so this is one that the options offered and nobody here speaks.
      socket.terminate()
      this.#lost({ code: 1006, reason: 'the connection failed' })
      return
    }
    const channel = new Channel(socket, () => raw.bytesRead, {
      codec, clock, holdMs, masks: true, limits: { messageBytes, windowBytes, peerBytes, softBytes: queueBytes, hardBytes: queueBytes * 4 }
    }, {
      frames: (frames) => this.#frames(frames),
      relieved: (peerId) => this.#observer.relieved(peerId),
      // Whoever says goodbye need not be waited for: the next trunk takes its place.
      closing: (code, reason) => { if (!this.#dialer.isStopping) this.#lost({ code, reason }) },
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
    if (this.state.state === 'up') {
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
    this.#channel!.limitMessages(maxMessageBytes)
    this.#channel!.limitWindow(windowBytes)
    this.#channel!.startHeartbeat(heartbeatMs > 0 ? Math.min(heartbeatMs, this.#options.heartbeatMs) : this.#options.heartbeatMs)
    this.#dialer.up(serverId, this.#channel!.subprotocol)
  }

  #lost (cause: Status): void {
    this.#channel = null
    this.#dialer.lost(cause)
  }
}
