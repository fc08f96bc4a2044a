import type { Codec } from './codec.js'
import type { Frame } from './schema.js'

/** What carries a batch away: the one place that writes to the trunk's socket. */
export interface Carrier {
  /** Writes one message; `written` is called when it has left this process, or never if the socket dies first. */
  write (message: Buffer, written: () => void): void
}

export interface OutboxLimits {
  /** Bytes that one message holds at most, by the other side's wish. */
  messageBytes: number
  /** Bytes waiting or under way from which producers are asked to pause. */
  softBytes: number
  /** Bytes from which no media event is accepted any more. */
  hardBytes: number
}

/**
 * Bytes at which the other side is given up. Frames that are no media events are always taken until then, since each of
 * them is the only one to say what it says: that a peer has come, or is over.
 */
const OVERWHELMED_BYTES = 64 * 1024 * 1024

export interface OutboxObserver {
  /** Called once after a frame was `pressed`, when less than half of the soft bound is left. */
  relieved (): void
  /** The other side reads nothing, and there is too much that cannot be dropped. */
  overwhelmed (): void
}

/** How a frame fared: taken; taken, but its producer should pause; not taken, for two reasons. */
export type Accepted = 'taken' | 'pressed' | 'full' | 'too big'

/** Bytes handed to the socket before the rest waits here, where a later design can still choose who goes first. */
const IN_FLIGHT_BYTES = 256 * 1024
/** A batch is closed at this size, so that a burst does not become one huge message. */
const BATCH_BYTES = 64 * 1024

/**
 * The frames that wait for the trunk. All of one turn of the event loop leave together: one message, one system call
 * and one wake-up of the other side instead of one for each.
 */
export class Outbox {
  readonly #codec: Codec
  readonly #carrier: Carrier
  readonly #limits: OutboxLimits
  readonly #observer: OutboxObserver
  #batches: Array<{ parts: Buffer[], size: number }> = []
  #waiting = 0
  #inFlight = 0
  #scheduled: NodeJS.Immediate | null = null
  #pressed = false
  #closed = false

  constructor (codec: Codec, carrier: Carrier, limits: OutboxLimits, observer: OutboxObserver) {
    this.#codec = codec
    this.#carrier = carrier
    this.#limits = limits
    this.#observer = observer
  }

  /** Bytes waiting or under way. */
  get bytes (): number {
    return this.#waiting + this.#inFlight
  }

  push (frame: Frame, prefix?: Buffer): Accepted {
    if (this.#closed || (this.bytes >= this.#limits.hardBytes && isEvent(frame))) return 'full'
    const parts: Buffer[] = []
    const size = this.#codec.append(parts, frame, prefix)
    // Two bytes for the brackets of the JSON variant.
    if (size + 2 > this.#limits.messageBytes) return 'too big'
    this.#enqueue(parts, size)
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = null
      this.#pump()
    })
    if (this.bytes < this.#limits.softBytes) return 'taken'
    this.#pressed = true
    if (this.bytes >= OVERWHELMED_BYTES) this.#observer.overwhelmed()
    return 'pressed'
  }

  /** Hands over everything that waits, without waiting for the end of the turn. Nothing is accepted after it. */
  end (): void {
    this.#pump(Infinity)
    this.discard()
  }

  /** Drops everything that waits. Nothing is accepted after it. */
  discard (): void {
    this.#closed = true
    if (this.#scheduled !== null) clearImmediate(this.#scheduled)
    this.#scheduled = null
    this.#batches = []
    this.#waiting = 0
  }

  #enqueue (parts: Buffer[], size: number): void {
    const last = this.#batches[this.#batches.length - 1]
    if (last !== undefined && last.size + size <= Math.min(BATCH_BYTES, this.#limits.messageBytes - 2)) {
      for (const part of parts) last.parts.push(part)
      last.size += size
    } else {
      this.#batches.push({ parts, size })
    }
    this.#waiting += size
  }

  #pump (inFlightBytes = IN_FLIGHT_BYTES): void {
    while (this.#batches.length > 0 && this.#inFlight < inFlightBytes) {
      const { parts, size } = this.#batches.shift()!
      this.#waiting -= size
      this.#inFlight += size
      this.#carrier.write(this.#codec.batch(parts, size), () => this.#written(size))
    }
  }

  #written (size: number): void {
    this.#inFlight -= size
    if (this.#closed) return
    if (this.#batches.length > 0 && this.#scheduled === null) this.#pump()
    if (this.#pressed && this.bytes < this.#limits.softBytes / 2) {
      this.#pressed = false
      this.#observer.relieved()
    }
  }
}

/** The place of one is none: who counts would be wrong for ever after, were it lost. */
function isEvent ({ kind }: Frame): boolean {
  return kind === 'text' || kind === 'binary'
}
