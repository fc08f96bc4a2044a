import { unpinned } from '../unpinned.js'
import type { Codec } from './codec.js'
import { CreditWindow } from './credit-window.js'
import { FairQueue, QUANTUM_BYTES } from './fair-queue.js'
import type { Frame, Kind } from './schema.js'

/** What carries a batch away: the one place that writes to the trunk's socket. */
export interface Carrier {
  /** Writes one message; `written` is called when it has left this process, or never if the socket dies first. */
  write (message: Buffer, written: () => void): void
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

/** What is said at once, window or not: each side waits for the other's credit, and two that wait would wait for ever. */
const URGENT = new Set<Kind>(['hello', 'welcome', 'credit', 'error'])

interface Encoded {
  /** For how many bytes it counts while it waits. */
  readonly size: number
  parts: Buffer[]
  /** Of the parts. */
  length: number
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
  /** By peer: the acknowledgement that waits, of which only the latest says anything. */
  readonly #acks = new Map<string, Encoded>()
  /** Peers that are to be told when they may go on. */
  readonly #pressed = new Set<string>()
  /** Those of them of whom nothing waits, but of all others too much. */
  readonly #barred = new Set<string>()
  #scheduled: NodeJS.Immediate | null = null
  #closed = false

  constructor (codec: Codec, carrier: Carrier, limits: OutboxLimits, observer: OutboxObserver) {
    this.#codec = codec
    this.#carrier = carrier
    this.#limits = limits
    this.#observer = observer
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

  /** Whether an event of this peer would be taken without asking it to pause; else `relieved` follows. */
  hasRoom (peerId: string): boolean {
    if (this.#closed) return false
    return this.#isAllowed(peerId, this.#waiting.bytesOf(peerId))
  }

  push (frame: Frame, prefix?: Buffer): Accepted {
    if (this.#closed || (this.#waiting.bytes >= this.#limits.hardBytes && isEvent(frame))) return 'full'
    const parts: Buffer[] = []
    const size = this.#codec.append(parts, frame, prefix)
    // Two bytes for the brackets of the JSON variant.
    if (size + 2 > this.#limits.messageBytes) return 'too big'
    this.#schedule()
    const encoded: Encoded = { parts, size, length: size }
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
    this.#scheduled = null
    this.#waiting.clear()
    this.#urgent = []
    this.#acks.clear()
    this.#pressed.clear()
    this.#barred.clear()
  }

  #schedule (): void {
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = null
      this.#pump(this.#limits.windowBytes)
    })
  }

  #pump (windowBytes: number): void {
    const relieved: string[] = []
    for (;;) {
      const batch = this.#batch(windowBytes - this.#window.underWay, relieved)
      if (batch.size === 0) break
      this.#write(batch)
    }
    // What leaves in this turn is a view of what was read; what stays would keep all of that alive.
    this.#waiting.settle((item) => { item.parts = item.parts.map(unpinned) })
    if (this.#barred.size > 0 && this.#waiting.bytes < this.#limits.hardBytes / 2) {
      for (const peerId of this.#barred) if (this.#pressed.delete(peerId)) relieved.push(peerId)
      this.#barred.clear()
    }
    for (const peerId of relieved) this.#observer.relieved(peerId)
  }

  /** As much as fits into one message, `roomBytes` and a share of each peer. One frame is taken whatever its size, while there is any room. */
  #batch (roomBytes: number, relieved: string[]): { parts: Buffer[], size: number } {
    const maxBytes = Math.min(BATCH_BYTES, this.#limits.messageBytes - 2)
    const parts: Buffer[] = []
    let size = 0
    for (const urgent of this.#urgent) {
      parts.push(...urgent.parts)
      size += urgent.length
    }
    this.#urgent = []
    while (size < roomBytes) {
      const next = this.#waiting.peek()
      if (next === undefined || (size > 0 && size + next.length > Math.min(maxBytes, roomBytes))) break
      const peerId = this.#pressed.size > 0 || this.#acks.size > 0 ? this.#waiting.next! : null
      this.#waiting.take()
      for (const part of next.parts) parts.push(part)
      size += next.length
      if (peerId === null) continue
      if (this.#acks.get(peerId) === next) this.#acks.delete(peerId)
      if (this.#isRelieved(peerId)) relieved.push(peerId)
    }
    return { parts, size }
  }

  #write ({ parts, size }: { parts: Buffer[], size: number }): void {
    const message = this.#codec.batch(parts, size)
    const { length } = message
    this.#window.sent(length)
    this.#carrier.write(message, () => {
      this.#window.written(length)
      if (!this.#closed && this.#waiting.bytes > 0) this.#schedule()
    })
  }

  /** @returns bytes of this peer that wait now */
  #pushAck (peerId: string, ack: Encoded): number {
    const waiting = this.#acks.get(peerId)
    if (waiting === undefined) {
      this.#acks.set(peerId, ack)
      return this.#waiting.push(peerId, ack)
    }
    // It says what that one says, and more: a client may send as many as it likes.
    waiting.parts = ack.parts
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
