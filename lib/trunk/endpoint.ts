import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import { systemClock } from '../clock.js'
import type { Clock, Timer } from '../clock.js'
import { CloseCode } from '../close-codes.js'
import { silentLogger } from '../logger.js'
import type { Logger } from '../logger.js'
import { Channel, MIN_WINDOW_BYTES, codecs } from './channel.js'
import { DEFAULT_END_LIMITS, DEFAULT_WINDOW_BYTES, endLimits } from '../session/end.js'
import type { EndpointPeer } from './endpoint-peer.js'
import { UNAVAILABLE, judge, refuse } from './gate.js'
import { Notices } from './notices.js'
import type { Notice } from './notices.js'
import { RoomRecordings } from './room-recordings.js'
import { SUBPROTOCOL, VERSION, frame } from './schema.js'
import type { Bodies, Frame, Notification } from './schema.js'
import { Sessions } from './sessions.js'

/** The media server's side of the trunk: what a media server in Node needs to be reached by Trunkline (PROTOCOL.md). */

export interface EndpointOptions<Metadata = unknown> {
  /** What a backend must show: a secret, or a function that judges it. */
  token: string | ((token: string) => boolean | Promise<boolean>)
  /**
   * A client is here. The backend hears `opened` once this has returned (or its promise resolved); until then no event
   * of the peer moves. Throw an `EndpointRefusal` to refuse it; any other error refuses it as well, with 1011.
   */
  onPeer: (peer: EndpointPeer<Metadata>) => void | Promise<void>
  /** Names this process to backends; a UUID by default. */
  serverId?: string
  /** Bytes of one message on a trunk at most, in each direction; default 1 MiB. */
  maxMessageBytes?: number
  /** Bytes under way on one trunk at most, in each direction; default 256 KiB, at least 64 KiB. */
  trunkWindowBytes?: number
  /** Bytes that may wait for one trunk, 64 KiB of one peer; what is sent beyond waits in its session. Default 4 MiB. */
  queueBytes?: number
  /** Between pings on a trunk, in milliseconds; default 5 000. */
  heartbeatMs?: number
  /** Trunks at once at most; default 64. */
  maxTrunks?: number
  /** Milliseconds for `onPeer`, after which the peer is refused with 1013; default 10 000. */
  openMs?: number
  /** Peers at once at most, detached ones included; default 50 000. Beyond, they are refused with 1013. */
  maxPeers?: number
  /** How long a session is held whose client or trunk is lost, in milliseconds; default 30 000. 0: sessions end with their link. */
  resumeWindowMs?: number
  /** Bytes of media events that may be unacknowledged, in each direction of each session; default 256 KiB. */
  windowBytes?: number
  /** Media events that may be unacknowledged, to each client; default 512. */
  windowEvents?: number
  /** Bytes that are kept for one client, under way or waiting; what is sent beyond them ends its peer (4008). Default 1 MiB. */
  sessionBytes?: number
  /** Bytes that are kept for all clients together; beyond, the largest detached session ends, else the largest (4008). Default 512 MiB. */
  bufferedBytes?: number
  log?: Logger
  /** For tests: where all time comes from. */
  clock?: Clock
}

export interface EndpointStats {
  trunks: number
  /** Detached ones included. */
  peers: number
  /** Bytes that are kept for clients, under way or waiting. */
  bufferedBytes: number
  /** The most that is kept for one of them. */
  mostBufferedBytes: number
  /** How often a session had to end because these were too many. */
  shed: number
  /** Notifications that no backend has handled yet. */
  notifications: number
  /** Frames dropped, by cause. */
  dropped: Record<string, number>
}

/** How long a backend may take for `hello`, in milliseconds. */
const HELLO_MS = 5_000
/** Bytes of one peer that may wait for a trunk: the rest stays in its session, where it can be resumed from. */
const PEER_BYTES = 64 * 1024
const MiB = 1024 * 1024

/** One trunk, from the media server's side. */
interface TrunkOfBackend {
  readonly channel: Channel
  /** Set by `hello`; nothing else is heard before. */
  backendId: string | null
  hello: Timer | null
  /** Notifications that it has not been told yet, oldest first: sent as it takes them. */
  backlog: Notification[]
}

/** Accepts trunks on any HTTP server's upgrades, and holds the peers that come over them. */
export class Endpoint<Metadata = unknown> {
  readonly #options: Required<EndpointOptions<Metadata>>
  readonly #server: WebSocketServer
  readonly #trunks = new Set<TrunkOfBackend>()
  readonly #sessions: Sessions<Metadata>
  readonly #notices: Notices
  readonly #recordings = new RoomRecordings()
  readonly #dropped: Record<string, number> = {}
  #closed = false
  #emptied: (() => void) | null = null
  #emptying: Promise<void> | null = null

