/** What one end allows itself: PROTOCOL.md, "Sessions". */
export interface EndLimits {
  /** Events under way, sent and not acknowledged, at most. */
  windowEvents: number
  /** Bytes that are kept at most: under way, and waiting for their turn. */
  keptBytes: number
  /** Events that are kept at most. */
  keptEvents: number
}

/** Where the other end stands, as its answer says. */
export interface Standing {
  /** Events that it has taken in since the session began. */
  received: number
  /**
   * Bytes that may be under way in each direction. 0: the other end counts nothing, so nothing is kept for it, and what is
   * lost stays lost.
   */
  windowBytes: number
}

/** What became of an acknowledgement: `beyond` is of what was never sent, `old` says less than one before it. */
export type Acked = 'taken' | 'beyond' | 'old'

export const DEFAULT_WINDOW_BYTES = 256 * 1024
export const DEFAULT_END_LIMITS: EndLimits = { windowEvents: 512, keptBytes: 1024 * 1024, keptEvents: 4096 }

/** The default limits for such a window: whatever it is, as much again can wait for it. */
export function endLimits ({ windowBytes = 0, windowEvents }: { windowBytes?: number, windowEvents: number }): EndLimits {
  const { keptBytes, keptEvents } = DEFAULT_END_LIMITS
  return { windowEvents, keptBytes: Math.max(keptBytes, 2 * windowBytes), keptEvents: Math.max(keptEvents, 2 * windowEvents) }
}

/**
 * An acknowledgement is due after so many events: others may take eight times as many, but what is kept for long costs more than to
 * say that it need not be, since the garbage collector moves it; ...
 */
export const ACK_EVENTS = 8
/** ... after a quarter of the window, or after so many milliseconds with anything unacknowledged. */
export const ACK_MS = 1_000
/** What an event costs beside its bytes, so that a queue of tiny ones is bounded too. */
const EVENT_COST = 64
/** Acknowledged events are cleared away when there are so many of them. */
const CLEAR_AT = 256

/**
 * One end of a session: it numbers what it sends and what it takes in, keeps what the other end has not acknowledged, and
 * sends that again after a resume. So each event is taken in once and in order, whatever was lost between the two ends.
 *
 * It knows no transport: its owner pushes, sends what `next` gives, and says what comes in. While it is not attached it
 * neither gives nor takes anything: what still arrives belongs to an older attachment, and will come again.
 */
export class End<Event> {
  readonly #limits: EndLimits
  #events: Array<Event | null> = []
  #sizes: number[] = []
  /** Index of the oldest event that is kept. */
  #head = 0
  /** Index of the next event to send. */
  #next = 0
  /** Index of the first that `settle` has not given out. */
  #settled = 0
  /** Number of events before the one at `#head`. */
  #acked = 0
  /** The most that was ever sent: an acknowledgement cannot be beyond it. */
  #sent = 0
  #keptBytes = 0
  #underWay = 0
  #windowBytes = 0
  #attached = false
  #received = 0
  #acknowledged = 0
  #unackedBytes = 0

  constructor (limits: EndLimits = DEFAULT_END_LIMITS) {
    this.#limits = limits
  }

  get attached (): boolean {
    return this.#attached
  }

  /** Events taken in since the session began. */
  get received (): number {
    return this.#received
  }

  /** Events handed out by `next` since the session began. */
  get sent (): number {
    return this.#sent
  }

  /** Bytes that are kept. */
  get keptBytes (): number {
    return this.#keptBytes
  }

  /** Whether anything waits for its turn. */
  get waiting (): boolean {
    return this.#next < this.#events.length
  }

