import { isUtf8 } from 'node:buffer'
import { CloseCode } from '../close-codes.js'
import { logThrown } from '../logger.js'
import type { Hooks } from './hooks.js'
import { Lane } from './lane.js'
import type { LaneTarget } from './lane.js'
import type { Attachment } from './media-server.js'
import { MessageLine } from './message-line.js'
import type { LeaveReason, Peer } from './peer.js'
import type { PeerLimits } from './peer-services.js'
import type { Seat } from './seat.js'

/** Between what a peer's events move: what there is of it at the moment. */
export interface TrafficEnds {
  readonly seat: Pick<Seat, 'link' | 'brake'> | null
  readonly attachment: Attachment | null
  /** The client reads too slowly. */
  tooSlow (): void
  /** The peer cannot go on. @param keepSession its session may, elsewhere or later */
  end (reason: LeaveReason, keepSession?: boolean): void
}

export interface TrafficCounts {
  uplink: number
  downlink: number
}

/** Where what comes up goes: to the attachment of the moment. */
class Upward<Metadata> implements LaneTarget {
  readonly #traffic: Traffic<Metadata>
  readonly #ends: TrafficEnds
  readonly #counts: TrafficCounts

  constructor (traffic: Traffic<Metadata>, ends: TrafficEnds, counts: TrafficCounts) {
    this.#traffic = traffic
    this.#ends = ends
    this.#counts = counts
  }

  deliver (data: Buffer, binary: boolean): void {
    const accepted = this.#ends.attachment?.send(data, binary)
    if (accepted === 'taken' || accepted === 'pressed') this.#counts.uplink++
    switch (accepted) {
      case 'pressed':
        this.#traffic.pressed()
        break
      case 'taken':
        break
      case 'too big':
        this.#ends.end({ code: CloseCode.messageTooBig, reason: 'the media server takes no message of this size', cause: 'bad message' })
        break
      default:
        this.#ends.end({ code: CloseCode.tryAgainLater, reason: 'the trunk is full', cause: 'trunk lost' }, true)
    }
  }

  dropped (): void {
    if (this.#ends.attachment?.skip() === 'pressed') this.#traffic.pressed()
  }

  failed (error: Error): void {
    this.#traffic.failed(error)
  }

  full (): void {
    this.#ends.seat?.brake.hold('queue full')
  }

  drained (): void {
    this.#ends.seat?.brake.release('queue full')
  }
}

/** Where what comes down goes: to the link of the moment. */
class Downward<Metadata> implements LaneTarget {
  readonly #traffic: Traffic<Metadata>
  readonly #ends: TrafficEnds
  readonly #counts: TrafficCounts

  constructor (traffic: Traffic<Metadata>, ends: TrafficEnds, counts: TrafficCounts) {
    this.#traffic = traffic
    this.#ends = ends
    this.#counts = counts
  }

  deliver (data: Buffer, binary: boolean): void {
    this.#counts.downlink++
    this.#ends.seat?.link.send(data, binary)
  }

  dropped (): void {
    this.#ends.seat?.link.skip()
  }

  failed (error: Error): void {
    this.#traffic.failed(error)
  }

  full (): void {
    this.#ends.tooSlow()
  }

  drained (): void {}
}

/**
 * One peer's media events, both ways through the hooks: what is under way here belongs to the attachment of the moment. And what its
 * client says to the app itself, which belongs to nobody else.
 */
export class Traffic<Metadata> {
  readonly #peer: Peer<Metadata>
  readonly #ends: TrafficEnds
  readonly #up: Lane<Metadata>
  readonly #down: Lane<Metadata>
  readonly #hooks: Hooks<Metadata>
  readonly #limits: PeerLimits
  /** Null while the client has said nothing. */
  #messages: MessageLine<Metadata> | null = null
  /** Whether what the media server still sends is left to the session's ends: the link is about to go. */
  #deaf = false
  /** Whether the app has been told of the peer: nothing moves before. */
  #isOpen = false

  constructor (peer: Peer<Metadata>, ends: TrafficEnds, hooks: Hooks<Metadata>, limits: PeerLimits, counts: TrafficCounts) {
    this.#peer = peer
    this.#ends = ends
    this.#hooks = hooks
    this.#limits = limits
    this.#up = new Lane('onUplink', peer, hooks, new Upward(this, ends, counts), limits.uplinkQueueBytes)
    this.#down = new Lane('onDownlink', peer, hooks, new Downward(this, ends, counts), limits.downlinkQueueBytes)
  }

  /** Bytes that wait for hooks. */
  get bufferedBytes (): number {
    return this.#up.bytes + this.#down.bytes + (this.#messages?.bytes ?? 0)
  }

  /** Another link is here, and hears what comes down. */
  seated (): void {
    this.#deaf = false
    this.#messages?.seated()
  }

  open (): void {
    this.#isOpen = true
    this.#up.open()
    this.#down.open()
    this.#messages?.open()
  }

  /** The client says something to the app. @param bytes of its JSON */
  message (message: unknown, bytes: number): void {
    if (this.#hooks.lists.onMessage === null) return
    this.#messages ??= new MessageLine(this.#peer, this.#hooks, {
      full: () => this.#ends.seat?.brake.hold('messages full'),
      drained: () => this.#ends.seat?.brake.release('messages full'),
      failed: (error) => this.failed(error)
    }, this.#limits.uplinkQueueBytes)
    this.#messages.push(message, bytes)
    if (this.#isOpen) this.#messages.open()
  }

  uplink (data: Buffer, binary: boolean): void {
    this.#up.push(data, binary)
  }

  uplinkSkip (): void {
    this.#up.skip()
  }

  downlink (data: Buffer, binary: boolean): void {
    if (this.#deaf) return
    if (!binary && !isUtf8(data)) {
      this.#peer.log.error({}, 'the media server sent text that is not UTF-8')
      this.#ends.end({ code: CloseCode.internalError, reason: 'the media server sent text that is not UTF-8', cause: 'bad message' })
      return
    }
    this.#down.push(data, binary)
  }

  downlinkSkip (): void {
    if (!this.#deaf) this.#down.skip()
  }

  /** The trunk takes more. */
  relieved (): void {
    this.#ends.seat?.brake.release('trunk full')
    if (this.#isOpen) this.#up.open()
  }

  /** The client is not read any more. Resolves when what has come is delivered, up and then down, or somebody else has the peer. */
  async flush (): Promise<void> {
    const { seat } = this.#ends
    seat?.brake.hold('retiring')
    await this.#up.flushed()
    // What comes down meanwhile might never end.
    if (this.#ends.seat === seat) this.#deaf = true
    await this.#down.flushed()
  }

  /** What is under way here is of an attachment that is over: the ends send it again. Only once nothing comes in any more. */
  forget (): void {
    this.#isOpen = false
    this.#up.reset()
    this.#down.reset()
    this.#ends.seat?.brake.release('trunk full')
  }

  /** A hook has thrown, or takes too long. */
  failed (error: Error): void {
    logThrown(this.#peer.log, error, 'a hook failed: the peer ends')
    this.#ends.end({ code: CloseCode.internalError, reason: 'internal error', cause: 'hook failed' })
  }

  /** Forgets what waits. Resolves when no hook is running any more. */
  async close (): Promise<void> {
    await Promise.all([this.#up.close(), this.#down.close(), this.#messages?.close()])
  }

  /** The trunk has taken the last one, and no more for now. */
  pressed (): void {
    this.#ends.seat?.brake.hold('trunk full')
    this.#up.hold()
  }
}
