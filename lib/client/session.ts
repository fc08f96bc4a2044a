import type { Clock } from '../clock.js'
import { Acknowledger } from '../session/acknowledger.js'
import { End } from '../session/end.js'
import type { EndLimits } from '../session/end.js'
import { LINK_VERSION, ackMessage, binaryEventMessage, controlMessage } from '../session/messages.js'
import type { Joined } from '../session/messages.js'
import { full, notText } from './errors.js'

/** What carries the session at the moment. */
export interface Wire {
  readonly open: boolean
  send (data: string | Uint8Array): void
}

/** What an answer has made of the session. */
export interface Entered {
  resumed: boolean
  /** There was one, and it is over: what was kept for it is gone. */
  reset: boolean
  /** False: the answer counts what cannot be, and nothing goes on from it. */
  possible: boolean
}

const encoder = new TextEncoder()
const sizeOf = (event: string | Uint8Array): number => (typeof event === 'string' ? encoder.encode(event) : event).length

/** The client's end of its session, and what it takes to go on with it on another socket. */
export class Session {
  readonly #end: End<string | Uint8Array>
  readonly #acks: Acknowledger
  /** Tells this client from all others, so that its askings can be told apart by their number. Nobody else is to know it. */
  readonly #client = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(36)).join('')
  #wire: Wire | null = null
  #identity: { peerId: string, roomId: string } | null = null
  /** Null: the session cannot be asked for any more. */
  #key: string | null = null
  #asked = 0
  /** The asking whose answer counts. */
  #awaited: number | null = null

  constructor (limits: EndLimits, clock: Clock) {
    this.#end = new End(limits)
    this.#acks = new Acknowledger(this.#end, clock, (received) => this.#wire?.send(ackMessage(received)))
  }

  get peerId (): string | null {
    return this.#identity?.peerId ?? null
  }

  get roomId (): string | null {
    return this.#identity?.roomId ?? null
  }

  /** What to ask the backend while detached. Only the answer to it counts. */
  join (token: string | undefined): Uint8Array {
    this.#awaited = ++this.#asked
    return controlMessage({
      type: 'join',
      id: this.#awaited,
      version: LINK_VERSION,
      client: this.#client,
      ...token !== undefined && { token },
      ...this.#identity !== null && this.#key !== null && { resume: { peerId: this.#identity.peerId, key: this.#key, received: this.#end.received } }
    })
  }

  /** Goes on as the answer says; null: it is not the one that counts. What waits is sent by `flush`. */
  enter (answer: Joined, wire: Wire): Entered | null {
    if (answer.id !== this.#awaited) return null
    const resumed = answer.resumed && this.#key !== null
    const reset = !resumed && this.#identity !== null
    if (reset) this.reset()
    this.#awaited = null
    if (!this.#end.attach(answer)) return { resumed, reset, possible: false }
    const { peerId, roomId, key } = answer
    this.#wire = wire
    this.#identity = { peerId, roomId }
    this.#key = key
    return { resumed, reset, possible: true }
  }

  /** @throws LinkError TRK_LINK_FULL, TRK_LINK_TEXT */
  send (event: string | Uint8Array): void {
    if (typeof event === 'string' && /\p{Surrogate}/u.test(event)) throw notText()
    // In the shape in which it is sent, which is a copy: the app may use its own again.
    const message = typeof event === 'string' ? event : binaryEventMessage(event)
    if (!this.#end.push(message, sizeOf(event))) throw full()
    this.flush()
  }

  /** Sends what may be sent now. */
  flush (): void {
    while (this.#wire?.open === true) {
      const event = this.#end.next()
      if (event === undefined) return
      this.#wire.send(event)
    }
  }

  /** One event has come in, or the place of one; false: it is not to be taken in. */
  take (event: string | Uint8Array = ''): boolean {
    if (!this.#end.take(sizeOf(event))) return false
    this.#acks.took()
    return true
  }

  /** The backend acknowledges; false: what was never sent. */
  acked (received: number): boolean {
    // What comes while another answer is awaited is of an older attachment, and may count what that one lacked.
    if (!this.#end.attached) return true
    if (this.#end.ack(received) === 'beyond') return false
    this.flush()
    return true
  }

  /** Nothing is sent or taken in until `enter`. */
  pause (): void {
    this.#end.detach()
    this.#wire = null
    this.#acks.stop()
  }

  /** As `pause`, and the answer to what was asked so far does not count either. */
  detach (): void {
    this.pause()
    this.#awaited = null
  }

  /** The session cannot go on: the next answer begins another, which the app is told of. */
  forget (): void {
    this.#key = null
  }

  /** The session is over, and so is what was kept for it. Only while detached. */
  reset (): void {
    this.#end.reset()
    this.#identity = this.#key = null
  }
}
