import type { JanusRequest } from './request.js'

/**
 * One handle of a session. Janus gives the messages of plugins to a pool of threads, in no order, and lets everything else
 * overtake them: so what follows a message waits until Janus has begun with it, which its first answer says.
 */
export class JanusHandle {
  readonly id: number
  readonly plugin: string
  readonly #send: (request: JanusRequest) => void
  /** The message that has no answer yet. */
  #first: JanusRequest | null = null
  #waiting: JanusRequest[] = []
  #bytes = 0

  constructor (id: number, plugin: string, send: (request: JanusRequest) => void) {
    this.id = id
    this.plugin = plugin
    this.#send = send
  }

  /** Bytes that wait for the message before them. */
  get bytes (): number {
    return this.#bytes
  }

  push (request: JanusRequest): void {
    if (this.#first !== null) {
      this.#waiting.push(request)
      this.#bytes += request.size
      return
    }
    if (request.blocks) this.#first = request
    this.#send(request)
  }

  /** A first answer, or the certainty that there will be none. */
  settled (request: JanusRequest): void {
    if (this.#first !== request) return
    this.#first = null
    while (this.#first === null) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#bytes -= next.size
      this.push(next)
    }
  }

  /** It is no more: what waits is given back. */
  close (): JanusRequest[] {
    const waiting = this.#waiting
    this.#waiting = []
    this.#bytes = 0
    this.#first = null
    return waiting
  }
}
