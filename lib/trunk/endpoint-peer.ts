import { EventEmitter, captureRejectionSymbol } from 'node:events'
import type { Timer } from '../clock.js'
import { CloseCode, isSendable } from '../close-codes.js'
import { unpinAll } from '../pins.js'
import { Acknowledger } from '../session/acknowledger.js'
import { End } from '../session/end.js'
import type { Acked } from '../session/end.js'
import type { Channel } from './channel.js'
import { EndpointAttachment } from './endpoint-attachment.js'
import type { Asked, EndpointPeerEvents, EndpointPeerIdentity, EndpointPeerOwner } from './endpoint-peer-owner.js'

interface Sent {
  data: Buffer
  binary: boolean
}

/** One client, as the media server sees it: its session, and this server's end of it. */
export class EndpointPeer<Metadata = unknown> extends EventEmitter<EndpointPeerEvents> {
  /** The `peer_id`: given by the backend, unique on this media server. */
  readonly id: string
  readonly roomId: string
  /** @internal */
  isPinning = false
  /** By which the backend may ask for this session again. A secret, and so in nobody's log. */
  readonly #key: string
  readonly #owner: EndpointPeerOwner
  readonly #end: End<Sent>
  readonly #acks: Acknowledger
  #metadata: Metadata
  /** With which the client may ask again, until we hear that it knows `#key`. */
  #oldKey: string
  #asked: Asked
  #at: EndpointAttachment
  #state: 'opening' | 'attached' | 'detached' | 'over' = 'opening'
  #status: { code: number, reason: string } | null = null
  #window: Timer | null = null
  #pressed = false

  /** @internal Endpoints make them. */
  constructor ({ id, roomId, metadata, key, asked }: EndpointPeerIdentity<Metadata>, trunk: Channel, epoch: number, owner: EndpointPeerOwner) {
    // A listener may be async: what it rejects with is to end this peer, not the process.
    super({ captureRejections: true })
    this.id = id
    this.roomId = roomId
    this.#key = key
    this.#asked = asked
    this.#oldKey = asked.key
    this.#metadata = metadata
    this.#owner = owner
    this.#end = new End(owner.session.limits)
    this.#acks = new Acknowledger(this.#end, owner.clock, (received) => this.#at.ack(received))
    this.#at = new EndpointAttachment(id, trunk, epoch)
  }

  /** What the backend's `authenticate` said of the client, the last time that it came. */
  get metadata (): Metadata {
    return this.#metadata
  }

  /** The number of this attachment: larger than any before it. */
  get epoch (): number {
    return this.#at.epoch
  }

  /** Whether what is sent now goes out at once. */
  get isAttached (): boolean {
    return this.#state === 'attached'
  }

  /** Bytes that are kept for it, under way or waiting. */
  get bufferedBytes (): number {
    return this.#end.keptBytes
  }

  get isDetached (): boolean {
    return this.#state === 'detached'
  }

  get isOver (): boolean {
    return this.#state === 'over'
  }

  /** @internal The trunk that it came over last. */
  get trunk (): Channel {
    return this.#at.trunk
  }

  /** @internal How it ended, once it has. */
  get end (): { code: number, reason: string } | null {
    return this.#status
  }

  /** @internal Whether its client's end has asked for more since. */
  isLate ({ asker, turn }: Asked): boolean {
    return asker !== '' && asker === this.#asked.asker && turn < this.#asked.turn
  }

