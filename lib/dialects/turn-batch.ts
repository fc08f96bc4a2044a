/** What the bytes are written to: a socket. */
interface Target {
  write (bytes: Buffer): unknown
  /** Bytes that are not with the kernel yet. */
  readonly writableLength: number
}

/** Of a WebSocket, whether anything may be said on it. */
interface WebSocketState {
  readonly readyState: number
  readonly OPEN: number
}

/** A final frame that is not compressed (RFC 6455, section 5.2), of text or of bytes. */
const TEXT = 0x81
const BINARY = 0x82
/** Of the length that stands in the frame's second byte: above, it stands in two more. */
const SHORT_BYTES = 125
/** A message of at most so many bytes is copied beside others: that costs less than a write of its own. */
export const COPIED_BYTES = 16 * 1024

let begun: TurnBatch[] = []

/**
 * What is written is put together in memory that is used again, if the kernel has taken all of it at once: to get new memory each
 * time, and have it collected, costs more than the copying. One for each of these sizes, so that a write which the kernel does
 * not take keeps no more than 4 KiB, or four times its bytes.
 */
const SCRATCH_BYTES = [4 * 1024, 16 * 1024, 64 * 1024]
const scratches: Array<Buffer | null> = SCRATCH_BYTES.map(() => null)

/** One message, and those behind it: a list in an array would be made anew for each client and turn, or kept for idle ones. */
interface Message {
  readonly data: Buffer
  readonly isBinary: boolean
  next: Message | null
}

/**
 * Messages to one client that wait until the present callback is over, so that those which came for it in one batch of the trunk
 * leave in one write. They are framed here, since `ws` makes two writes of each; to frame for a client, unmasked and whole, is to
 * put a length before it. All else about the WebSocket is left to `ws`, of which this goes round no state: it too writes a
 * frame at once that needs no compression.
 */
export class TurnBatch {
  readonly #target: Target
  readonly #webSocket: WebSocketState
  readonly #reuses: boolean
  #first: Message | null = null
  #last: Message | null = null
  #bytes = 0
  #hasBegun = false
  /** Whether what is written has to wait: then it must not keep more memory than it has bytes. */
  #waits = false

  /**
   * @param webSocket above the target: what it says of itself counts
   * @param reuses whether the target is with the kernel as soon as it says so: a socket of TCP, with nothing between
   */
  constructor (target: Target, webSocket: WebSocketState, reuses: boolean) {
    this.#target = target
    this.#webSocket = webSocket
    this.#reuses = reuses
  }

  /** Bytes that are not written yet. */
  get bytes (): number {
    return this.#bytes
  }

  /** True the first time in a turn. */
  begin (): boolean {
    if (this.#hasBegun) return false
    this.#hasBegun = true
    if (begun.push(this) === 1) setImmediate(flushAll)
    return true
  }

  /**
   * @param data not larger than `COPIED_BYTES`, and unchanged until it is written
   * @param waits whether there is more before it than the network takes
   */
  add (data: Buffer, binary: boolean, waits: boolean): void {
    const message: Message = { data, isBinary: binary, next: null }
    if (this.#last === null) this.#first = message
    else this.#last.next = message
    this.#last = message
    this.#bytes += data.length + (data.length > SHORT_BYTES ? 4 : 2)
    this.#waits = waits
  }

  /** Writes what there is now. */
  flush (): void {
    if (this.#first === null) return
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) {
      // `ws` has said goodbye meanwhile: nothing comes after that.
      this.discard()
      return
    }
    const size = this.#bytes
    const scratch = this.#waits || !this.#reuses ? -1 : SCRATCH_BYTES.findIndex((most) => size <= most)
    const bytes = scratch < 0 ? Buffer.allocUnsafeSlow(size) : scratches[scratch] ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES[scratch]!)
    let at = 0
    for (let message: Message | null = this.#first; message !== null; message = message.next) {
      const { data } = message
      bytes[at++] = message.isBinary ? BINARY : TEXT
      if (data.length > SHORT_BYTES) {
        bytes[at++] = SHORT_BYTES + 1
        bytes[at++] = data.length >> 8
        bytes[at++] = data.length & 0xff
      } else {
        bytes[at++] = data.length
      }
      bytes.set(data, at)
      at += data.length
    }
    this.discard()
    this.#target.write(bytes.length === size ? bytes : bytes.subarray(0, size))
    if (scratch >= 0 && this.#target.writableLength > 0) scratches[scratch] = null
  }

  /** Forgets it. */
  discard (): void {
    this.#first = this.#last = null
    this.#bytes = 0
  }

  /** The turn is over. */
  end (): void {
    this.#hasBegun = false
    this.flush()
  }
}

function flushAll (): void {
  const batches = begun
  begun = []
  for (const batch of batches) {
    try {
      batch.end()
    } catch (error) {
      // Out of here it would be the end of the others' batches too.
      process.nextTick(() => { throw error })
    }
  }
}
