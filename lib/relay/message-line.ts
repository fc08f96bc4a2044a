import type { Hooks } from './hooks.js'
import type { Peer } from './peer.js'

/** What a message is taken to cost beside its bytes. */
const MESSAGE_COST = 64

export interface MessageLineEnds {
  /** So many bytes wait that the client is not to be read for now. */
  full (): void
  /** It may be read again. */
  drained (): void
  /** A hook threw or took too long: the peer is to end. */
  failed (error: Error): void
}

/** What one client says to the app itself, in order, once the app has been told of the client. */
export class MessageLine<Metadata> {
  readonly #peer: Peer<Metadata>
  readonly #hooks: Hooks<Metadata>
  readonly #ends: MessageLineEnds
  readonly #maxBytes: number
  readonly #waiting: Array<{ message: unknown, bytes: number }> = []
  #bytes = 0
  #isOpen = false
  #isFull = false
  #isClosed = false
  #running: Promise<void> | null = null

  /** @param maxBytes that wait, from which `full` is called */
  constructor (peer: Peer<Metadata>, hooks: Hooks<Metadata>, ends: MessageLineEnds, maxBytes: number) {
    this.#peer = peer
    this.#hooks = hooks
    this.#ends = ends
    this.#maxBytes = maxBytes
  }

  /** Bytes that wait. */
  get bytes (): number {
    return this.#bytes
  }

  /** @param bytes of its JSON */
  push (message: unknown, bytes: number): void {
    if (this.#isClosed) return
    this.#waiting.push({ message, bytes: bytes + MESSAGE_COST })
    this.#bytes += bytes + MESSAGE_COST
    if (this.#bytes >= this.#maxBytes && !this.#isFull) {
      this.#isFull = true
      this.#ends.full()
    }
    if (this.#isOpen) this.#running ??= this.#run()
  }

  /** Another link is here: what waits is as much as it was. */
  seated (): void {
    if (this.#isFull) this.#ends.full()
  }

  open (): void {
    this.#isOpen = true
    if (this.#waiting.length > 0) this.#running ??= this.#run()
  }

  /** Forgets what waits. Resolves when no hook is running any more. */
  async close (): Promise<void> {
    this.#isClosed = true
    this.#waiting.length = 0
    this.#bytes = 0
    await this.#running
  }

  async #run (): Promise<void> {
    // What is said in one turn is told in another: a hook may do anything to the peer.
    await null
    for (let next; !this.#isClosed && (next = this.#waiting[0]) !== undefined;) {
      try {
        await this.#hooks.run('onMessage', next.message, this.#peer)
      } catch (error) {
        this.#ends.failed(error as Error)
        break
      }
      if (this.#isClosed) break
      this.#waiting.shift()
      this.#bytes -= next.bytes
      if (this.#isFull && this.#bytes < this.#maxBytes) {
        this.#isFull = false
        this.#ends.drained()
      }
    }
    this.#running = null
  }
}
