import type { Buffer } from 'node:buffer'
import type { Socket } from 'node:net'
import type { Clock, Timer } from '../clock.js'

/** What one direction of a connection suffers. */
export interface Fault {
  delayMs: number
  /** null: as fast as it goes. */
  bytesPerSecond: number | null
  frozen: boolean
}

/** A throttled direction moves on in steps of so many milliseconds' worth of bytes. */
const STEP_MS = 20
/** Pieces that are held at most, so that a trickle of single bytes is bounded too. */
const MAX_PIECES = 4096

interface Piece {
  data: Buffer
  arrivedAt: number
}

/**
 * One direction of a connection through a `ChaosProxy`: what it reads from one socket it writes to the other, in order, when
 * the fault of the moment lets it. A FIN and a RST travel the same way and behind the bytes, so that they are late too where
 * those are.
 */
export class ChaosPipe {
  readonly #source: Socket
  readonly #sink: Socket
  readonly #clock: Clock
  readonly #maxHeldBytes: number
  readonly #fault: Fault
  /** `over`: nothing more gets to the other side, and what still comes in is read and thrown away. */
  #state: 'open' | 'ending' | 'resetting' | 'over' = 'open'
  #endedAt = 0
  #pieces: Piece[] = []
  #waitingBytes = 0
  /** The other side's socket has more than it likes. */
  #full = false
  /** Since when the throttle counts, and what it has let through since. */
  #paceFrom = 0
  #pacedBytes = 0
  #timer: Timer | null = null

  constructor (source: Socket, sink: Socket, { clock, maxHeldBytes, fault }: { clock: Clock, maxHeldBytes: number, fault: Fault }) {
    this.#source = source
    this.#sink = sink
    this.#clock = clock
    this.#maxHeldBytes = maxHeldBytes
    this.#fault = { ...fault }
    // Before there is a listener: that alone would start the reading.
    source.pause()
    source.on('data', (data: Buffer) => this.#data(data))
    source.on('end', () => this.end())
    sink.on('drain', () => {
      this.#full = false
      this.#flow()
      this.#pump()
    })
    this.#flow()
  }

  /** Bytes that were read from the one socket and that the kernel has not taken for the other. */
  get held (): number {
    return this.#state === 'over' ? 0 : this.#waitingBytes + this.#sink.writableLength
  }

  change (change: Partial<Fault>): void {
    Object.assign(this.#fault, change)
    // A delay does not touch the pace: whoever changes it all the time would stop the bytes altogether.
    if (change.bytesPerSecond !== undefined || change.frozen !== undefined) this.#pace(this.#clock.now())
    this.#flow()
    this.#pump()
  }

  /** FIN, behind what is held. */
  end (): void {
    if (this.#state === 'open') this.#finish('ending')
  }

  /** RST, behind what is held; but not behind what the other side does not read. */
  reset (): void {
    if (!this.#sink.destroyed) this.#finish('resetting')
  }

  /** Drops what is held, and what comes. */
  discard (): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#state = 'over'
    this.#pieces = []
    this.#waitingBytes = 0
    this.#flow()
  }

  #finish (how: 'ending' | 'resetting'): void {
    this.#state = how
    this.#endedAt = this.#clock.now()
    this.#flow()
    this.#pump()
  }

  #data (data: Buffer): void {
    if (this.#state !== 'open') return
    this.#pieces.push({ data, arrivedAt: this.#clock.now() })
    this.#waitingBytes += data.length
    this.#pump()
    this.#flow()
  }

  /** Reads from the source or does not. */
  #flow (): void {
    const tooMuch = this.#state === 'open' && (this.held > this.#maxHeldBytes || this.#pieces.length >= MAX_PIECES)
    if (this.#fault.frozen || tooMuch) this.#source.pause()
    else this.#source.resume()
  }

  #pump (): void {
    this.#timer?.cancel()
    this.#timer = null
    if (this.#fault.frozen) return
    while (!this.#full && this.#pieces.length > 0) {
      const { data, arrivedAt } = this.#pieces[0]!
      const rate = this.#fault.bytesPerSecond
      const step = rate === null ? data.length : Math.min(data.length, Math.max(1, Math.floor(rate * STEP_MS / 1000)))
      if (this.#waits(this.#departure(arrivedAt, step))) return
      this.#write(step)
    }
    if (this.#state === 'ending') {
      // A shutdown with bytes before it takes a while, and for so long no RST could be sent.
      if (this.held > 0 || this.#waits(this.#endedAt + this.#fault.delayMs)) return
      this.#state = 'over'
      this.#sink.end()
    } else if (this.#state === 'resetting') {
      if (this.#waits(this.#endedAt + this.#fault.delayMs)) return
      this.discard()
      resetSocket(this.#sink)
    }
  }

  /** When the last of so many bytes is through. */
  #departure (arrivedAt: number, bytes: number): number {
    const due = arrivedAt + this.#fault.delayMs
    const rate = this.#fault.bytesPerSecond
    if (rate === null) return due
    // Time in which there was nothing to send is not saved up.
    if (due > this.#paceFrom + this.#pacedBytes * 1000 / rate) this.#pace(due)
    return this.#paceFrom + (this.#pacedBytes + bytes) * 1000 / rate
  }

  #pace (from: number): void {
    this.#paceFrom = from
    this.#pacedBytes = 0
  }

  #waits (until: number): boolean {
    const ms = until - this.#clock.now()
    if (ms <= 0) return false
    this.#timer = this.#clock.after(ms, () => this.#pump())
    return true
  }

  /** Writes the first so many bytes of the first piece. */
  #write (bytes: number): void {
    const piece = this.#pieces[0]!
    const data = piece.data.subarray(0, bytes)
    if (bytes === piece.data.length) this.#pieces.shift()
    else piece.data = piece.data.subarray(bytes)
    this.#waitingBytes -= bytes
    this.#pacedBytes += bytes
    this.#full = !this.#sink.write(data, () => {
      this.#flow()
      if (this.#state === 'ending') this.#pump()
    })
  }
}

export function resetSocket (socket: Socket): void {
  if (socket.destroyed) return
  if (socket.connecting) socket.destroy()
  // libuv cannot reset while it shuts down.
  else if (socket.writableEnded && !socket.writableFinished) socket.once('finish', () => resetSocket(socket))
  else socket.resetAndDestroy()
}