  /** Whether the other end is to be told now how much was received. */
  get ackDue (): boolean {
    return this.ackOwed && (this.#received - this.#acknowledged >= ACK_EVENTS || this.#unackedBytes * 4 >= this.#windowBytes)
  }

  /** Whether anything was received that the other end has not been told of. */
  get ackOwed (): boolean {
    return this.#attached && this.#windowBytes > 0 && this.#received > this.#acknowledged
  }

  /** One more event to send. False: there is no room, and it was not taken. */
  push (event: Event, bytes: number): boolean {
    const { keptBytes, keptEvents } = this.#limits
    if (this.#keptBytes + bytes + EVENT_COST > keptBytes || this.#events.length - this.#head >= keptEvents) return false
    this.#events.push(event)
    this.#sizes.push(bytes + EVENT_COST)
    this.#keptBytes += bytes + EVENT_COST
    return true
  }

  /** What was pushed since the last time and is still kept. */
  settle (): Event[] {
    const events = this.#events.slice(Math.max(this.#head, this.#settled)) as Event[]
    this.#settled = this.#events.length
    return events
  }

  /** The next event that may be sent now; undefined: none, or not before more is acknowledged. */
  next (): Event | undefined {
    if (!this.#attached || this.#next >= this.#events.length) return undefined
    if (this.#windowBytes === 0) return this.#forgetNext()
    const size = this.#sizes[this.#next]!
    const events = this.#next - this.#head
    // One that is larger than the whole window goes alone.
    if (events > 0 && (events >= this.#limits.windowEvents || this.#underWay + size > this.#windowBytes)) return undefined
    const event = this.#events[this.#next++]!
    this.#underWay += size
    const sent = this.#acked + this.#next - this.#head
    if (sent > this.#sent) this.#sent = sent
    return event
  }

  /** What `ack` would answer. */
  judge (received: number): Acked {
    if (received > this.#sent) return 'beyond'
    return received < this.#acked ? 'old' : 'taken'
  }

  /** The other end has taken in the first `received` events. */
  ack (received: number): Acked {
    const judged = this.judge(received)
    if (judged !== 'taken') return judged
    // Nothing older than an attachment is taken in, so what it acknowledges is under way.
    for (; this.#acked < received; this.#acked++) this.#drop()
    this.#clear()
    return 'taken'
  }

  /** One event has come in; false: it belongs to an older attachment, and is not to be taken in. */
  take (bytes: number): boolean {
    if (!this.#attached) return false
    this.#received++
    this.#unackedBytes += bytes + EVENT_COST
    return true
  }

  /** What to tell the other end now: how many events were received. */
  acknowledge (): number {
    this.#acknowledged = this.#received
    this.#unackedBytes = 0
    return this.#received
  }

  /**
   * The other end has answered: the session goes on, from where each of them stands. False: it cannot, since the other end
   * has got what was never sent, or has less than it once acknowledged.
   */
  attach ({ received, windowBytes }: Standing): boolean {
    this.detach()
    if (windowBytes > 0 && this.ack(received) !== 'taken') return false
    this.#windowBytes = windowBytes
    this.#attached = true
    // The answer was asked for with our count.
    this.acknowledge()
    return true
  }

  /** The way to the other end is gone, or is being asked for anew. */
  detach (): void {
    this.#attached = false
    this.#next = this.#head
    this.#underWay = 0
  }

  /** Both ends begin anew: nothing of the old session is of any use. */
  reset (): void {
    this.detach()
    this.#events = []
    this.#sizes = []
    this.#head = this.#next = this.#settled = this.#acked = this.#sent = this.#keptBytes = 0
    this.#received = this.#acknowledged = this.#unackedBytes = 0
  }

  /** Takes the oldest event out. */
  #drop (): void {
    const size = this.#sizes[this.#head]!
    this.#keptBytes -= size
    if (this.#head < this.#next) this.#underWay -= size
    else this.#next++
    this.#events[this.#head++] = null
  }

  #forgetNext (): Event {
    const event = this.#events[this.#head]!
    this.#drop()
    this.#acked++
    // It may have been sent before, when there was a window.
    if (this.#acked > this.#sent) this.#sent = this.#acked
    this.#clear()
    return event
  }

  #clear (): void {
    if (this.#head === this.#events.length) {
      this.#events = []
      this.#sizes = []
      this.#head = this.#next = this.#settled = 0
    } else if (this.#head >= CLEAR_AT && this.#head * 2 >= this.#events.length) {
      this.#events.splice(0, this.#head)
      this.#sizes.splice(0, this.#head)
      this.#next -= this.#head
      this.#settled = Math.max(0, this.#settled - this.#head)
      this.#head = 0
    }
  }
}