  /** @internal Whether a backend that asks with `key` asks for this session, or for the answer that it did not get. */
  isAskedFor (key: string, isSame: (one: string, other: string) => boolean): 'session' | 'answer' | null {
    if (isSame(key, this.#key)) return this.#state === 'opening' ? 'answer' : 'session'
    return isSame(key, this.#oldKey) ? 'answer' : null
  }

  /**
   * One media event to the client. The bytes must not be changed afterwards. False: it waits for the client to take in what was
   * sent before, and `drain` follows. A client that is too far behind, by `sessionBytes` or 4 096 events, is ended (4008).
   * @param binary a string goes as text and bytes as binary, unless this says otherwise; bytes that go as text are UTF-8, or the
   * backend ends the peer (1011)
   */
  send (data: string | Uint8Array, binary = typeof data !== 'string'): boolean {
    if (this.#state === 'over') return false
    const bytes = typeof data === 'string' ? Buffer.from(data) : Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    if (!this.#end.push({ data: bytes, binary }, bytes.length)) {
      this.over({ code: CloseCode.tooSlow, reason: 'too far behind' }, true)
      return false
    }
    // What came in as a part of a large read may be what is sent, and is kept until it is acknowledged.
    this.#owner.pins.keep(this, bytes)
    this.flush()
    this.#owner.received(bytes.length)
    this.#pressed = this.#end.waiting
    return !this.#pressed
  }

  /** Ends the peer: its client is closed with this code and reason (`close-codes.ts` has the codes and their advice). */
  close (code: number = CloseCode.removed, reason = 'removed'): void {
    this.over({ code: isSendable(code) ? code : CloseCode.removed, reason }, true)
  }

  /** @internal */
  unpin (): void {
    unpinAll(this.#end.settle())
  }

  /** @internal There is too much in memory. */
  shed (): void {
    this.over({ code: CloseCode.tooSlow, reason: 'too much is buffered' }, true)
  }

  /** @internal */
  override [captureRejectionSymbol]<K> (error: Error, _event: keyof EndpointPeerEvents | K, ..._args: K extends keyof EndpointPeerEvents ? EndpointPeerEvents[K] : never): void {
    this.#failed(error)
  }

  /** @internal From the trunk. */
  receive (data: Buffer, binary: boolean): void {
    if (!this.#end.take(data.length)) return
    this.#oldKey = ''
    try {
      this.emit('mediaEvent', data, binary)
    } catch (error) {
      this.#failed(error)
    }
    this.#acks.took()
  }

  /** @internal The place of an event that the backend's hooks dropped. */
  skip (): void {
    if (this.#end.take(0)) this.#acks.took()
  }

  /** @internal The client's end has received so many. */
  ack (received: number): void {
    if (!this.#end.attached) return
    this.#oldKey = ''
    const acked = this.#end.ack(received)
    if (acked === 'beyond') this.over({ code: CloseCode.protocolError, reason: 'an acknowledgement of what was never sent' }, true)
    else if (acked === 'taken') this.flush()
  }

  /** @internal The app has accepted the peer: the backend may hear of it now, and of what was sent meanwhile. */
  opened (id: number): void {
    if (this.#attach(id, 0, false)) this.flush()
  }

  /**
   * @internal It is back, on this trunk and under this epoch. `old`: nothing has changed, since this was asked before what
   * the client has acknowledged meanwhile on a newer link. `beyond`: its count cannot be, and it is over.
   */
  resume (asked: Asked & { id: number, received: number }, trunk: Channel, epoch: number, metadata: Metadata): Acked {
    const { id, received } = asked
    const judged = this.#end.judge(received)
    if (judged === 'old') return judged
    // Whoever had it hears that it is another's, and is not listened to any more: a backend that only held it for the client, too.
    if (this.#state === 'attached' || trunk !== this.#at.trunk) this.#at.close({ code: CloseCode.replaced, reason: 'moved to a newer link' })
    this.#window?.cancel()
    this.#asked = asked
    this.#metadata = metadata
    this.#at = new EndpointAttachment(this.id, trunk, epoch)
    if (!this.#attach(id, received, true)) {
      this.over({ code: CloseCode.protocolError, reason: 'received what was never sent' }, false)
      return judged
    }
    this.#tell('attach')
    this.flush()
    return judged
  }

  /** @internal The link or the trunk is lost: the session is held for its window. */
  detach (): void {
    const { clock, session } = this.#owner
    if (this.#state !== 'attached') return
    if (session.windowMs === 0) return this.over({ code: CloseCode.normal, reason: 'the client is gone' }, false)
    this.#state = 'detached'
    this.#end.detach()
    this.#window = clock.after(session.windowMs, () => this.over({ code: CloseCode.trunkLost, reason: 'the client did not come back' }, true))
    this.#tell('detach')
  }

  /** @internal */
  trunkLost (): void {
    // Of one that was still being opened nobody knows.
    if (this.#state === 'opening') this.over({ code: CloseCode.trunkLost, reason: 'the trunk was lost' }, false)
    else this.detach()
  }

  /** @internal Sends what may be sent now. */
  flush (): void {
    // Asked before each: what is taken out of the end is on its way.
    while (this.#at.hasRoom) {
      const event = this.#end.next()
      if (event === undefined) break
      if (this.#at.event(event.data, event.binary) === 'too big') return this.over({ code: CloseCode.messageTooBig, reason: 'an event is larger than the trunk takes' }, true)
    }
    if (this.#pressed && !this.#end.waiting) {
      this.#pressed = false
      this.#tell('drain')
    }
  }

  /** @internal The one exit. */
  over (status: { code: number, reason: string }, tell: boolean): void {
    if (this.#state === 'over') return
    // Before `opened` there is nothing to close: a refusal answers the asking.
    if (tell && this.#state !== 'opening') this.#at.close(status)
    this.#state = 'over'
    this.#status = status
    this.#window?.cancel()
    this.#acks.stop()
    this.#end.reset()
    this.#owner.pins.forget(this)
    this.#owner.gone()
    try {
      this.emit('close', status)
    } catch (error) {
      this.#owner.failed(error)
    }
  }

  #attach (id: number, received: number, resumed: boolean): boolean {
    const { session } = this.#owner
    const windowBytes = session.windowMs === 0 ? 0 : session.windowBytes
    if (!this.#end.attach({ received, windowBytes })) return false
    this.#state = 'attached'
    this.#at.opened({ id, key: this.#key, resumed, received: this.#end.received, windowBytes, recordings: this.#owner.recordings() })
    return true
  }

  /** A listener that throws ends this peer, not the trunk of all the others. */
  #tell (name: 'detach' | 'attach' | 'drain'): void {
    try {
      this.emit(name)
    } catch (error) {
      this.#failed(error)
    }
  }

  #failed (error: unknown): void {
    this.#owner.failed(error)
    this.over({ code: CloseCode.internalError, reason: 'internal error' }, true)
  }
}
