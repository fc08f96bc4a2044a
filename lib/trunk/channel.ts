import type { RawData, WebSocket } from 'ws'
import type { Clock, Timer } from '../clock.js'
import { CloseCode, fitReason, isSendable } from '../close-codes.js'
import { Heartbeats } from '../heartbeat.js'
import type { Heartbeat } from '../heartbeat.js'
import type { Codec } from './codec.js'
import { protobufCodec } from './frames.js'
import { jsonCodec } from './json-frames.js'
import { Outbox } from './outbox.js'
import type { Accepted, OutboxLimits, Way } from './outbox.js'
import { frame } from './schema.js'
import type { Frame } from './schema.js'

/** Credit is given in steps of so many bytes: at least twice as often as PROTOCOL.md asks for. */
const CREDIT_BYTES = 16 * 1024
/** A smaller window than this would wait for credit that is not due yet. */
export const MIN_WINDOW_BYTES = 64 * 1024
/** What says that a peer is over has to fit into one message. */
const MIN_MESSAGE_BYTES = 1024
/** How long a closed socket may take to say goodbye before it is cut, in milliseconds. */
const CLOSE_MS = 1_000

/** By subprotocol, in the order in which they are offered. */
export const codecs = new Map<string, Codec>([protobufCodec, jsonCodec].map((codec) => [codec.subprotocol, codec]))

export interface ChannelStats {
  /** Bytes that wait for their turn. */
  waitingBytes: number
  /** How many peers have something waiting. */
  waitingPeers: number
  /** Bytes that were sent and are not taken in yet, as far as the other side has said. */
  underWayBytes: number
  /** Bytes that may be under way. */
  windowBytes: number
}

export interface ChannelOptions {
  codec: Codec
  limits: OutboxLimits
  clock: Clock
  /** How long frames may be held for others, in milliseconds; absent: no longer than the turn. */
  holdMs?: number
  /** Whether this is the side that masks what it sends: the one that has connected (RFC 6455, section 5.1). */
  masks?: boolean
}

/** What a channel tells its owner. Nothing is told after `closed`. */
export interface ChannelObserver {
  /** The frames of one message, in order. */
  frames (frames: Frame[]): void
  /** A peer for which there was no room has some again; with the id of none, what is about no peer has. */
  relieved (peerId: string): void
  /** It is being closed from here: nothing is taken any more. */
  closing? (code: number, reason: string): void
  /** The socket is gone, for whatever reason; called exactly once. */
  closed (code: number, reason: string): void
}

/**
 * One WebSocket that speaks frames: what the two sides of the trunk share. It is the only thing that reads or writes
 * the trunk's socket.
 */
export class Channel {
  readonly #socket: WebSocket
  readonly #codec: Codec
  readonly #clock: Clock
  readonly #observer: ChannelObserver
  readonly #outbox: Outbox
  readonly #limits: OutboxLimits
  #bytesRead: () => number
  #heartbeat: Heartbeat | null = null
  #deadline: Timer | null = null
  #closing: { code: number, reason: string } | null = null
  #closed = false
  #uncredited = 0

