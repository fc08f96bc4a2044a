import { fullJitter } from '../backoff.js'
import { CloseCode, fitReason } from '../close-codes.js'
import type { Logger } from '../logger.js'
import type {
  Attachment, AttachmentReceiver, Driver, DriverContext, MediaServer, MediaServerObserver, MediaServerStats, OpenRequest, Recording, Status
} from '../relay/media-server.js'
import type { Dial } from '../trunk/dialer.js'
import { SUBPROTOCOL, SUBPROTOCOL_JSON, frame } from '../trunk/schema.js'
import type { Bodies, Frame, Recording as RecordingBody } from '../trunk/schema.js'
import { Trunk } from '../trunk/trunk.js'
import { withoutSecrets } from '../secrets.js'
import { RestControl } from './rest/rest-control.js'
import { HeldSessions } from './held-sessions.js'
import { TrunkAttachment } from './trunk-attachment.js'

/** What the option `mediaServer` takes: a media server that speaks `trunkline.v1` (PROTOCOL.md). */
export interface TrunklineServerOptions {
  /** `ws://` or `wss://`. */
  url: string
  /** Sent as `Authorization: Bearer`; a function is asked anew at each connection. */
  token?: string | (() => string | Promise<string>)
  /** Certificate authorities for `wss://` and `https://` beside the system's own, in PEM. */
  ca?: string | Buffer | Array<string | Buffer>
  /** Further headers of the upgrade. */
  headers?: Record<string, string>
  /** `protobuf` (default) or `json`, which is slower and can be read. */
  encoding?: 'protobuf' | 'json'
  /** Bytes of one message on the trunk at most, default 1 MiB. */
  messageBytes?: number
  /**
   * Where its REST API is, by which `app.trunkline.rooms` and the like are done: `http://` or `https://`, with the path that it is below.
   * Default: as `url`, with `http` for `ws`, and the path `/`.
   */
  apiUrl?: string
  /** Sent as `Authorization: Bearer`; a function is asked anew at each request. Default: `token`. */
  apiToken?: string | (() => string | Promise<string>)
  /** For a request to it, being sent again included, in milliseconds; default 10 000. */
  requestMs?: number
  /** Backoff with full jitter, default `{ baseMs: 250, maxMs: 5000 }`. */
  retry?: { baseMs?: number, maxMs?: number }
  /** @internal For tests. */
  dial?: Dial
  /** @internal For tests. */
  random?: () => number
}

/** From the first step of an attempt to connect to the media server's welcome, in milliseconds. */
const HANDSHAKE_MS = 10_000
/** For a request to its control API, in milliseconds. */
const REQUEST_MS = 10_000
/** Askings that the media server may leave unanswered. */
const MAX_UNANSWERED = 65_536

/** The reference driver: every peer is a tag on the frames of one trunk. */
export function trunklineServer (options: TrunklineServerOptions): Driver {
  return { name: 'trunkline', create: (context) => new HeldSessions(new TrunklineServer(options, context), { ...context, windowMs: context.resumeMs }) }
}

class TrunklineServer implements MediaServer {
  readonly address: string
  readonly control: RestControl
  readonly #trunk: Trunk
  readonly #log: Logger
  readonly #received: (bytes: number) => void
  readonly #attachments = new Map<string, TrunkAttachment>()
  readonly #dropped: Record<string, number> = {}
  #observer!: MediaServerObserver
  /** By the number of the asking. */
  readonly #unanswered = new Map<number, TrunkAttachment>()
  #asked = 0
  readonly #remove = (attachment: TrunkAttachment): void => {
    // A newer attachment of the same peer may stand there already.
    if (this.#attachments.get(attachment.peerId) === attachment) this.#attachments.delete(attachment.peerId)
  }

