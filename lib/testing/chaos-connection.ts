import type { Socket } from 'node:net'
import type { Clock } from '../clock.js'
import { ChaosPipe, resetSocket } from './chaos-pipe.js'
import type { Fault } from './chaos-pipe.js'

/** `up` is from whoever connected to the proxy to the target, `down` the other way. */
export type ChaosDirection = 'up' | 'down'
export type ChaosFaults = Record<ChaosDirection, Fault>

/** What can be done to one connection, or to all connections of a proxy. */
export abstract class ChaosVerbs {
  /**
   * Each byte, and the end of the connection, arrives so much later, in order. What is under way counts from when it came in.
   * @param ms milliseconds, 0: no delay
   */
  delay (ms: number, direction: ChaosDirection | 'both' = 'both'): void {
    if (!(ms >= 0)) throw new RangeError(`a delay of ${ms} ms: give 0 or more`)
    this.#change(direction, { delayMs: ms })
  }

  /**
   * In any time by the clock, no more bytes than these pass.
   * @param bytesPerSecond more than 0; null: as fast as it goes
   */
  throttle (bytesPerSecond: number | null, direction: ChaosDirection | 'both' = 'both'): void {
    if (bytesPerSecond !== null && !(bytesPerSecond > 0)) throw new RangeError(`${bytesPerSecond} bytes per second: give more than 0, or freeze()`)
    this.#change(direction, { bytesPerSecond })
  }

  /**
   * Nothing moves, not even the end of the connection, and the proxy stops reading: the sender's buffers fill up. What the
   * proxy has handed to the kernel still arrives.
   */
  freeze (direction: ChaosDirection | 'both' = 'both'): void {
    this.#change(direction, { frozen: true })
  }

  /** It goes on, with nothing lost. */
  thaw (direction: ChaosDirection | 'both' = 'both'): void {
    this.#change(direction, { frozen: false })
  }

  /** Both sides see the connection closed (FIN) at once; what is held is lost. */
  abstract cut (): void

  /** Both sides see the connection reset (RST) at once; what is held is lost. */
  abstract reset (): void

  /**
   * Where this direction leads to sees the end (FIN) behind what is held, and can still send. What is sent in this direction
   * from now on is read and lost.
   */
  abstract halfClose (direction: ChaosDirection): void

  /** @internal */
  abstract change (direction: ChaosDirection, change: Partial<Fault>): void

  #change (direction: ChaosDirection | 'both', change: Partial<Fault>): void {
    if (direction !== 'down') this.change('up', change)
    if (direction !== 'up') this.change('down', change)
  }
}

/** One connection through a `ChaosProxy`. */
export class ChaosConnection extends ChaosVerbs {
  /** Resolves when both sockets are gone. */
  readonly closed: Promise<void>
  readonly #client: Socket
  readonly #target: Socket
  readonly #pipes: Record<ChaosDirection, ChaosPipe>
  #live = true

  /** @internal */
  constructor (client: Socket, target: Socket, { clock, maxHeldBytes, faults }: { clock: Clock, maxHeldBytes: number, faults: ChaosFaults }) {
    super()
    this.#client = client
    this.#target = target
    const up = new ChaosPipe(client, target, { clock, maxHeldBytes, fault: faults.up })
    const down = new ChaosPipe(target, client, { clock, maxHeldBytes, fault: faults.down })
    this.#pipes = { up, down }
    this.closed = Promise.all([
      this.#socketClosed(client, up, down),
      this.#socketClosed(target, down, up)
    ]).then(() => { this.#live = false })
  }

  /** Whether it was neither cut nor reset, nor closed by its ends. */
  get live (): boolean {
    return this.#live
  }

  /** Bytes that the proxy has read in this direction and not written yet. */
  held (direction: ChaosDirection): number {
    return this.#pipes[direction].held
  }

  override cut (): void {
    this.#discard()
    closeSocket(this.#client)
    closeSocket(this.#target)
  }

  override reset (): void {
    this.#discard()
    resetSocket(this.#client)
    resetSocket(this.#target)
  }

  override halfClose (direction: ChaosDirection): void {
    this.#pipes[direction].end()
  }

  /** @internal */
  override change (direction: ChaosDirection, change: Partial<Fault>): void {
    this.#pipes[direction].change(change)
  }

  #discard (): void {
    this.#live = false
    for (const pipe of [this.#pipes.up, this.#pipes.down]) {
      pipe.discard()
      pipe.change({ frozen: false })
    }
  }

  async #socketClosed (socket: Socket, from: ChaosPipe, to: ChaosPipe): Promise<void> {
    await new Promise<void>((resolve) => {
      // What an error means, `close` tells.
      socket.on('error', () => {})
      socket.on('close', (hadError) => {
        if (hadError && this.#live) from.reset()
        to.discard()
        resolve()
      })
    })
  }
}

function closeSocket (socket: Socket): void {
  if (socket.connecting || socket.writableLength > 0) {
    socket.destroy()
  } else {
    // Closing a socket with unread bytes in it sends a RST instead: one more turn reads them, and throws them away.
    socket.end(() => setImmediate(() => socket.destroy()))
  }
}
