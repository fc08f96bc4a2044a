import { fullJitter } from '../backoff.js'
import { CloseCode, fitReason } from '../close-codes.js'
import type { Logger } from '../logger.js'
import type {
  Accepted, Attachment, AttachmentReceiver, Driver, DriverContext, MediaServer, MediaServerObserver, MediaServerStats, OpenRequest, Recording, Status
} from '../relay/media-server.js'
import { HeldSessions } from './held-sessions.js'
import { SUBPROTOCOL, SUBPROTOCOL_JSON, frame } from '../trunk/schema.js'
import type { Bodies, Frame, Recording as RecordingBody } from '../trunk/schema.js'
import { Trunk } from '../trunk/trunk.js'
import type { Dial } from '../trunk/trunk.js'

/** What the option `mediaServer` takes: a media server that speaks `trunkline.v1` (PROTOCOL.md). */
export interface TrunklineServerOptions {
  /** `ws://` or `wss://`. */
  url: string
  /** Sent as `Authorization: Bearer`; a function is asked anew at each connection. */
  token?: string | (() => string | Promise<string>)
  /** Certificate authorities for `wss://` beside the system's own, in PEM. */
  ca?: string | Buffer | Array<string | Buffer>
  /** Further headers of the upgrade. */
  headers?: Record<string, string>
  /** `protobuf` (default) or `json`, which is slower and can be read. */
  encoding?: 'protobuf' | 'json'
  /** Bytes of one message on the trunk at most, default 1 MiB. */
  messageBytes?: number
  /** Backoff with full jitter, default `{ baseMs: 250, maxMs: 5000 }`. */
  retry?: { baseMs?: number, maxMs?: number }
  /** @internal For tests. */
  dial?: Dial
  /** @internal For tests. */
  random?: () => number
}

/** From the first step of an attempt to connect to the media server's welcome, in milliseconds. */
const HANDSHAKE_MS = 10_000

/** The reference driver: every peer is a tag on the frames of one trunk. */
export function trunklineServer (options: TrunklineServerOptions): Driver {
  return { name: 'trunkline', create: (context) => new HeldSessions(new TrunklineServer(options, context), { windowMs: context.resumeMs, clock: context.clock }) }
}

class TrunklineServer implements MediaServer {
  readonly address: string
  readonly #trunk: Trunk
  readonly #log: Logger
  readonly #attachments = new Map<string, TrunkAttachment>()
  readonly #dropped: Record<string, number> = {}
  #observer!: MediaServerObserver
  #asked = 0

