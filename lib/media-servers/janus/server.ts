import { fullJitter } from '../../backoff.js'
import type { Clock } from '../../clock.js'
import { CloseCode } from '../../close-codes.js'
import type { Logger } from '../../logger.js'
import { withoutSecrets } from '../../secrets.js'
import type { MediaServerControl } from '../../relay/control.js'
import type { Inlet } from '../../relay/inlet.js'
import type {
  Attachment, AttachmentReceiver, DriverContext, MediaServer, MediaServerObserver, MediaServerStats, OpenRequest, Recording, TrunkState
} from '../../relay/media-server.js'
import { JanusAdmin } from './admin.js'
import { JanusEventsInlet } from './events-inlet.js'
import { JanusConnection } from './connection.js'
import type { Secret } from './connection.js'
import { JanusControl } from './control.js'
import { greet } from './greeting.js'
import type { Greeting } from './greeting.js'
import { KeptNews } from './kept-news.js'
import { Keepalives } from './keepalives.js'
import { Fault, JanusCode, faultOf, isId, isObject } from './messages.js'
import type { JanusMessage } from './messages.js'
import type { CheckedJanusOptions } from './options.js'
import { Participants } from './participants.js'
import { JanusPeer } from './peer.js'
import type { JanusPeerServices } from './peer-services.js'
import type { WatchedHandle } from './publishers.js'
import { RecordPlay } from './record-play.js'
import { JanusRecordings } from './recordings.js'
import { JanusService } from './service.js'
import { VIDEOROOM, VideoRoom } from './videoroom.js'

/** From the first step of an attempt to connect until every session is claimed, in milliseconds. */
const HANDSHAKE_MS = 10_000
/**
 * How long Janus may take to end the sessions before the connection is closed all the same, in milliseconds: with what that takes less
 * than the second in which an app that closes has its trunk closed.
 */
const STOP_MS = 500
/** So many times the bytes that may wait for the trunk are never waited for: whoever still speaks is sent away. */
const HARD_FACTOR = 4

/** Janus behind one WebSocket: each peer has a session of its own, which outlives the connection where Janus lets it. */
export class JanusServer implements MediaServer {
  readonly address: string
  readonly keepsSessions = false
  readonly resumeMs = 0
  readonly service: JanusService
  readonly recordings: JanusRecordings
  readonly control: MediaServerControl
  readonly #participants = new Participants<JanusPeer>()
  readonly #recordPlay: RecordPlay
  readonly #news: KeptNews<Recording>
  readonly #events: JanusEventsInlet | null
  readonly inlets: Inlet[]
  readonly #options: CheckedJanusOptions
  readonly #clock: Clock
  readonly #log: Logger
  readonly #connection: JanusConnection
  readonly #windowBytes: number
  readonly #peerServices: JanusPeerServices
  readonly #peers = new Map<string, JanusPeer>()
  /** By their ids at Janus. */
  readonly #sessions = new Map<number, JanusPeer>()
  readonly #keepalives: Keepalives
  readonly #dropped: Record<string, number> = {}
  #observer!: MediaServerObserver
  #downSince: number | null = null
  #emptied: (() => void) | null = null

