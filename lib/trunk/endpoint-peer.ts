import { EventEmitter, captureRejectionSymbol } from 'node:events'
import { CloseCode, fitReason, isSendable } from '../close-codes.js'
import type { Channel } from './channel.js'
import { frame } from './schema.js'
import type { Frame } from './schema.js'

/** Thrown by `onPeer` to refuse a peer: the client sees the code and the reason. */
export class EndpointRefusal extends Error {
  override name = 'EndpointRefusal'
  readonly code: number

  /** @param code as in `close-codes.ts`: 4403 forbidden, 4404 no such room, 1013 try again later */
  constructor (code: number, reason: string) {
    super(reason)
    this.code = isSendable(code) ? code : CloseCode.forbidden
  }
}

export interface EndpointPeerEvents {
  /** One media event from the client, as the backend's hooks left it. The bytes are a view: copy them to keep them. */
  mediaEvent: [data: Buffer, binary: boolean]
  /** The peer is over, for whatever reason; emitted exactly once. */
  close: [status: { code: number, reason: string }]
}

export interface EndpointPeerIdentity<Metadata> {
  id: string
  roomId: string
  metadata: Metadata
  epoch: number
  key: string
}

/** What a peer needs of its endpoint. */
export interface EndpointPeerOwner {
  /** The peer is over. */
  gone (): void
  /** A listener of the app threw. */
  failed (error: unknown): void
}

/** Events that may wait for the backend to hear that the peer is open. */
const MAX_EARLY = 512

/** One client, as the media server sees it. */
export class EndpointPeer<Metadata = unknown> extends EventEmitter<EndpointPeerEvents> {
  /** The `peer_id`: given by the backend, unique on this media server. */
  readonly id: string
  readonly roomId: string
  /** What the backend's `authenticate` said of the client. */
  readonly metadata: Metadata
  /** The number of this attachment: larger than any before it. */
  readonly epoch: number
  /** By which the backend may ask for this session again. A secret. */
  readonly key: string
  /** @internal The trunk that it came over. */
  readonly trunk: Channel
  readonly #owner: EndpointPeerOwner
  readonly #tag: Buffer
  /** What was sent before the backend heard that the peer is open; null once it has. */
  #early: Frame[] | null = []
  #end: { code: number, reason: string } | null = null

  /** @internal Endpoints make them. */
  constructor ({ id, roomId, metadata, epoch, key }: EndpointPeerIdentity<Metadata>, trunk: Channel, owner: EndpointPeerOwner) {
    // A listener may be async: what it rejects with is to end this peer, not the process.
    super({ captureRejections: true })
    this.id = id
    this.roomId = roomId
    this.metadata = metadata
    this.epoch = epoch
    this.key = key
    this.trunk = trunk
    this.#owner = owner
    this.#tag = trunk.tag(id, epoch)
  }

  get isOver (): boolean {
    return this.#end !== null
  }

  /** @internal How it ended, once it has. */
  get end (): { code: number, reason: string } | null {
    return this.#end
  }

  /**
   * One media event to the client: a string as text, bytes as binary. The bytes must not be changed afterwards. A trunk
   * whose queue is full ends the peer (4008), so a slow backend costs memory up to `queueBytes` and no more.
   */
  send (data: string | Uint8Array): void {
    if (this.#end !== null) return
    const event: Frame = typeof data === 'string'
      ? { peerId: this.id, epoch: this.epoch, kind: 'text', body: Buffer.from(data) }
      : { peerId: this.id, epoch: this.epoch, kind: 'binary', body: Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength) }
    if (this.#early === null) this.#write(event)
    else if (this.#early.push(event) > MAX_EARLY) this.over({ code: CloseCode.tooSlow, reason: `more than ${MAX_EARLY} events before the peer was open` }, true)
  }

  /** Ends the peer: its client is closed with this code and reason (`close-codes.ts` has the codes and their advice). */
  close (code: number = CloseCode.removed, reason = 'removed'): void {
    this.over({ code: isSendable(code) ? code : CloseCode.removed, reason }, true)
  }

  /** @internal */
  override [captureRejectionSymbol]<K> (error: Error, _event: keyof EndpointPeerEvents | K, ..._args: K extends keyof EndpointPeerEvents ? EndpointPeerEvents[K] : never): void {
    this.#failed(error)
  }

  /** @internal From the trunk. A listener that throws ends this peer, not the trunk of all the others. */
  receive (data: Buffer, binary: boolean): void {
    try {
      this.emit('mediaEvent', data, binary)
    } catch (error) {
      this.#failed(error)
    }
  }

  /** @internal The backend may hear of it now, and of what was sent meanwhile. */
  opened (answer: Frame): void {
    this.trunk.send(answer)
    const early = this.#early ?? []
    this.#early = null
    for (const event of early) this.#write(event)
  }

  /** @internal The one exit. */
  over (status: { code: number, reason: string }, tell: boolean): void {
    if (this.#end !== null) return
    this.#end = status
    // Before `opened` there is nothing to close: a refusal answers the asking.
    if (tell && this.#early === null) this.trunk.send(frame('close', { code: status.code, reason: fitReason(status.reason), id: 0 }, this.id, this.epoch))
    this.#owner.gone()
    try {
      this.emit('close', status)
    } catch (error) {
      this.#owner.failed(error)
    }
  }

  #failed (error: unknown): void {
    this.#owner.failed(error)
    this.over({ code: CloseCode.internalError, reason: 'internal error' }, true)
  }

  #write (event: Frame): void {
    const accepted = this.trunk.sendEvent(event, this.#tag)
    if (accepted === 'full') this.over({ code: CloseCode.tooSlow, reason: 'the trunk is full' }, true)
    else if (accepted === 'too big') this.over({ code: CloseCode.messageTooBig, reason: 'an event is larger than the trunk takes' }, true)
  }
}
