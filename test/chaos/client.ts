import type { ChaosProxy } from '../../lib/testing/index.js'
import type { Random } from '../sim/random.js'
import type { Identity } from './backend.js'
import { burst, makeEvent } from './events.js'
import { Sequence } from './sequence.js'
import type { Backend } from './stage.js'

/** How an instance ended, as its client sees it. */
export interface Ending {
  how: 'reset' | 'failed' | 'closed'
  /** What had been done to the client's link or backend that no session of its kind outlives; null: nothing. */
  cause: string | null
  /** For how long the client had not been joined. */
  awayMs: number
  text: string
}

/** One session, as its client sees it: a new one after each reset, and for a plain client with each connection. */
export interface Instance {
  stream: string
  sent: number
  heard: Sequence
  /** Given by the backend; null: not known. */
  peerId: string | null
  /** Null: it lives. */
  end: Ending | null
}

export interface ClientOptions {
  name: string
  /** Its way to the backend. */
  proxy: ChaosProxy
  backend: Backend
  identity: Identity
  random: Random
}

/** A client of a run: it speaks in bursts, and keeps the books of what it has sent and heard. */
export abstract class ChaosClient {
  readonly name: string
  readonly proxy: ChaosProxy
  readonly instances: Instance[] = []
  backend: Backend
  /** Whether something is being done to its link. */
  isTroubled = false
  protected readonly token: string
  /** When something was last done to its link. */
  protected troubledAt = -Infinity
  readonly #random: Random
  #instance: Instance | null = null

  constructor ({ name, proxy, backend, identity, random }: ClientOptions) {
    this.name = name
    this.proxy = proxy
    this.backend = backend
    this.token = JSON.stringify(identity)
    this.#random = random
  }

  /** Whether what it sends now arrives, as far as it knows. */
  abstract get isIn (): boolean

  /** Times that it came back, and its session went on. */
  abstract get resumes (): number

  abstract start (): void

  /** It is over with it, in good order; bounded. */
  abstract leave (): Promise<void>

  /** At once, whatever it is doing. */
  abstract destroy (): void

  /** Sends one event; false: it was not taken. */
  protected abstract send (event: string | Uint8Array): boolean

  trouble (isTroubled: boolean): void {
    this.isTroubled = isTroubled
    this.troubledAt = performance.now()
  }

  /** From now on it connects to this one. */
  moveTo (backend: Backend): void {
    this.backend = backend
    this.proxy.retarget({ port: backend.port })
  }

  speak (): void {
    for (let left = burst(this.#random); left > 0 && this.#instance !== null; left--) {
      const { stream, sent } = this.#instance
      if (!this.send(makeEvent(stream, sent + 1, this.#random))) return
      this.#instance.sent++
    }
  }

  protected get instance (): Instance | null {
    return this.#instance
  }

  protected begin (): void {
    this.#instance = { stream: `${this.name}.${this.instances.length + 1}`, sent: 0, heard: new Sequence(), peerId: null, end: null }
    this.instances.push(this.#instance)
  }

  protected over (end: Ending): void {
    if (this.#instance !== null) this.#instance.end = end
    this.#instance = null
  }
}
