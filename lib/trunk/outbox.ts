import type { Clock, Timer } from '../clock.js'
import { unpinned } from '../unpinned.js'
import type { Codec, Encoded, Tag } from './codec.js'
import { CreditWindow } from './credit-window.js'
import { FairQueue, QUANTUM_BYTES } from './fair-queue.js'
import type { Line } from './fair-queue.js'
import type { Frame, Kind } from './schema.js'

/** What carries a batch away: the one place that writes to the trunk's socket. */
export interface Carrier {
  /**
   * Writes one message; `written` is called when it has left this process, or never if the socket dies first.
   * @returns whether the message's memory may be used again at once
   */
  write (message: Buffer, written: () => void): boolean
}

export interface OutboxLimits {
  /** Bytes that one message holds at most, by the other side's wish. */
  messageBytes: number
  /** Bytes under way at most, give or take one message: sent, and not said to be taken in. */
  windowBytes: number
  /** Bytes of one peer from which it is asked to pause. */
  peerBytes: number
  /** Bytes of all peers from which whoever has more than its share of them waiting is asked to pause. */
  softBytes: number
  /** Bytes of all peers from which no media event is accepted any more. */
  hardBytes: number
}

/**
 * Further bytes at which the other side is given up. Frames that are no media events are always taken until then, since each
 * of them is the only one to say what it says: that a peer has come, or is over.
 */
const OVERWHELMED_BYTES = 64 * 1024 * 1024

/** For how long frames may be held for others that come, so that they leave as one. */
export interface Hold {
  readonly ms: number
  readonly clock: Clock
}

export interface OutboxObserver {
  /** Called once after a frame of this peer was `pressed`, when little of it waits any more. */
  relieved (peerId: string): void
  /** The other side reads nothing, and there is too much that cannot be dropped. */
  overwhelmed (): void
}

/** How a frame fared: taken; taken, but its producer should pause; not taken, for two reasons. */
export type Accepted = 'taken' | 'pressed' | 'full' | 'too big'

/** A batch is closed at this size, so that a burst does not become one huge message. */
const BATCH_BYTES = 64 * 1024

/** Bytes that a message takes beside its frames: the brackets of the JSON variant. */
const MESSAGE_COST = 2

/** Bytes by which a later acknowledgement may be longer than the one whose place it takes. */
const ACK_GROWTH = 16

/** What is said at once, window or not: each side waits for the other's credit, and two that wait would wait for ever. */
const URGENT = new Set<Kind>(['hello', 'welcome', 'credit', 'error'])

/** One attachment's way to the trunk: what would else be made or looked up for each of its events. */
export interface Way {
  readonly tag: Tag
  /** Where its peer's frames wait, since there were any. */
  line: Line<Encoded> | null
}

/**
 * The frames that wait for the trunk, in a queue for each peer: each gets its share of what the other side takes in, and
 * nobody waits behind what another has piled up. All that leave in one turn of the event loop leave together: one message, one
 * system call and one wake-up of the other side instead of one for each.
 */
export class Outbox {
  readonly #codec: Codec
  readonly #carrier: Carrier
  readonly #limits: OutboxLimits
  readonly #observer: OutboxObserver
  readonly #window = new CreditWindow()
  readonly #waiting = new FairQueue<Encoded>()
  #urgent: Encoded[] = []
  /** What is put into the message that is being made. */
  #batch: Encoded[] = []
  /** By peer: the acknowledgement that waits, of which only the latest says anything. */
  readonly #acks = new Map<string, Encoded>()
  /** Peers that are to be told when they may go on. */
  readonly #pressed = new Set<string>()
  /** Those of them of whom nothing waits, but of all others too much. */
  readonly #barred = new Set<string>()
  readonly #hold: Hold | null
  /** Where messages are put together, as long as each is gone before the next: new memory for each would cost more than the copying. */
  #scratch: Buffer | null = null
  #isQuick = false
  #scheduled: NodeJS.Immediate | null = null
  #held: Timer | null = null
  #pumpedAt = -Infinity
  #closed = false

  /** @param hold null: what there is leaves at the end of the turn */
  constructor (codec: Codec, carrier: Carrier, limits: OutboxLimits, observer: OutboxObserver, hold: Hold | null = null) {
    this.#codec = codec
    this.#carrier = carrier
    this.#limits = limits
    this.#observer = observer
    this.#hold = hold
  }