  /**
   * @param socket an open WebSocket
   * @param bytesRead the counter of the TCP socket below it, by which the heartbeat judges
   */
  constructor (socket: WebSocket, bytesRead: () => number, { codec, limits, clock, holdMs = 0, masks = false }: ChannelOptions, observer: ChannelObserver) {
    this.#socket = socket
    this.#codec = codec
    this.#clock = clock
    this.#observer = observer
    this.#bytesRead = bytesRead
    this.#limits = { ...limits }
    this.#outbox = new Outbox(codec, {
      write: (message, written) => {
        socket.send(message, { binary: codec.binary, compress: false }, (error) => { if (error == null) written() })
        // It was copied when it was masked, or else may be with the kernel: which only the side knows that has made the socket.
        return masks && socket.bufferedAmount === 0
      }
    }, this.#limits, {
      relieved: (peerId) => observer.relieved(peerId),
      overwhelmed: () => this.terminate('the other side does not read')
    }, holdMs > 0 ? { ms: holdMs, clock } : null)
    socket.on('message', (data, isBinary) => this.#message(data, isBinary))
    // ws answers a broken or oversized frame with its own close code and then emits 'close': all that 'error' adds is the cause.
    socket.on('error', (error) => { this.#closing ??= { code: 1006, reason: error.message } })
    socket.on('close', (code, reason) => this.#gone(code, reason.toString()))
  }

  get subprotocol (): string {
    return this.#codec.subprotocol
  }

  get stats (): ChannelStats {
    const { waitingBytes, waitingPeers, underWayBytes } = this.#outbox
    return { waitingBytes, waitingPeers, underWayBytes, windowBytes: this.#limits.windowBytes }
  }

  /** Whether an event would be taken now, and go before long; else `relieved` follows. */
  hasRoom (way: Way): boolean {
    return !this.#closed && this.#outbox.hasRoom(way)
  }

  /** Bytes of this peer that wait for their turn. */
  bytesOf (peerId: string): number {
    return this.#outbox.bytesOf(peerId)
  }

  /** How many bytes one message may have from now on: the other side has said it. */
  limitMessages (bytes: number): void {
    if (bytes > 0) this.#limits.messageBytes = Math.min(this.#limits.messageBytes, Math.max(bytes, MIN_MESSAGE_BYTES))
  }

  /** What the other side wants to have under way towards it at most, for which it gives credit; 0: it gives none. */
  limitWindow (bytes: number): void {
    if (bytes > 0) this.#outbox.grant(Math.max(bytes, MIN_WINDOW_BYTES))
  }

  startHeartbeat (everyMs: number): void {
    this.#heartbeat?.stop()
    this.#heartbeat = new Heartbeats(everyMs, this.#clock, 1).watch({
      bytesRead: this.#bytesRead,
      ping: () => this.#socket.ping(),
      dead: () => this.terminate('heartbeat missed')
    })
  }

  send (frame: Frame): Accepted {
    return this.#outbox.push(frame)
  }

  /** For an attachment to keep, and to hand to `sendEvent`. */
  way (peerId: string, epoch: number): Way {
    return this.#outbox.way(peerId, epoch)
  }

  /** The hot path's `send`. */
  sendEvent (way: Way, data: Buffer, binary: boolean): Accepted {
    return this.#outbox.pushEvent(way, data, binary)
  }

  /** Writes out what waits, says goodbye and cuts the socket if the other side does not answer within a second. */
  close (code: number, reason: string): void {
    if (this.#closed || this.#deadline !== null) return
    this.#closing ??= { code, reason }
    this.#outbox.end()
    this.#socket.close(isSendable(code) ? code : CloseCode.internalError, fitReason(reason))
    this.#deadline = this.#clock.after(CLOSE_MS, () => this.#socket.terminate())
    this.#observer.closing?.(code, reason)
  }

  /** Cuts the socket at once. */
  terminate (reason: string): void {
    this.#closing ??= { code: 1006, reason }
    this.#outbox.discard()
    this.#socket.terminate()
  }

  #message (data: RawData, isBinary: boolean): void {
    if (this.#closing !== null) return
    let frames: Frame[]
    try {
      if (isBinary !== this.#codec.binary) throw new Error(`a ${isBinary ? 'binary' : 'text'} message does not belong to ${this.#codec.subprotocol}`)
      // ws hands out a Buffer unless its binaryType is changed, which nobody here does.
      frames = this.#codec.decode(data as Buffer)
    } catch (error) {
      this.close(CloseCode.protocolError, (error as Error).message)
      return
    }
    this.#observer.frames(frames)
    this.#credit((data as Buffer).length)
  }

  /** The other side has taken in so many further bytes. */
  credited (bytes: number): void {
    if (!this.#outbox.credited(bytes)) this.close(CloseCode.protocolError, 'credit for more than was sent')
  }

  #credit (bytes: number): void {
    this.#uncredited += bytes
    if (this.#uncredited < CREDIT_BYTES || this.#closing !== null) return
    this.#outbox.push(frame('credit', this.#uncredited))
    this.#uncredited = 0
  }

  #gone (code: number, reason: string): void {
    if (this.#closed) return
    this.#closed = true
    this.#heartbeat?.stop()
    this.#deadline?.cancel()
    this.#outbox.discard()
    const closing = this.#closing ?? { code, reason }
    this.#observer.closed(closing.code, closing.reason)
  }
}
