import type { Clock, Timer } from '../clock.js'
import { CloseCode } from '../close-codes.js'
import { unpinAll } from '../pins.js'
import type { Keeper, Pins } from '../pins.js'
import type { Accepted, Attachment, AttachmentReceiver, MediaServer, OpenAnswer, OpenRequest, Status } from '../relay/media-server.js'
import { Acknowledger } from '../session/acknowledger.js'
import { End, endLimits } from '../session/end.js'

export interface HoldOptions {
  /** How long a session is held whose link is lost, in milliseconds; 0: none is. */
  windowMs: number
  /** Bytes that may be unacknowledged in each direction. */
  windowBytes: number
  /** Events that may be, towards the client. */
  windowEvents: number
  clock: Clock
  /** Of all sessions. */
  pins: Pins
}

/** The media server's end of one session, in place of a media server that has none. */
export class HeldSession implements AttachmentReceiver, Keeper {
  isPinning = false
  readonly key: string
  readonly #request: OpenRequest
  readonly #options: HoldOptions
  readonly #gone: () => void
  readonly #end: End<{ data: Buffer, binary: boolean }>
  readonly #acks: Acknowledger
  #inner: Attachment | null = null
  /** Who hears of it; null while nobody is attached. */
  #receiver: AttachmentReceiver | null = null
  /** Which attachment is heard: what others still say is too late. */
  #attachment: HeldAttachment | null = null
  #window: Timer | null = null

  constructor (request: OpenRequest, key: string, options: HoldOptions, gone: () => void) {
    this.#request = request
    this.key = key
    this.#options = options
    this.#gone = gone
    this.#end = new End(endLimits(options))
    this.#acks = new Acknowledger(this.#end, options.clock, (received) => this.#receiver?.ack(received))
  }

  /** Bytes that wait for the client, or for the trunk. */
  get bufferedBytes (): number {
    return this.#end.keptBytes + (this.#inner?.bufferedBytes ?? 0)
  }

  /** Whether its client is expected back. */
  get isAway (): boolean {
    return this.#attachment === null || !this.#end.attached
  }

  begin (mediaServer: MediaServer, receiver: AttachmentReceiver): Attachment {
    const attachment = this.#attach(receiver)
    this.#inner = mediaServer.open({ ...this.#request, key: '', received: 0 }, this)
    return attachment
  }

