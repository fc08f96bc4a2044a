import { Socket as TcpSocket } from 'node:net'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { WebSocket } from 'ws'
import type { Clock, Timer } from '../clock.js'
import { CloseCode, fitReason, isSendable, mayReconnect } from '../close-codes.js'
import type { Heartbeat, HeartbeatTarget } from '../heartbeat.js'
import type { Logger } from '../logger.js'
import { Brake } from '../relay/brake.js'
import type { LeaveReason } from '../relay/peer.js'
import { unpinned } from '../unpinned.js'
import type { SocketContext, SocketLimits, SocketObserver } from './socket-observer.js'
import { Throttle } from './throttle.js'
import type { ThrottleTarget } from './throttle.js'
import { COPIED_BYTES, TurnBatch } from './turn-batch.js'
import { WholeFrames } from './whole-frames.js'

/** What framing may add to a message that is just small enough, for the count of raw bytes. */
const FRAMING_BYTES = 1024

/**
 * A client's WebSocket, and the only thing that reads or writes it. It is bounded in each direction, finds out when the
 * client is gone, and never lets an exception of its owner out into the event loop.
 */
export class ClientSocket implements HeartbeatTarget {
  readonly #socket: WebSocket
  /** Absent where @fastify/websocket injects a connection that is no network's. */
  readonly #raw: Socket | undefined
  readonly #limits: SocketLimits
  readonly #clock: Clock
  readonly #log: Logger
  readonly #received: (bytes: number) => void
  readonly #forget: (socket: ClientSocket) => void
  readonly #heartbeat: Heartbeat
  readonly #throttle: Throttle
  readonly #batch: TurnBatch | null
  readonly #frames: WholeFrames | null
  /** Our owner's pauses and our own: it is read while neither holds. */
  readonly #brake: Brake<'owner' | 'too many'>
  #observer: SocketObserver | null = null
  #state: 'open' | 'closing' | 'closed' = 'open'
  #ended: LeaveReason | null = null
  #code: number | null = null
  #deadline: Timer | null = null
  /** Set until the client is let in, where it was not before it came. */
  #preAuth: (() => void) | null = null
  #messageBytes: number
  /** Bytes that were left of earlier turns. */
  #unsent = 0
  #gone: AbortController | null = null
  /** Bytes of a message under way that is larger than what may wait. */
  #oversize = 0