  constructor (options: EndpointOptions<Metadata>) {
    this.#options = {
      serverId: randomUUID(),
      maxMessageBytes: MiB,
      trunkWindowBytes: 256 * 1024,
      queueBytes: 4 * MiB,
      heartbeatMs: 5_000,
      maxTrunks: 64,
      openMs: 10_000,
      maxPeers: 50_000,
      resumeWindowMs: 30_000,
      windowBytes: DEFAULT_WINDOW_BYTES,
      windowEvents: DEFAULT_END_LIMITS.windowEvents,
      sessionBytes: DEFAULT_END_LIMITS.keptBytes,
      bufferedBytes: 512 * MiB,
      log: silentLogger,
      clock: systemClock,
      ...options
    }
    const { resumeWindowMs, windowBytes, windowEvents, sessionBytes } = this.#options
    this.#sessions = new Sessions({
      ...this.#options, recordings: (roomId) => this.#recordings.of(roomId), session: { windowMs: resumeWindowMs, windowBytes, limits: { ...endLimits({ windowEvents }), keptBytes: sessionBytes } }
    })
    this.#notices = new Notices(this.#options.clock)
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: this.#options.maxMessageBytes,
      // Protobuf wherever the backend knows it, whatever order it offers.
      handleProtocols: (offered) => offered.has(SUBPROTOCOL) ? SUBPROTOCOL : [...offered].find((name) => codecs.has(name)) ?? false
    })
  }

  /** For the `upgrade` event of an HTTP server: answers 401, 400 or 503, or takes the trunk. Never rejects. */
  async handleUpgrade (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // Until ws takes over, a socket that breaks would be an uncaughtException.
    const ignore = (): void => {}
    socket.on('error', ignore)
    const { token, maxTrunks, log } = this.#options
    const isFull = (): boolean => this.#closed || this.#trunks.size >= maxTrunks
    const refusal = isFull() ? UNAVAILABLE : await judge(request, token, log)
    if (refusal !== null || isFull() || socket.destroyed) return refuse(socket, refusal ?? UNAVAILABLE)
    this.#server.handleUpgrade(request, socket, head, (webSocket) => this.accept(webSocket, () => request.socket.bytesRead))
    socket.removeListener('error', ignore)
  }

  /**
   * Tells the backends something that is no media event. It is kept until one of them has handled it, and told again to
   * every trunk that comes meanwhile; at most 10 000 are kept, then the oldest is forgotten. What it says of a recording is also told with
   * each peer that comes into its room, so that clients know what is being recorded: of a room the latest 64.
   * @returns the id by which it is acknowledged
   * @throws NoticeError it could not be told: a payload that is not JSON, or of more than 64 KiB, say
   */
  notify (notice: Notice): string {
    const kept = this.#notices.add(notice)
    if (kept.recording !== null) this.#recordings.told(kept.recording)
    const there = [...this.#trunks].filter(({ backendId }) => backendId !== null)
    const concerned = there.filter(({ channel }) => [...this.#sessions.on(channel)].some(({ roomId }) => roomId === notice.roomId))
    for (const trunk of concerned.length > 0 ? concerned : there.slice(0, 1)) {
      if (this.#notices.queue(trunk.backlog, kept) === 1) this.#tell(trunk)
    }
    return kept.id
  }

  /** @internal For tests: its side of each trunk. */
  get channels (): Channel[] {
    return [...this.#trunks].map(({ channel }) => channel)
  }

  peer (id: string): EndpointPeer<Metadata> | undefined {
    return this.#sessions.get(id)
  }

  stats (): EndpointStats {
    const { budget } = this.#sessions
    return { trunks: this.#trunks.size, peers: this.#sessions.size, ...budget.measure(), shed: budget.shed, notifications: this.#notices.size, dropped: { ...this.#dropped } }
  }

  /** Accepts no more trunks, and ends those that there are and their peers. Resolves when they are gone, within about a second. */
  async close (): Promise<void> {
    this.#closed = true
    for (const { channel } of this.#trunks) channel.close(CloseCode.restart, 'the media server is closing')
    this.#sessions.endDetached()
    this.#emptying ??= new Promise((resolve) => { this.#emptied = resolve })
    if (this.#trunks.size > 0) await this.#emptying
  }

  /** @internal An open WebSocket whose subprotocol is one of the trunk's, for `bytesRead` see `Channel`. */
  accept (socket: WebSocket, bytesRead: () => number): void {
    const { maxMessageBytes, trunkWindowBytes, queueBytes, clock, log } = this.#options
    // Known, since nothing else was let through.
    const codec = codecs.get(socket.protocol)!
    const channel = new Channel(socket, bytesRead, {
      codec, clock, limits: { messageBytes: maxMessageBytes, windowBytes: Math.max(trunkWindowBytes, MIN_WINDOW_BYTES), peerBytes: PEER_BYTES, softBytes: queueBytes, hardBytes: queueBytes * 4 }
    }, {
      frames: (frames) => { for (const received of frames) this.#receive(trunk, received) },
      relieved: (peerId) => {
        if (peerId === '') this.#tell(trunk)
        else this.#sessions.get(peerId)?.flush()
      },
      closed: (code, reason) => this.#lost(trunk, code, reason)
    })
    const trunk: TrunkOfBackend = { channel, backendId: null, hello: null, backlog: [] }
    trunk.hello = clock.after(HELLO_MS, () => channel.close(CloseCode.protocolError, `no hello within ${HELLO_MS} ms`))
    this.#trunks.add(trunk)
    log.info({ protocol: socket.protocol }, 'a backend has connected')
  }

  #receive (trunk: TrunkOfBackend, received: Frame): void {
    if (trunk.backendId === null) {
      if (received.kind === 'hello' && received.body.version === VERSION) this.#greet(trunk, received.body)
      else trunk.channel.close(CloseCode.protocolError, received.kind === 'hello' ? `version ${received.body.version} is not spoken here` : `the first frame must be hello, not ${received.kind}`)
      return
    }
    switch (received.kind) {
      case 'open': this.#open(trunk, received); return
      case 'done': this.#notices.done(received.body); return
      case 'leave': this.#sessions.leave(received.peerId, received.body); return
      case 'credit': trunk.channel.credited(received.body); return
      case 'error': this.#options.log.warn({ code: received.body.code, reason: received.body.reason }, 'a backend complains about a frame'); return
    }
    const peer = this.#sessions.get(received.peerId)
    if (peer === undefined || peer.trunk !== trunk.channel) {
      this.#drop('unknown peer')
    } else if (peer.epoch !== received.epoch) {
      this.#drop('old epoch')
    } else {
      switch (received.kind) {
        case 'text': case 'binary': peer.receive(received.body, received.kind === 'binary'); return
        case 'skip': peer.skip(); return
        case 'ack': peer.ack(received.body); return
        case 'close': peer.over(received.body, false); return
        case 'detach': peer.detach(); return
        default: this.#drop(`unexpected ${received.kind}`)
      }
    }
  }

  #open ({ channel }: TrunkOfBackend, { peerId, body }: Extract<Frame, { kind: 'open' }>): void {
    this.#sessions.open(channel, peerId, body).catch((error: unknown) => this.#options.log.error({ err: error, peerId }, 'a peer could not be opened'))
  }

  #greet (trunk: TrunkOfBackend, { backendId, maxMessageBytes, windowBytes }: Bodies['hello']): void {
    const { serverId, heartbeatMs, resumeWindowMs, trunkWindowBytes } = this.#options
    trunk.hello?.cancel()
    // It has lost the one before, whatever that looks like from here: nothing late is to be heard from it.
    for (const other of this.#trunks) if (other !== trunk && backendId !== '' && other.backendId === backendId) other.channel.terminate('replaced by a newer trunk')
    trunk.backendId = backendId
    trunk.channel.limitMessages(maxMessageBytes)
    trunk.channel.limitWindow(windowBytes)
    trunk.channel.startHeartbeat(heartbeatMs)
    trunk.channel.send(frame('welcome', { version: VERSION, serverId, maxMessageBytes: this.#options.maxMessageBytes, heartbeatMs, resumeWindowMs, windowBytes: Math.max(trunkWindowBytes, MIN_WINDOW_BYTES) }))
    trunk.backlog = [...this.#notices]
    this.#tell(trunk)
  }

  /** Until the trunk is pressed: it goes on when there is room. */
  #tell ({ channel, backlog }: TrunkOfBackend): void {
    this.#notices.tell(backlog, (kept) => {
      const accepted = channel.send(frame('notification', kept))
      if (accepted === 'too big') {
        // Another backend may take it; this one never will.
        this.#drop('notification too big')
        this.#options.log.warn({ notificationId: kept.id, type: kept.type }, 'a notification is larger than a backend takes')
      }
      return accepted === 'taken' || accepted === 'too big'
    })
  }

  #lost (trunk: TrunkOfBackend, code: number, reason: string): void {
    trunk.hello?.cancel()
    this.#trunks.delete(trunk)
    this.#options.log.info({ code, reason }, 'a trunk is gone')
    this.#sessions.lost(trunk.channel)
    if (this.#closed) this.#sessions.endDetached()
    if (this.#trunks.size === 0) this.#emptied?.()
  }

  #drop (cause: string): void {
    this.#dropped[cause] = (this.#dropped[cause] ?? 0) + 1
  }
}

export function createEndpoint<Metadata = unknown> (options: EndpointOptions<Metadata>): Endpoint<Metadata> {
  return new Endpoint(options)
}

export { CloseCode } from '../close-codes.js'
export type { Clock, Timer } from '../clock.js'
export type { Logger } from '../logger.js'
export { EndpointPeer } from './endpoint-peer.js'
export type { EndpointPeerEvents } from './endpoint-peer-owner.js'
export { EndpointRefusal } from './endpoint-refusal.js'
export type { Notice } from './notices.js'