  /** Bytes that wait for their turn. */
  get waitingBytes (): number {
    return this.#waiting.bytes
  }

  /** Bytes that are under way. */
  get underWayBytes (): number {
    return this.#window.underWay
  }

  /** How many peers have something waiting. */
  get waitingPeers (): number {
    return this.#waiting.keys
  }

  /** Bytes of this peer that wait for their turn. */
  bytesOf (peerId: string): number {
    return this.#waiting.bytesOf(peerId)
  }

  /** For an attachment to keep. */
  way (peerId: string, epoch: number): Way {
    return { tag: this.#codec.tag(peerId, epoch), line: null }
  }

  /** Whether an event would be taken without asking its peer to pause; else `relieved` follows. */
  hasRoom ({ tag, line }: Way): boolean {
    if (this.#closed) return false
    return this.#isAllowed(tag.peerId, line === null || line.bytes === 0 ? this.#waiting.bytesOf(tag.peerId) : line.bytes)
  }

  /** The hot path's `push`: a media event. */
  pushEvent (way: Way, body: Buffer, binary: boolean): Accepted {
    if (this.#closed || this.#waiting.bytes >= this.#limits.hardBytes) return 'full'
    const { tag } = way
    const encoded = this.#codec.event(tag, body, binary)
    if (encoded.length + MESSAGE_COST > this.#limits.messageBytes) return 'too big'
    this.#schedule()
    way.line = this.#waiting.pushOn(way.line ?? this.#waiting.line(tag.peerId), encoded)
    return this.#isAllowed(tag.peerId, way.line.bytes) ? 'taken' : 'pressed'
  }

  push (frame: Frame): Accepted {
    if (this.#closed || (this.#waiting.bytes >= this.#limits.hardBytes && isEvent(frame))) return 'full'
    const encoded = this.#codec.encode(frame)
    if (encoded.length + MESSAGE_COST > this.#limits.messageBytes) return 'too big'
    this.#schedule()
    if (URGENT.has(frame.kind)) {
      this.#urgent.push(encoded)
      return 'taken'
    }
    const bytes = frame.kind === 'ack' ? this.#pushAck(frame.peerId, encoded) : this.#waiting.push(frame.peerId, encoded)
    if (this.#waiting.bytes >= this.#limits.hardBytes + OVERWHELMED_BYTES) this.#observer.overwhelmed()
    return this.#isAllowed(frame.peerId, bytes) ? 'taken' : 'pressed'
  }

  /** The other side says that it will give credit for what it takes in, and what it wants to have under way. */
  grant (windowBytes: number): void {
    this.#window.grant()
    this.#limits.windowBytes = Math.min(this.#limits.windowBytes, windowBytes)
  }

  /** The other side has taken in so many further bytes; false: more than was sent. */
  credited (bytes: number): boolean {
    const isPossible = this.#window.credited(bytes)
    if (this.#waiting.bytes > 0) this.#schedule()
    return isPossible
  }

  /** Hands over everything that waits, without waiting for the end of the turn or for credit. Nothing is accepted after it. */
  end (): void {
    this.#closed = true
    this.#pump(Infinity)
    this.discard()
  }

  /** Drops everything that waits. Nothing is accepted after it. */
  discard (): void {
    this.#closed = true
    if (this.#scheduled !== null) clearImmediate(this.#scheduled)
    this.#held?.cancel()
    this.#scheduled = this.#held = null
    this.#waiting.clear()
    this.#urgent.length = 0
    this.#acks.clear()
    this.#pressed.clear()
    this.#barred.clear()
  }

  #schedule (): void {
    if (this.#scheduled !== null || this.#held !== null) return
    const hold = this.#hold
    // What comes after a silence has nothing to wait for.
    if (hold === null || hold.clock.now() - this.#pumpedAt >= hold.ms) this.#scheduled = setImmediate(() => this.#turn())
    else this.#held = hold.clock.after(hold.ms, () => this.#turn())
  }

  #turn (): void {
    this.#scheduled = this.#held = null
    if (this.#hold !== null) this.#pumpedAt = this.#hold.clock.now()
    this.#pump(this.#limits.windowBytes)
  }

  #pump (windowBytes: number): void {
    const relieved: string[] = []
    for (;;) {
      const length = this.#fill(windowBytes - this.#window.underWay, relieved)
      if (length === 0) break
      this.#write(length)
    }
    this.#waiting.settle(keep)
    if (this.#barred.size > 0 && this.#waiting.bytes < this.#limits.hardBytes / 2) {
      for (const peerId of this.#barred) if (this.#pressed.delete(peerId)) relieved.push(peerId)
      this.#barred.clear()
    }
    for (const peerId of relieved) this.#observer.relieved(peerId)
  }

  /** As much as fits into one message, `roomBytes` and a share of each peer. One frame is taken whatever its size, while there is any room. */
  #fill (roomBytes: number, relieved: string[]): number {
    const batch = this.#batch
    const maxBytes = Math.min(BATCH_BYTES, this.#limits.messageBytes - MESSAGE_COST, roomBytes)
    let length = 0
    for (const urgent of this.#urgent) {
      batch.push(urgent)
      length += urgent.length
    }
    if (this.#urgent.length > 0) this.#urgent = []
    while (length < roomBytes) {
      const next = this.#waiting.take(length === 0 ? Infinity : maxBytes - length)
      if (next === undefined) break
      batch.push(next)
      length += next.length
      if (next.tag === null && this.#acks.get(this.#waiting.takenKey) === next) this.#acks.delete(this.#waiting.takenKey)
      if (this.#pressed.size > 0 && this.#isRelieved(this.#waiting.takenKey)) relieved.push(this.#waiting.takenKey)
    }
    return length
  }

  #write (batchLength: number): void {
    if (this.#isQuick) this.#scratch ??= Buffer.allocUnsafeSlow(BATCH_BYTES)
    const message = this.#codec.batch(this.#batch, batchLength, this.#scratch)
    this.#batch = []
    const { length } = message
    this.#window.sent(length)
    const isFree = this.#carrier.write(message, () => {
      this.#window.written(length)
      if (!this.#closed && this.#waiting.bytes > 0) this.#schedule()
    })
    // One that has to wait must not keep more than it is.
    this.#isQuick = isFree
    if (!isFree) this.#scratch = null
  }

  /** @returns bytes of this peer that wait now */
  #pushAck (peerId: string, ack: Encoded): number {
    const waiting = this.#acks.get(peerId)
    if (waiting === undefined) {
      ack.size += ACK_GROWTH
      this.#acks.set(peerId, ack)
      return this.#waiting.push(peerId, ack)
    }
    // It says what that one says, and more: a client may send as many as it likes.
    waiting.body = ack.body
    waiting.length = ack.length
    return this.#waiting.bytesOf(peerId)
  }

  /** Whether a peer of whom so many bytes wait may go on; else it is told when. */
  #isAllowed (peerId: string, bytes: number): boolean {
    const isFull = this.#waiting.bytes >= this.#limits.hardBytes
    if (!isFull && (bytes === 0 || bytes < this.#peerBytes)) return true
    this.#pressed.add(peerId)
    if (bytes === 0) this.#barred.add(peerId)
    return false
  }

  #isRelieved (peerId: string): boolean {
    if (!this.#pressed.has(peerId)) return false
    const bytes = this.#waiting.bytesOf(peerId)
    if (bytes === 0 && this.#waiting.bytes >= this.#limits.hardBytes) this.#barred.add(peerId)
    else if (bytes === 0 || bytes < this.#peerBytes / 2) return this.#pressed.delete(peerId)
    return false
  }

  /** Bytes that one peer may have waiting: when too much waits altogether, its share, but not less than what it is sent in a turn. */
  get #peerBytes (): number {
    const { peerBytes, softBytes } = this.#limits
    return this.#waiting.bytes < softBytes ? peerBytes : Math.min(peerBytes, Math.max(QUANTUM_BYTES, softBytes / this.#waiting.keys))
  }
}

/** The place of one is none: who counts would be wrong for ever after, were it lost. */
function isEvent ({ kind }: Frame): boolean {
  return kind === 'text' || kind === 'binary'
}

/** What leaves in this turn is a view of what was read; what stays would keep all of that alive. */
function keep (frame: Encoded): void {
  frame.body = unpinned(frame.body)
}
