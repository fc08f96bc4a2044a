import { CloseCode } from '../close-codes.js'
import { unpinAll } from '../pins.js'
import type { Keeper, Pins } from '../pins.js'
import type { JoinAnswer, Link } from '../relay/link.js'
import type { Status } from '../relay/media-server.js'
import type { LeaveReason } from '../relay/peer.js'
import { Acknowledger } from '../session/acknowledger.js'
import { DEFAULT_END_LIMITS } from '../session/end.js'
import type { Admitted, Door, Session } from './dialect.js'
import { Estate } from './estate.js'

/** Bytes under way at most, whatever the media server allows: of what is kept as much again has to have room to wait. */
const MAX_WINDOW_BYTES = DEFAULT_END_LIMITS.keptBytes / 2

/** How a dialect says things to its client. */
export interface Wire {
  /** Bytes that wait unsent. */
  readonly bufferedBytes: number
  /** The client is in: told once. */
  joined (answer: JoinAnswer): void
  send (data: Buffer, binary: boolean): void
  pause (): void
  resume (): void
  close (status: Status): void
}

/**
 * The client's end of a session, for clients that keep none themselves: it lives as long as their link, and so outlives the
 * trunk. What the client sends is kept here until the media server has acknowledged it. Where a dialect can tell whose a new
 * link is, it keeps the estate, and gives it to the stand-in of that one.
 */
export class StandIn implements Link, Keeper {
  readonly resumes: boolean
  readonly endIsHere = true
  isPinning = false
  readonly #wire: Wire
  readonly #queueBytes: number
  readonly #windowEvents: number
  /** Another's, once this link is closed: then an empty one is in its place. */
  #estate: Estate
  readonly #acks: Acknowledger
  readonly #pins: Pins
  #session: Session | null = null
  #greeted = false
  #closed = false
  /** Whether the relay takes no more for now. */
  #held = false
  #paused = false
  /** What is done as soon as all that the client has said is on its way: it is not read any more. */
  #retire: (() => void) | null = null

  /** @param estate of a session that outlives its links: attached to none, once the relay has closed the one before */
  constructor (wire: Wire, { clock, queueBytes, windowEvents, pins }: Pick<Door, 'clock' | 'queueBytes' | 'windowEvents' | 'pins'>, estate: Estate | null = null) {
    this.#wire = wire
    this.resumes = estate !== null
    this.#windowEvents = windowEvents
    this.#estate = estate ?? new Estate(windowEvents)
    this.#acks = new Acknowledger(this.#end, clock, (received) => this.#session?.ack(received))
    this.#queueBytes = queueBytes
    this.#pins = pins
  }

  get bufferedBytes (): number {
    return this.#end.keptBytes + this.#wire.bufferedBytes
  }

  get #end (): Estate['end'] {
    return this.#estate.end
  }

  /** @throws Refusal */
  enter (admitted: Admitted): void {
    const session = admitted.enter(this, this.#estate.claim())
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
    const isLost = this.#estate.peerId !== null && !answer.resumed
    if (isLost && (this.#end.sent > 0 || this.#end.received > 0)) {
      this.ended({ code: CloseCode.mediaServerReset, reason: 'the media server has forgotten the session', cause: 'media server reset' })
      return
    }
    this.#estate.joined(answer.peerId, answer.key)
    if (!this.#end.attach({ ...answer, windowBytes: Math.min(answer.windowBytes, MAX_WINDOW_BYTES) })) {
      this.ended({ code: CloseCode.internalError, reason: 'the media server counts otherwise', cause: 'media server' })
      return
    }
    if (!this.#greeted) this.#wire.joined(answer)
    this.#greeted = true
    this.#flush()
  }

  suspended (): void {
    this.#end.detach()
    this.#retireOnceEmpty()
  }

  rejoin (reason: 'trunk' | 'token'): void {
    // There is nobody here who could be asked for another token.
    if (reason === 'trunk') this.#session?.ask(this.#estate.claim())
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

  /** Clients of these kinds know media events and nothing else. */
  recordings (): void {}

  say (): boolean {
    return false
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
    if (this.resumes) this.#leave()
    else this.#end.reset()
    this.#pins.forget(this)
    this.#wire.close(status)
  }

  /** The next link has the estate, and nothing that still comes on this one gets into it. */
  #leave (): void {
    this.#end.detach()
    this.unpin()
    this.#estate = new Estate(this.#windowEvents)
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