  constructor (options: TrunklineServerOptions, { clock, log, backendId, heartbeatMs, trunkQueueBytes }: DriverContext) {
    this.#log = log
    this.address = withoutSecrets(options.url)
    const { token = '' } = options
    this.#trunk = new Trunk({
      url: options.url,
      token: typeof token === 'function' ? token : () => token,
      headers: options.headers ?? {},
      ca: options.ca,
      subprotocols: options.encoding === 'json' ? [SUBPROTOCOL_JSON] : [SUBPROTOCOL, SUBPROTOCOL_JSON],
      backendId,
      messageBytes: options.messageBytes ?? 1024 * 1024,
      queueBytes: trunkQueueBytes,
      heartbeatMs,
      handshakeMs: HANDSHAKE_MS,
      retry: fullJitter(options.retry?.baseMs ?? 250, options.retry?.maxMs ?? 5_000, options.random),
      clock,
      dial: options.dial
    }, {
      state: (state) => {
        if (state.state !== 'up') this.#forgetAll()
        this.#observer.state(state)
      },
      frames: (frames) => { for (const frame of frames) this.#receive(frame) },
      relieved: () => this.#observer.relieved()
    })
  }

  get keepsSessions (): boolean {
    return this.resumeMs > 0
  }

  get resumeMs (): number {
    return this.#trunk.resumeWindowMs
  }

  start (observer: MediaServerObserver): void {
    this.#observer = observer
    this.#trunk.start()
  }

  open ({ peerId, roomId, metadata, key, received, asker, turn }: OpenRequest, receiver: AttachmentReceiver): Attachment {
    const id = ++this.#asked
    const attachment = new TrunkAttachment(peerId, id, receiver, this.#trunk, () => {
      // A newer attachment of the same peer may stand there already.
      if (this.#attachments.get(peerId) === attachment) this.#attachments.delete(peerId)
    })
    this.#attachments.set(peerId, attachment)
    if (this.#trunk.send(frame('open', { id, roomId, metadata, key, received, trace: '', asker, turn }, peerId)) === 'too big') {
      // Not at once: who is opening has not got its attachment yet.
      queueMicrotask(() => this.#refused(attachment, id, { code: CloseCode.internalError, reason: 'the metadata is larger than the media server takes' }))
    }
    return attachment
  }

  leave ({ peerId, key }: { peerId: string, key: string }, { code, reason }: Status): void {
    this.#trunk.send(frame('leave', { key, code, reason: fitReason(reason) }, peerId))
  }

  stats (): MediaServerStats {
    return { sockets: this.#trunk.sockets, outboxBytes: this.#trunk.outboxBytes, dropped: { ...this.#dropped } }
  }

  stop (): Promise<void> {
    return this.#trunk.stop()
  }

  #receive (received: Frame): void {
    switch (received.kind) {
      case 'text': case 'binary': this.#current(received)?.receiver.event(received.body, received.kind === 'binary'); return
      case 'skip': this.#current(received)?.receiver.skip(); return
      case 'ack': this.#current(received)?.receiver.ack(received.body); return
      case 'opened': this.#opened(received.peerId, received.epoch, received.body); return
      case 'refused': {
        const attachment = this.#attachments.get(received.peerId)
        if (attachment === undefined || !this.#refused(attachment, received.body.id, received.body)) this.#drop(received.body.id === 0 ? 'answer without id' : 'late answer', received.peerId)
        return
      }
      case 'close': {
        const attachment = this.#current(received)
        attachment?.forget()
        if (attachment !== null) this.#attachments.delete(received.peerId)
        attachment?.receiver.closed(received.body)
        return
      }
      case 'notification': this.#notified(received.body); return
      case 'error': this.#log.warn({ peerId: received.peerId, code: received.body.code, reason: received.body.reason }, 'the media server complains about a frame'); return
      case 'credit': return
      default: this.#drop(`unexpected ${received.kind}`, received.peerId)
    }
  }

  /** The attachment that a frame is about; null, and counted, where it is about none, or an older one. */
  #current ({ peerId, epoch }: Frame): TrunkAttachment | null {
    const attachment = this.#attachments.get(peerId)
    if (attachment?.epoch === epoch) return attachment
    this.#drop(attachment === undefined ? 'unknown peer' : epoch === 0 ? 'no epoch' : 'old epoch', peerId)
    return null
  }

  /** False where nobody waits for this answer. */
  #refused (attachment: TrunkAttachment, id: number, status: Status): boolean {
    if (!attachment.answers(id)) return false
    attachment.close(status.code, status.reason)
    attachment.receiver.refused(status)
    return true
  }

  #opened (peerId: string, epoch: number, body: Bodies['opened']): void {
    const attachment = this.#attachments.get(peerId)
    if (attachment?.answers(body.id) === true) {
      attachment.opened(epoch)
      attachment.receiver.opened(body)
      return
    }
    this.#drop(body.id === 0 ? 'answer without id' : 'late answer', peerId)
    // The client left before the answer came: without this the media server would keep a peer that nobody is.
    if (attachment === undefined) this.#trunk.send(frame('close', { code: CloseCode.normal, reason: 'the client is gone', id: 0 }, peerId, epoch))
  }

  #notified ({ id, roomId, peerId, type, payload, atMs, recording }: Bodies['notification']): void {
    const handled = (): void => { if (id !== '') this.#trunk.send(frame('done', id)) }
    if (recording !== null) {
      if (isRecording(recording)) this.#observer.recording(toRecording(recording, roomId), id, handled)
      else {
        this.#log.error({ notificationId: id, status: recording.status }, 'a recording notification is dropped: it names no recording, or a status that there is not')
        this.#drop('malformed notification', peerId)
        handled()
      }
      return
    }
    let parsed: unknown
    try {
      parsed = payload === '' ? null : JSON.parse(payload)
    } catch {
      // Kept back, it would come again on every trunk and never be any better.
      this.#log.error({ type, notificationId: id }, 'a notification is dropped: its payload is not JSON')
      this.#drop('malformed notification', peerId)
      handled()
      return
    }
    this.#observer.notification({ id, roomId, peerId, type, payload: parsed, at: new Date(atMs) }, handled)
  }

  #drop (cause: string, peerId: string): void {
    const before = this.#dropped[cause] ?? 0
    this.#dropped[cause] = before + 1
    // A frame that comes late is no news. Another is a mistake, which who writes a media server wants to know: said once.
    this.#log[before === 0 && !LATE.has(cause) ? 'warn' : 'debug']({ cause, peerId }, 'a frame from the media server is dropped')
  }

  #forgetAll (): void {
    for (const attachment of this.#attachments.values()) attachment.forget()
    this.#attachments.clear()
  }
}