  /** Its client is back, and shows the right key. */
  resume ({ received }: OpenRequest, receiver: AttachmentReceiver): Attachment {
    if (this.#end.judge(received) === 'old') return refusedLater(receiver, { code: CloseCode.replaced, reason: 'a newer link has this session' })
    this.#window?.cancel()
    this.#end.detach()
    const attachment = this.#attach(receiver)
    const { windowBytes } = this.#options
    // Not at once: who is opening has not got its attachment yet.
    queueMicrotask(() => {
      if (this.#attachment !== attachment) return
      if (!this.#end.attach({ received, windowBytes })) this.#refuse({ code: CloseCode.protocolError, reason: 'received what was never sent' })
      else {
        receiver.opened({ key: this.key, resumed: true, received: this.#end.received, windowBytes })
        this.#flush()
      }
    })
    return attachment
  }

  /** It is over for the media server too. */
  end (status: Status): void {
    this.#inner?.close(status.code, status.reason)
    this.forget()
  }

  /** The trunk is lost, and the session with it. */
  forget (): void {
    this.#window?.cancel()
    this.#acks.stop()
    this.#end.reset()
    this.#options.pins.forget(this)
    this.#inner = this.#receiver = this.#attachment = null
    this.#gone()
  }

  // From the client, through the attachment of the moment

  send (from: HeldAttachment, data: Buffer, binary: boolean): Accepted {
    if (from !== this.#attachment || this.#inner === null || !this.#end.attached) return 'full'
    const accepted = this.#inner.send(data, binary)
    // What was not taken has not been received: it will come again.
    if (accepted === 'taken' || accepted === 'pressed') {
      this.#end.take(data.length)
      this.#acks.took()
    }
    return accepted
  }

  skipFrom (from: HeldAttachment): Accepted {
    if (from !== this.#attachment || this.#inner === null || !this.#end.take(0)) return 'full'
    const accepted = this.#inner.skip()
    this.#acks.took()
    return accepted
  }

  acked (from: HeldAttachment, received: number): void {
    if (from !== this.#attachment || !this.#end.attached) return
    const acked = this.#end.ack(received)
    if (acked === 'taken') this.#flush()
    else if (acked === 'beyond') this.#close({ code: CloseCode.protocolError, reason: 'an acknowledgement of what was never sent' })
  }

  detach (from: HeldAttachment): void {
    if (from !== this.#attachment) return
    this.#end.detach()
    this.#awaitClient()
  }

  /** Every attachment is void: its client hears so from the relay. */
  trunkDown (): void {
    this.#window?.cancel()
    this.#end.detach()
    this.#receiver = this.#attachment = null
  }

  /** Whoever wants it asks for it now. */
  trunkUp (): void {
    if (this.#attachment === null) this.#awaitClient()
  }

  leave (from: HeldAttachment, status: Status): void {
    if (from === this.#attachment) this.end(status)
  }

  // From the media server

  opened (_answer: OpenAnswer): void {
    const { windowBytes } = this.#options
    // The trunk was lost meanwhile: its client asks anew.
    if (this.#attachment === null) return
    this.#end.attach({ received: 0, windowBytes })
    this.#receiver?.opened({ key: this.key, resumed: false, received: 0, windowBytes })
    this.#flush()
  }

  refused (status: Status): void {
    const receiver = this.#receiver
    this.forget()
    receiver?.refused(status)
  }

  event (data: Buffer, binary: boolean): void {
    if (this.#end.push({ data, binary }, data.length)) {
      this.#options.pins.keep(this, data)
      this.#flush()
    } else this.#close({ code: CloseCode.tooSlow, reason: 'too far behind' })
  }

  unpin (): void {
    unpinAll(this.#end.settle())
  }

  skip (): void {}

  ack (_received: number): void {}

  relieved (): void {
    this.#receiver?.relieved()
  }

  closed (status: Status): void {
    const receiver = this.#receiver
    this.forget()
    receiver?.closed(status)
  }

  #awaitClient (): void {
    this.#window?.cancel()
    this.#window = this.#options.clock.after(this.#options.windowMs, () => this.end({ code: CloseCode.normal, reason: 'the client did not come back' }))
  }

  #attach (receiver: AttachmentReceiver): HeldAttachment {
    this.#receiver = receiver
    this.#attachment = new HeldAttachment(this)
    return this.#attachment
  }

  #flush (): void {
    for (let event = this.#end.next(); event !== undefined; event = this.#end.next()) this.#receiver?.event(event.data, event.binary)
  }

  /** Ends it in both directions. */
  #close (status: Status): void {
    const receiver = this.#receiver
    this.end(status)
    receiver?.closed(status)
  }

  #refuse (status: Status): void {
    const receiver = this.#receiver
    this.end(status)
    receiver?.refused(status)
  }
}

/** An attachment that comes to nothing. Not at once: who is opening has not got it yet. */
export function refusedLater (receiver: AttachmentReceiver, status: Status): Attachment {
  let isOver = false
  queueMicrotask(() => { if (!isOver) receiver.refused(status) })
  return { bufferedBytes: 0, send: () => 'full', skip: () => 'full', ack () {}, detach () {}, close () { isOver = true } }
}

/** One attachment of the session: only the latest is heard. */
class HeldAttachment implements Attachment {
  readonly #session: HeldSession

  constructor (session: HeldSession) {
    this.#session = session
  }

  get bufferedBytes (): number {
    return this.#session.bufferedBytes
  }

  send (data: Buffer, binary: boolean): Accepted {
    return this.#session.send(this, data, binary)
  }

  skip (): Accepted {
    return this.#session.skipFrom(this)
  }

  ack (received: number): void {
    this.#session.acked(this, received)
  }

  detach (): void {
    this.#session.detach(this)
  }

  close (code: number, reason: string): void {
    this.#session.leave(this, { code, reason })
  }
}