  constructor (options: TrunklineServerOptions, { clock, log, received, backendId, heartbeatMs, peerQueueBytes, trunkWindowBytes, trunkQueueBytes, trunkHoldMs }: DriverContext) {
    this.#log = log
    this.#received = received
    this.address = withoutSecrets(options.url)
    const { token = '', apiToken = token } = options
    this.control = new RestControl({
      url: options.apiUrl ?? apiUrlOf(options.url),
      token: typeof apiToken === 'function' ? apiToken : () => apiToken,
      ca: options.ca,
      requestMs: options.requestMs ?? REQUEST_MS,
      clock,
      log,
      random: options.random
    })
    this.#trunk = new Trunk({
      url: options.url,
      token: typeof token === 'function' ? token : () => token,
      headers: options.headers ?? {},
      ca: options.ca,
      subprotocols: options.encoding === 'json' ? [SUBPROTOCOL_JSON] : [SUBPROTOCOL, SUBPROTOCOL_JSON],
      backendId,
      messageBytes: options.messageBytes ?? 1024 * 1024,
      windowBytes: trunkWindowBytes,
      peerBytes: peerQueueBytes,
      queueBytes: trunkQueueBytes,
      holdMs: trunkHoldMs,
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
      relieved: (peerId) => this.#attachments.get(peerId)?.receiver.relieved()
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

  open ({ peerId, roomId, metadata, key, received, asker, turn, resumeOnly }: OpenRequest, receiver: AttachmentReceiver): Attachment {
    const id = ++this.#asked
    const attachment = new TrunkAttachment(peerId, roomId, receiver, this.#trunk, this.#remove)
    const current = this.#attachments.get(peerId)
    // Who asks again hears nothing more of what it had; whoever else has the peer does, until the media server decides.
    if (current?.receiver === receiver) {
      current.forget()
      this.#attachments.delete(peerId)
    }
    // What a media server has left unanswered for so long is nobody's: an answer that comes all the same is dropped.
    if (this.#unanswered.size >= MAX_UNANSWERED) this.#unanswered.delete(this.#unanswered.keys().next().value!)
    this.#unanswered.set(id, attachment)
    if (this.#trunk.send(frame('open', { id, roomId, metadata, key, received, trace: '', asker, turn, resumeOnly }, peerId)) === 'too big') {
      // Not at once: who is opening has not got its attachment yet.
      queueMicrotask(() => this.#refused(peerId, { id, code: CloseCode.internalError, reason: 'the metadata is larger than the media server takes' }))
    }
    return attachment
  }

  leave ({ peerId, key }: { peerId: string, key: string }, { code, reason }: Status): void {
    this.#trunk.send(frame('leave', { key, code, reason: fitReason(reason) }, peerId))
  }

  stats (): MediaServerStats {
    return { sockets: this.#trunk.sockets, ...this.#trunk.stats, dropped: { ...this.#dropped } }
  }

  async stop (): Promise<void> {
    await Promise.all([this.#trunk.stop(), this.control.close()])
  }

  #receive (received: Frame): void {
    switch (received.kind) {
      case 'text': case 'binary':
        this.#received(received.body.length)
        this.#current(received)?.receiver.event(received.body, received.kind === 'binary')
        return
      case 'skip': this.#current(received)?.receiver.skip(); return
      case 'ack': this.#current(received)?.receiver.ack(received.body); return
      case 'opened': this.#opened(received.peerId, received.epoch, received.body); return
      case 'refused': this.#refused(received.peerId, received.body); return
      case 'close': {
        const attachment = this.#current(received)
        attachment?.forget()
        if (attachment !== null) this.#attachments.delete(received.peerId)
        attachment?.receiver.closed(received.body)
        return
      }
      case 'notification': this.#notified(received.body); return
      case 'error': this.#log.warn({ peerId: received.peerId, code: received.body.code, reason: received.body.reason }, 'the media server complains about a frame'); return
      case 'credit': this.#trunk.credited(received.body); return
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

  /** The attachment that an answer is for; null, and counted, where it is for none. */
  #answered (peerId: string, id: number): TrunkAttachment | null {
    const attachment = this.#unanswered.get(id)
    if (attachment?.peerId === peerId) {
      this.#unanswered.delete(id)
      return attachment
    }
    this.#drop(id === 0 ? 'answer without id' : 'late answer', peerId)
    return null
  }

  #refused (peerId: string, { id, code, reason }: Bodies['refused']): void {
    this.#answered(peerId, id)?.refused({ code, reason })
  }

  #opened (peerId: string, epoch: number, body: Bodies['opened']): void {
    const attachment = this.#answered(peerId, body.id)
    if (attachment === null) return
    const current = this.#attachments.get(peerId)
    // The media server has moved the peer here from whichever attachment had it, which hears nothing more.
    current?.forget()
    this.#attachments.delete(peerId)
    if (!attachment.opened(epoch)) return
    this.#attachments.set(peerId, attachment)
    const { roomId } = attachment
    this.#observer.recordings(body.recordings.filter(isRecording).map((recording) => ({ ...toRecording(recording, roomId), roomId })), roomId)
    attachment.receiver.opened(body)
  }

  #notified ({ id, roomId, peerId, type, payload, atMs, recording }: Bodies['notification']): void {
    const handled = (): void => { if (id !== '') this.#trunk.send(frame('done', id)) }
    if (recording !== null) {
      if (isRecording(recording)) this.#observer.recording({ ...toRecording(recording, roomId), ...(peerId === '' ? {} : { peerId }) }, id, handled)
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
    for (const attachments of [this.#attachments, this.#unanswered]) {
      for (const attachment of attachments.values()) attachment.forget()
      attachments.clear()
    }
  }
}

/** Where the control API is unless the app says: a name and a password in it are not for HTTP, which has the token. */
function apiUrlOf (url: string): string {
  return new URL('/', url).href.replace(/^ws/, 'http')
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