class TrunkAttachment implements Attachment {
  readonly receiver: AttachmentReceiver
  readonly #peerId: string
  readonly #asking: number
  readonly #trunk: Trunk
  readonly #remove: () => void
  #state: 'asked' | 'open' | 'over' = 'asked'
  #tag: Buffer = Buffer.alloc(0)
  /** None that a frame can have, until the media server has answered. */
  epoch = -1

  constructor (peerId: string, asking: number, receiver: AttachmentReceiver, trunk: Trunk, remove: () => void) {
    this.#peerId = peerId
    this.#asking = asking
    this.receiver = receiver
    this.#trunk = trunk
    this.#remove = remove
  }

  /** Whether an answer with this id is the one that is waited for. */
  answers (id: number): boolean {
    return this.#state === 'asked' && this.#asking === id
  }

  opened (epoch: number): void {
    this.#state = 'open'
    this.epoch = epoch
    this.#tag = this.#trunk.tag(this.#peerId, epoch)
  }

  forget (): void {
    this.#state = 'over'
  }

  send (data: Buffer, binary: boolean): Accepted {
    if (this.#state !== 'open') return 'full'
    return this.#trunk.sendEvent({ peerId: this.#peerId, epoch: this.epoch, kind: binary ? 'binary' : 'text', body: data }, this.#tag)
  }

  skip (): void {
    if (this.#state === 'open') this.#trunk.send(frame('skip', null, this.#peerId, this.epoch))
  }

  ack (received: number): void {
    if (this.#state === 'open') this.#trunk.send(frame('ack', received, this.#peerId, this.epoch))
  }

  detach (): void {
    if (this.#state === 'open') this.#trunk.send(frame('detach', null, this.#peerId, this.epoch))
  }

  close (code: number, reason: string): void {
    const was = this.#state
    this.#state = 'over'
    this.#remove()
    // An answer that is still to come finds nobody and is closed then.
    if (was === 'open') this.#trunk.send(frame('close', { code, reason: fitReason(reason), id: 0 }, this.#peerId, this.epoch))
  }
}

/** A URL as it may be logged. */
function withoutSecrets (url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//').replace(/\?.*$/, '')
}

/** What is dropped for having crossed something on its way. */
const LATE = new Set(['unknown peer', 'old epoch', 'late answer'])

const STATUSES = new Set(['active', 'finished', 'available', 'failed'])

function isRecording (body: RecordingBody): body is RecordingBody & { status: Recording['status'] } {
  return body.recordingId !== '' && STATUSES.has(body.status)
}

function toRecording (body: RecordingBody & { status: Recording['status'] }, roomId: string): Recording {
  return {
    recordingId: body.recordingId,
    roomId: body.roomId === '' ? roomId : body.roomId,
    status: body.status,
    revision: body.revision,
    startedAt: body.startedAtMs === 0 ? null : new Date(body.startedAtMs),
    file: body.file === '' ? null : body.file,
    durationMs: body.durationMs === 0 ? null : body.durationMs,
    error: body.error === '' ? null : body.error
  }
}