  /** @param isAway whether a peer has lost its link, and is expected back */
  constructor (options: CheckedJanusOptions, { clock, log, received, heartbeatMs, peerQueueBytes, trunkWindowBytes, trunkQueueBytes }: DriverContext, isAway: (peerId: string) => boolean) {
    this.#options = options
    this.#clock = clock
    this.#log = log
    this.#windowBytes = trunkWindowBytes
    this.address = withoutSecrets(options.url)
    this.#connection = new JanusConnection({
      url: options.url,
      secret: secretOf(options),
      headers: options.headers,
      ca: options.ca,
      messageBytes: options.receivedBytes,
      windowBytes: trunkWindowBytes,
      requestMs: options.requestMs,
      handshakeMs: HANDSHAKE_MS,
      heartbeatMs,
      retry: fullJitter(options.retry.baseMs, options.retry.maxMs, options.random),
      clock,
      dial: options.dial
    }, {
      state: (state) => this.#stateChanged(state),
      opened: () => { void this.#begin() },
      event: (message, transaction, text) => this.#event(message, transaction, text),
      late: (message) => this.#late(message),
      received: (bytes) => received(bytes),
      drained: (owner) => this.#peers.get(owner)?.drained(),
      dropped: (cause, fields) => this.#drop(cause, fields)
    })
    const { requests } = this.#connection
    this.service = new JanusService(requests, () => this.#connection.isUp, () => clock.now())
    this.#keepalives = new Keepalives(clock)
    this.#keepalives.add(this.service)
    this.#news = new KeptNews<Recording>({
      hook: 'onRecording',
      attempts: Infinity,
      // Not by the number, which another process uses for another.
      tell: (recording, _number, handled) => this.#observer.recording(recording, '', handled),
      describe: ({ recordingId, status }) => ({ recordingId, status }),
      clock,
      log
    })
    this.#events = options.events === undefined
      ? null
      : new JanusEventsInlet(options.events, {
        ofSession: (sessionId) => this.#sessions.get(sessionId) ?? null,
        recording: (recording) => this.#news.add(recording),
        dropped: (cause, fields) => this.#drop(cause, fields),
        now: () => clock.now()
      }, (notification, handled) => this.#observer.notification(notification, handled), clock, log)
    this.inlets = this.#events === null ? [] : [this.#events]
    this.#recordPlay = new RecordPlay(clock, (recording) => this.#news.add(recording))
    const videoRoom = new VideoRoom(options, this.service)
    this.recordings = new JanusRecordings({ pollMs: options.recordingPollMs }, {
      service: this.service,
      videoRoom,
      admin: options.adminUrl === undefined ? null : new JanusAdmin({ ...options, url: options.adminUrl, secret: options.adminSecret, withinMs: options.requestMs, clock }),
      handlesIn: (roomIds) => this.#handlesIn(roomIds),
      tell: (recording) => this.#news.add(recording),
      known: (recordings) => this.#observer.recordings([...recordings, ...this.#recordPlay.active]),
      clock,
      log
    })
    this.control = new JanusControl(options, { videoRoom, recordings: this.recordings, participants: this.#participants, peers: this.#peers, isAway, clock })
    this.#peerServices = {
      options: { plugins: options.plugins, handles: options.handles, messageBytes: options.messageBytes, bodyLength: options.bodyLength, queueBytes: peerQueueBytes, hardBytes: trunkQueueBytes * HARD_FACTOR },
      requests,
      began: (peer, sessionId) => {
        this.#sessions.set(sessionId, peer)
        this.#events?.events.attached(peer)
        this.#keepalives.add(peer)
      },
      ended: (peer, sessionId) => {
        this.#keepalives.delete(peer)
        if (sessionId !== null) {
          this.#sessions.delete(sessionId)
          this.recordings.ended(sessionId)
          this.#participants.ended(sessionId)
          this.#recordPlay.ended(sessionId, null)
        }
        if (peer.isOver && this.#peers.get(peer.id) === peer) this.#peers.delete(peer.id)
        if (this.#isEmpty) this.#emptied?.()
      },
      keepAlive: (peer, sessionId) => {
        this.service.ask('keepalive', sessionId).catch(({ code }: Fault) => { if (code === JanusCode.noSuchSession) this.#forgotten(peer, sessionId) })
      },
      heard: (peer, message) => {
        this.#recordPlay.heard(peer, message)
        this.#participants.heard(peer, message)
      },
      now: () => clock.now()
    }
  }

  start (observer: MediaServerObserver): void {
    this.#observer = observer
    this.#connection.start()
  }

  open (request: OpenRequest, receiver: AttachmentReceiver): Attachment {
    const peer = new JanusPeer(request, receiver, this.#peerServices)
    this.#peers.set(peer.id, peer)
    // There is nothing to ask Janus for before the client says something.
    queueMicrotask(() => { if (!peer.isOver) receiver.opened({ key: '', resumed: false, received: 0, windowBytes: 0 }) })
    return peer
  }

  leave (): void {}

  stats (): MediaServerStats {
    const { requests, sockets } = this.#connection
    return {
      sockets,
      waitingBytes: requests.waitingBytes,
      waitingPeers: requests.waitingOwners,
      underWayBytes: requests.unansweredBytes,
      windowBytes: this.#windowBytes,
      dropped: { ...this.#dropped }
    }
  }

  /** Ends every session at Janus, as far as that can be done within half a second, and closes the connection. */
  async stop (): Promise<void> {
    this.#keepalives.stop()
    this.recordings.close()
    this.#news.close()
    this.#events?.close()
    const isUp = this.#connection.isUp
    for (const peer of [...this.#peers.values()]) peer.close()
    if (isUp) {
      await new Promise<void>((resolve) => {
        const timer = this.#clock.after(STOP_MS, resolve)
        const emptied = new Promise<void>((resolve) => {
          this.#emptied = resolve
          if (this.#isEmpty) resolve()
        })
        Promise.all([emptied, this.service.end()]).catch(() => {}).finally(() => {
          timer.cancel()
          resolve()
        })
      })
    }
    await this.#connection.stop()
  }

  /** Of a peer that is over the session may yet be on its way. */
  get #isEmpty (): boolean {
    return this.#sessions.size === 0 && this.#peers.size === 0
  }

  #stateChanged (state: TrunkState): void {
    if (state.state !== 'up') {
      this.#keepalives.stop()
      if (state.state === 'down') this.#downSince ??= this.#clock.now()
    }
    this.#observer.state(state)
    if (state.state === 'up') {
      this.#news.again()
      this.recordings.up()
    } else {
      this.recordings.down()
    }
  }

  #forgotten (peer: JanusPeer, sessionId: number): void {
    this.#recordPlay.ended(sessionId, 'Janus has forgotten the session: whether the recording is whole is not known')
    peer.forgotten(sessionId)
  }

  /** Of those too that are over, until Janus has heard of it. */
  #handlesIn (roomIds: ReadonlySet<string>): Map<string, WatchedHandle[]> {
    const found = new Map([...roomIds].map((roomId): [string, WatchedHandle[]] => [roomId, []]))
    for (const [sessionId, peer] of this.#sessions) {
      const handles = found.get(peer.roomId)
      if (handles === undefined) continue
      for (const { id, plugin } of peer.handles()) if (plugin === VIDEOROOM) handles.push({ peerId: peer.id, sessionId, handleId: id })
    }
    return found
  }

  async #begin (): Promise<void> {
    try {
      this.#begun(await greet(this.service, this.#sessions, (peer, sessionId) => this.#forgotten(peer, sessionId)))
    } catch (error) {
      if (!(error instanceof Fault)) {
        // Out of here it would be an unhandled rejection, and the end of every client.
        this.#log.error({ err: error }, 'what is said first to Janus could not be said')
        this.#connection.fail({ code: CloseCode.internalError, reason: 'internal error' })
        return
      }
      const isRefused = error.code === JanusCode.unauthorized
      if (isRefused) this.#log.error({ code: error.code }, "Janus does not let the backend in: the driver's apiSecret, or its token, is not that of Janus")
      this.#connection.fail({ code: isRefused ? CloseCode.notAuthenticated : CloseCode.tryAgainLater, reason: isRefused ? 'Janus does not accept the secret (403)' : `Janus: ${error.reason}` })
    }
  }

  #begun ({ serverId, reclaims, keepaliveMs, claimed }: Greeting): void {
    if (!reclaims) this.#log.warn({}, 'Janus ends all sessions when the connection to it is lost: set reclaim_session_timeout = 60 in its configuration')
    this.#keepalives.start(this.#options.keepaliveMs ?? keepaliveMs)
    const downMs = this.#downSince === null ? null : this.#clock.now() - this.#downSince
    this.#downSince = null
    for (const peer of claimed) peer.resync()
    this.#connection.up(serverId)
    if (downMs === null || claimed.length === 0) return
    this.#log.warn({ downMs, sessions: claimed.length }, 'what Janus had to say while the connection was lost is lost')
    this.#observer.notification({
      id: '', roomId: '', peerId: '', type: 'janus.resync', payload: { downMs, peerIds: claimed.map(({ id }) => id) }, at: new Date(this.#clock.now())
    }, () => {})
  }

  #event (message: JanusMessage, transaction: string | null, text: string): void {
    const { session_id: sessionId } = message
    const peer = isId(sessionId) ? this.#sessions.get(sessionId) : undefined
    if (peer !== undefined) {
      peer.event(message, transaction, text)
    } else if (message.janus === 'error') {
      const { code, reason } = faultOf(message)
      this.#drop('untagged error', { code, reason })
    } else if (sessionId !== this.service.sessionId) {
      this.#drop('unknown session', { janus: message.janus })
    }
  }

  /** Nobody waits for it any more: what was made would stay as long as the session, or longer. */
  #late ({ janus, session_id: sessionId, data }: JanusMessage): void {
    this.#drop('late answer', { janus })
    const id = janus === 'success' && isObject(data) && isId(data.id) ? data.id : null
    if (id === null) return
    const ended = (): void => {}
    if (!isId(sessionId)) {
      if (!this.#sessions.has(id) && id !== this.service.sessionId) this.service.ask('destroy', id).catch(ended)
    } else if (this.#sessions.get(sessionId)?.hasHandle(id) === false) {
      this.service.ask('detach', sessionId, false, id).catch(ended)
    }
  }

  #drop (cause: string, fields: object): void {
    const before = this.#dropped[cause] ?? 0
    this.#dropped[cause] = before + 1
    this.#log[before === 0 && cause !== 'late answer' ? 'warn' : 'debug']({ cause, ...fields }, 'a message from Janus is dropped')
  }
}

function secretOf ({ apiSecret, token }: CheckedJanusOptions): () => Promise<Secret | null> {
  return async () => {
    const name = apiSecret === undefined ? 'token' : 'apisecret'
    const given = apiSecret ?? token
    const value = typeof given === 'function' ? await given() : given
    return value === undefined || value === '' ? null : { name, value }
  }
}