  constructor (socket: WebSocket, raw: Socket | undefined, limits: SocketLimits, { counts, heartbeats, received, closed, wholeBytes, clock, log }: SocketContext<ClientSocket>) {
    this.#socket = socket
    this.#raw = raw
    this.#limits = limits
    this.#clock = clock
    this.#log = log
    this.#received = received
    this.#forget = closed
    this.#messageBytes = limits.messageBytes
    this.#batch = raw === undefined ? null : new TurnBatch(raw, socket, raw instanceof TcpSocket && !(raw instanceof TLSSocket))
    this.#brake = new Brake(socket)
    this.#heartbeat = heartbeats.watch(this)
    this.#throttle = new Throttle(limits, clock, counts, new Slowdown(this, this.#brake))
    // What is compressed is told of later, too.
    this.#frames = raw === undefined || wholeBytes === 0 || socket.extensions !== ''
      ? null
      : WholeFrames.of(raw, wholeBytes, {
        message: (data, binary) => this.#message(data, binary),
        // The client's answer to our close goes to ws all the same.
        invalid: () => { if (this.#state === 'open') this.#broken(Object.assign(new Error('a text that is not UTF-8'), { code: 'WS_ERR_INVALID_UTF8' })) }
      })
    socket.on('message', (data, binary) => this.#message(data as Buffer, binary))
    // What is wrong is told by the close that follows: ws has already answered with the right code.
    socket.on('error', (error: Error & { code?: string }) => {
      this.#frames?.stop()
      this.#broken(error)
    })
    socket.on('close', (code, reason) => this.#closed(code, reason.toString()))
  }

  /** Bytes that wait unsent. */
  get bufferedBytes (): number {
    return this.#socket.bufferedAmount + (this.#batch?.bytes ?? 0)
  }

  /** With what it was closed, by whichever side was first to say so; null: not yet. */
  get closeCode (): number | null {
    return this.#code
  }

  /** Aborted as soon as nobody can be served on it any more. */
  get gone (): AbortSignal {
    this.#gone ??= new AbortController()
    if (this.#state !== 'open' || this.#ended !== null) this.#gone.abort()
    return this.#gone.signal
  }

  // From the heartbeat

  bytesRead (): number | null {
    return this.#brake.holds ? null : this.#raw?.bytesRead ?? null
  }

  ping (): void {
    if (this.#socket.readyState === this.#socket.OPEN) {
      this.#socket.ping()
      this.#observer?.beat?.()
    } else {
      // It has said goodbye: our answer may still be on its way, behind what it has yet to read.
      this.#deadline ??= this.#clock.after(this.#limits.closeMs, () => this.#socket.terminate())
    }
  }

  dead (): void {
    // First of all: a goodbye would say for ever, to a client that may yet wake up and come back.
    this.#socket.terminate()
    this.#end({ code: 1006, reason: 'heartbeat missed', cause: 'link lost' })
  }

  // From its owner

  /** Who hears of it from now on; at once, if it has ended already. */
  observe (observer: SocketObserver): void {
    this.#observer = observer
    if (this.#ended !== null) observer.ended(this.#ended)
  }

  /** Until `admitted`, the client may send no more than the pre-auth bound, counted on the wire: no dripping helps. */
  boundPreAuth (): void {
    this.#messageBytes = this.#limits.preAuthBytes
    const raw = this.#raw
    this.#preAuth = () => {}
    if (raw === undefined) return
    const start = raw.bytesRead
    const check = (): void => {
      if (raw.bytesRead - start > this.#limits.preAuthBytes + FRAMING_BYTES) this.fail(CloseCode.messageTooBig, 'too large before authentication', 'bad message')
    }
    // Before ws sees the bytes, so that an oversized message is never put together.
    raw.prependListener('data', check)
    this.#preAuth = () => raw.removeListener('data', check)
  }

  /** The client was let in: the ordinary bounds hold. Who waited for that need not hear of its end any more. */
  admitted (): void {
    this.#gone = null
    this.#preAuth?.()
    this.#preAuth = null
    this.#messageBytes = this.#limits.messageBytes
  }

  send (data: Buffer, binary: boolean): void {
    // A client that has said goodbye hears no more; that it is gone is told by its socket.
    if (this.#state !== 'open' || this.#socket.readyState !== this.#socket.OPEN) return
    const batch = this.#batch
    const isFirst = batch === null || batch.begin()
    // Judged by what is left of earlier turns: this turn's bytes have not been offered to anybody yet.
    if (isFirst) this.#unsent = this.#socket.bufferedAmount
    // One that is larger than the bound itself goes alone, and is waited for.
    if (isFirst && this.#unsent <= this.#limits.downlinkBytes) this.#oversize = 0
    if (isFirst && this.#unsent > this.#limits.downlinkBytes + this.#oversize) {
      this.fail(CloseCode.tooSlow, 'too slow', 'too slow')
      return
    }
    if (data.length > this.#limits.downlinkBytes) this.#oversize = data.length
    if (batch !== null && data.length <= COPIED_BYTES) {
      batch.add(data, binary, this.#unsent > 0)
      return
    }
    batch?.flush()
    // Behind what is left it has to wait too.
    this.#socket.send(this.#unsent > 0 ? unpinned(data) : data, { binary, compress: false })
  }

  /** The client says now what it has kept for a while. */
  catchUp (): void {
    this.#throttle.catchUp()
  }

  pause (): void {
    // One that is closing is read, to hear the client's answer.
    if (this.#state === 'open') this.#brake.hold('owner')
    this.#throttle.held()
  }

  resume (): void {
    this.#brake.release('owner')
    this.#throttle.released()
  }

  /** Says goodbye; cuts the socket if the client does not answer in time. */
  close (code: number, reason: string): void {
    if (this.#state !== 'open') return
    this.#state = 'closing'
    // Our goodbye is the last thing that is said.
    if (this.#socket.readyState === this.#socket.OPEN) this.#batch?.flush()
    else this.#batch?.discard()
    this.#code ??= code
    this.#gone?.abort()
    this.#preAuth?.()
    this.#heartbeat.stop()
    this.#throttle.stop()
    // A paused socket would not see the client's answer.
    if (this.#brake.holds) this.#socket.resume()
    this.#socket.close(isSendable(code) ? code : CloseCode.internalError, fitReason(reason))
    this.#deadline ??= this.#clock.after(this.#limits.closeMs, () => this.#socket.terminate())
  }

  /** Tells a client that can be told that the socket is closed in so many milliseconds. */
  announce (afterMs: number): void {
    if (this.#state === 'open') this.#observer?.draining?.(afterMs)
  }

  /** Closes it as soon as what is under way has been delivered. */
  retire (reason: LeaveReason, forGood: boolean): void {
    if (this.#state !== 'open' || this.#ended !== null) return
    if (this.#observer?.retire === undefined) this.close(reason.code, reason.reason)
    else this.#observer.retire(reason, forGood)
  }

  /** Cuts it, whatever it is doing. */
  cut (): void {
    this.#batch?.discard()
    this.#heartbeat.stop()
    this.#socket.terminate()
  }

  /** The client has broken a rule: it is closed, and its owner told. */
  fail (code: number, reason: string, cause: LeaveReason['cause']): void {
    const end: LeaveReason = { code, reason, cause }
    this.#end(end)
    this.close(code, reason)
  }

  #message (data: Buffer, binary: boolean): void {
    if (this.#state !== 'open') return
    if (data.length > this.#messageBytes) {
      this.fail(CloseCode.messageTooBig, `a message may have ${this.#messageBytes} bytes`, 'bad message')
      return
    }
    // What comes before that is bounded in bytes.
    if (this.#preAuth === null) this.#throttle.count()
    this.#received(data.length)
    try {
      this.#observer?.message(data, binary)
    } catch (error) {
      // Out of here it would be an uncaughtException, and the end of every client.
      this.#log.error({ err: error }, 'a client could not be served')
      this.fail(CloseCode.internalError, 'internal error', 'bad message')
    }
  }

  #broken (error: Error & { code?: string }): void {
    const code = error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'
      ? CloseCode.messageTooBig
      : error.code === 'WS_ERR_INVALID_UTF8' ? CloseCode.invalidText : error.code?.startsWith('WS_ERR') === true ? CloseCode.protocolError : 1006
    this.#log.info({ err: error }, 'the client broke the connection')
    this.#end({ code, reason: error.message, cause: code === 1006 ? 'link lost' : 'bad message' })
    // ws has said goodbye already: this is what sees to it that the connection ends.
    this.close(code, error.message)
  }

  #closed (code: number, reason: string): void {
    this.#state = 'closed'
    this.#batch?.discard()
    this.#preAuth?.()
    this.#heartbeat.stop()
    this.#throttle.stop()
    this.#deadline?.cancel()
    // A client that closes with a code after which it may come back is about to: 1001 apart, which a page says that goes.
    this.#end({ code, reason, cause: code === 1006 || (code >= 4000 && mayReconnect(code)) ? 'link lost' : 'client' })
    this.#forget(this)
  }

  #end (reason: LeaveReason): void {
    if (this.#ended !== null) return
    this.#ended = reason
    this.#code ??= reason.code
    this.#gone?.abort()
    this.#observer?.ended(reason)
  }
}

/** What becomes of a client that has sent too many messages. */
class Slowdown implements ThrottleTarget {
  readonly #socket: ClientSocket
  readonly #brake: Brake<'owner' | 'too many'>

  constructor (socket: ClientSocket, brake: Brake<'owner' | 'too many'>) {
    this.#socket = socket
    this.#brake = brake
  }

  pause (): void {
    this.#brake.hold('too many')
  }

  resume (): void {
    this.#brake.release('too many')
  }

  tooMany (): void {
    this.#socket.fail(CloseCode.tooManyMessages, 'too many messages', 'too many')
  }
}
