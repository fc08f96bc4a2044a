import type { Clock, Timer } from '../../clock.js'
import { FairQueue } from '../../trunk/fair-queue.js'
import { Fault, JanusCode } from './messages.js'
import type { JanusMessage } from './messages.js'
import type { JanusRequest } from './request.js'

/** Requests that Janus has not answered at most: more bytes than the window has would be in nobody's sight. */
const MAX_UNANSWERED = 1_024
/** How often those are looked for that take too long, in milliseconds, or as often as they may take. */
const SWEEP_MS = 1_000

const UNWANTED = new Fault(JanusCode.unknown, 'nobody is there any more who wants this')
const STOPPED = new Fault(JanusCode.unknown, 'the backend is closing')

export interface RequestsOptions {
  /** Bytes that may be sent and not answered. */
  windowBytes: number
  /** How long Janus may take to answer, in milliseconds. */
  requestMs: number
  clock: Clock
}

export interface RequestsObserver {
  send (request: JanusRequest, number: number): void
  /** One less waits of this owner. */
  drained (owner: string): void
}

/**
 * All requests of all peers on the one way to Janus: which waits, which is under way, and whose an answer is. Janus says nothing
 * of how much it can take, so what is not answered yet is bounded, and the peers take turns for the rest.
 */
export class Requests {
  readonly #options: RequestsOptions
  readonly #observer: RequestsObserver
  readonly #waiting = new FairQueue<JanusRequest>()
  /** By number, oldest first: those that are not answered, and those whose event may yet come. */
  readonly #underWay = new Map<number, JanusRequest>()
  #unanswered = 0
  #unansweredBytes = 0
  #number = 0
  #isOpen = false
  #sweep: Timer | null = null

  constructor (options: RequestsOptions, observer: RequestsObserver) {
    this.#options = options
    this.#observer = observer
  }

  get waitingBytes (): number {
    return this.#waiting.bytes
  }

  get waitingOwners (): number {
    return this.#waiting.keys
  }

  get unansweredBytes (): number {
    return this.#unansweredBytes
  }

  bytesOf (owner: string): number {
    return this.#waiting.bytesOf(owner)
  }

  /** One more, in its turn. */
  push (request: JanusRequest): void {
    this.#waiting.push(request.owner, request)
    this.#pump()
  }

  /** At once, whoever waits: what has to be said before anything else can be. */
  pushFirst (request: JanusRequest): void {
    this.#send(request)
  }

  /** The trunk is there, and everything that has to be said first was. */
  open (): void {
    this.#isOpen = true
    this.#pump()
  }

  /**
   * The trunk is gone, and with it every answer that was under way. What can be said again is kept, and goes first when there is
   * another; who asked for the rest hears of it.
   */
  interrupt (): void {
    this.#isOpen = false
    this.#sweep?.cancel()
    this.#sweep = null
    const lost = [...this.#underWay.values()]
    this.#underWay.clear()
    this.#unanswered = this.#unansweredBytes = 0
    const rest: JanusRequest[] = []
    for (let request = this.#waiting.take(); request !== undefined; request = this.#waiting.take()) rest.push(request)
    const isAgain = (request: JanusRequest): boolean => !request.isAcked && !request.isAnswered && request.isRepeatable && !request.isOurs
    for (const request of [...lost.filter(isAgain), ...rest]) this.#waiting.push(request.owner, request)
    // Last, since some push what waited for them.
    for (const request of lost) {
      if (!request.isAnswered && !isAgain(request)) request.requester.failed(request, new Fault(JanusCode.unknown, 'the connection to Janus was lost: whether this was done is not known'))
    }
  }

  /** The request that an answer with this number is for; null: there is none, or it was answered before. */
  answered (number: number, { janus }: JanusMessage): JanusRequest | null {
    const request = this.#underWay.get(number)
    if (request === undefined) return null
    const isEvent = janus === 'event'
    if (janus === 'ack' ? request.isAcked : request.isAnswered && !isEvent) return null
    this.#credit(request)
    if (janus === 'ack') request.isAcked = true
    // Of an `ack` and an event either may be first.
    if (janus !== 'ack') request.isAnswered = true
    if ((request.isAnswered && (!isEvent || request.isAcked)) || (janus === 'ack' && request.verb !== 'message')) this.#underWay.delete(number)
    this.#pump()
    return request
  }

  stop (): void {
    this.#isOpen = false
    this.#sweep?.cancel()
    this.#underWay.clear()
    for (let request = this.#waiting.take(); request !== undefined; request = this.#waiting.take()) request.requester.failed(request, STOPPED)
  }

  #pump (): void {
    while (this.#isOpen) {
      const next = this.#waiting.peek()
      if (next === undefined) return
      // One that is larger than the window goes alone.
      if (this.#unanswered > 0 && (this.#unanswered >= MAX_UNANSWERED || this.#unansweredBytes + next.size > this.#options.windowBytes)) return
      this.#waiting.take()
      if (next.isWanted) this.#send(next)
      else next.requester.failed(next, UNWANTED)
      this.#observer.drained(next.owner)
    }
  }

  #send (request: JanusRequest): void {
    const number = ++this.#number
    request.sentAt = this.#options.clock.now()
    request.sendings++
    this.#underWay.set(number, request)
    this.#unanswered++
    this.#unansweredBytes += request.size
    this.#sweep ??= this.#options.clock.every(Math.min(SWEEP_MS, this.#options.requestMs), () => this.#expire())
    this.#observer.send(request, number)
  }

  /** The first answer, of whatever kind, makes room for another request. */
  #credit (request: JanusRequest): void {
    if (request.isAcked || request.isAnswered) return
    this.#unanswered--
    this.#unansweredBytes -= request.size
  }

  #expire (): void {
    const since = this.#options.clock.now() - this.#options.requestMs
    const late: JanusRequest[] = []
    for (const [number, request] of this.#underWay) {
      if (request.sentAt > since) break
      this.#underWay.delete(number)
      // After an `ack` there need not come anything.
      if (request.isAcked || request.isAnswered) continue
      this.#credit(request)
      late.push(request)
    }
    if (this.#underWay.size === 0) {
      this.#sweep?.cancel()
      this.#sweep = null
    }
    for (const request of late) request.requester.failed(request, new Fault(JanusCode.unknown, `Janus has not answered within ${this.#options.requestMs} ms`))
    this.#pump()
  }
}
