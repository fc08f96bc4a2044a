import { CloseCode } from '../close-codes.js'
import { unpinAll } from '../pins.js'
import type { Keeper, Pins } from '../pins.js'
import type { JoinAnswer, Link } from '../relay/link.js'
import type { Status } from '../relay/media-server.js'
import type { LeaveReason } from '../relay/peer.js'
import { Acknowledger } from '../session/acknowledger.js'
import { DEFAULT_END_LIMITS, End, endLimits } from '../session/end.js'
import { NEW } from './dialect.js'
import type { Admitted, Door, Session } from './dialect.js'

/** Bytes under way at most, whatever the media server allows: of what is kept as much again has to have room to wait. */
const MAX_WINDOW_BYTES = DEFAULT_END_LIMITS.keptBytes / 2

/** How a dialect says things to its client. */
export interface Wire {
  /** Bytes that wait unsent. */
  readonly bufferedBytes: number
  /** The client is in: told once. */
  joined (): void
  send (data: Buffer, binary: boolean): void
  pause (): void
  resume (): void
  close (status: Status): void
}

/**
 * The client's end of a session, for clients that keep none themselves: it lives as long as their link, and so outlives the
 * trunk. What the client sends is kept here until the media server has acknowledged it.
 */
export class StandIn implements Link, Keeper {
  readonly resumes = false
  isPinning = false
  readonly #wire: Wire
  readonly #queueBytes: number
  readonly #end: End<{ data: Buffer, binary: boolean }>
  readonly #acks: Acknowledger
  readonly #pins: Pins
  #session: Session | null = null
  #key = ''
  #greeted = false
  #closed = false
  /** Whether the relay takes no more for now. */
  #held = false
  #paused = false
  /** What is done as soon as all that the client has said is on its way: it is not read any more. */
  #retire: (() => void) | null = null

  constructor (wire: Wire, { clock, queueBytes, windowEvents, pins }: Pick<Door, 'clock' | 'queueBytes' | 'windowEvents' | 'pins'>) {
    this.#wire = wire
    this.#end = new End(endLimits({ windowEvents }))
    this.#acks = new Acknowledger(this.#end, clock, (received) => this.#session?.ack(received))
    this.#queueBytes = queueBytes
    this.#pins = pins
  }

  get bufferedBytes (): number {
    return this.#end.keptBytes + this.#wire.bufferedBytes
  }

  /** @throws Refusal */
  enter (admitted: Admitted): void {
    const session = admitted.enter(this, NEW)
    // It may have ended before it began.
    if (this.#closed) return
    this.#session = session
    this.#flush()
  }

  /** One media event from the client. */
  uplink (data: Buffer, binary: boolean): void {
    if (this.#closed) return
    if (!this.#end.push({ data, binary }, data.length)) {
      this.ended({ code: CloseCode.tooSlow, reason: 'too much waits', cause: 'too slow' })
      return
    }
    this.#pins.keep(this, data)
    this.#flush()
  }

  unpin (): void {
    unpinAll(this.#end.settle())
  }

  /** The link is of no more use. */
  ended (reason: LeaveReason): void {
    const session = this.#session
    if (session === null) this.close(reason)
    else session.end(reason)
  }

  /** The link is to end, after what the client has said. */
  retire (reason: LeaveReason, forGood: boolean): void {
    const session = this.#session
    if (session === null) {
      this.close(reason)
      return
    }
    this.#retire = () => session.retire(reason, forGood)
    this.#steer()
    this.#retireOnceEmpty()
  }

  // From the relay

  joined (answer: JoinAnswer): void {
    const isLost = this.#greeted && !answer.resumed
    if (isLost && (this.#end.sent > 0 || this.#end.received > 0)) {
      this.ended({ code: CloseCode.mediaServerReset, reason: 'the media server has forgotten the session', cause: 'media server reset' })
      return
    }
    this.#key = answer.key
    if (!this.#end.attach({ ...answer, windowBytes: Math.min(answer.windowBytes, MAX_WINDOW_BYTES) })) {
      this.ended({ code: CloseCode.internalError, reason: 'the media server counts otherwise', cause: 'media server' })
      return
    }
    if (!this.#greeted) this.#wire.joined()
    this.#greeted = true
    this.#flush()
  }

  suspended (): void {
    this.#end.detach()
    this.#retireOnceEmpty()
  }

  rejoin (reason: 'trunk' | 'token'): void {
    // There is nobody here who could be asked for another token.
    if (reason === 'trunk') this.#session?.ask({ ...NEW, key: this.#key, received: this.#end.received })
  }

  send (data: Buffer, binary: boolean): void {
    if (!this.#end.take(data.length)) return
    this.#wire.send(data, binary)
    this.#acks.took()
  }

  skip (): void {
    if (this.#end.take(0)) this.#acks.took()
  }

  ack (received: number): void {
    if (!this.#end.attached) return
    const acked = this.#end.ack(received)
    if (acked === 'beyond') this.ended({ code: CloseCode.internalError, reason: 'the media server acknowledges what was not sent', cause: 'media server' })
    else if (acked === 'taken') this.#flush()
  }

  pause (): void {
    this.#held = true
    this.#steer()
  }

  resume (): void {
    this.#held = false
    this.#flush()
  }

  close (status: Status): void {
    if (this.#closed) return
    this.#closed = true
    this.#session = null
    this.#acks.stop()
    this.#end.reset()
    this.#pins.forget(this)
    this.#wire.close(status)
  }

  #flush (): void {
    while (this.#session !== null && !this.#held) {
      const event = this.#end.next()
      if (event === undefined) break
      this.#session.uplink(event.data, event.binary)
    }
    this.#steer()
    this.#retireOnceEmpty()
  }

  #retireOnceEmpty (): void {
    // Without a trunk it would be to wait for what may never come.
    if (this.#retire === null || this.#closed || (this.#end.waiting && this.#end.attached)) return
    const retire = this.#retire
    this.#retire = () => {}
    retire()
  }

  /** Reads the client while there is room for what it says. */
  #steer (): void {
    if (this.#closed) return
    const end = this.#end
    // Before it is attached some is taken in all the same: who never reads a socket does not see that it is closed.
    const isFull = end.waiting && (end.attached || end.keptBytes > this.#queueBytes)
    if ((this.#held || isFull || this.#retire !== null) === this.#paused) return
    this.#paused = !this.#paused
    if (this.#paused) this.#wire.pause()
    else this.#wire.resume()
  }
}
