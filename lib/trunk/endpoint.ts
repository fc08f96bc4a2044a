import { randomBytes, randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import { systemClock } from '../clock.js'
import type { Clock, Timer } from '../clock.js'
import { CloseCode, fitReason } from '../close-codes.js'
import { isId } from '../ids.js'
import { silentLogger } from '../logger.js'
import type { Logger } from '../logger.js'
import { Channel, codecs } from './channel.js'
import { EndpointPeer, EndpointRefusal } from './endpoint-peer.js'
import { UNAVAILABLE, judge, refuse, sameSecret } from './gate.js'
import { Notices } from './notices.js'
import type { Notice } from './notices.js'
import { SUBPROTOCOL, VERSION, frame } from './schema.js'
import type { Bodies, Frame } from './schema.js'

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
  /** Bytes that may wait for one trunk; what is sent beyond it ends its peer. Default 4 MiB. */
  queueBytes?: number
  /** Between pings on a trunk, in milliseconds; default 5 000. */
  heartbeatMs?: number
  /** Trunks at once at most; default 64. */
  maxTrunks?: number
  /** Milliseconds for `onPeer`, after which the peer is refused with 1013; default 10 000. */
  openMs?: number
  /** Peers at once at most; default 50 000. Beyond, they are refused with 1013. */
  maxPeers?: number
  log?: Logger
  /** For tests: where all time comes from. */
  clock?: Clock
}

export interface EndpointStats {
  trunks: number
  peers: number
  /** Notifications that no backend has handled yet. */
  notifications: number
  /** Frames dropped, by cause. */
  dropped: Record<string, number>
}

/** How long a backend may take for `hello`, in milliseconds. */
const HELLO_MS = 5_000
const MiB = 1024 * 1024

/** One trunk, from the media server's side. */
interface TrunkOfBackend<Metadata> {
  readonly channel: Channel
  /** Set by `hello`; nothing else is heard before. */
  backendId: string | null
  readonly peers: Set<EndpointPeer<Metadata>>
  hello: Timer | null
  /** Notifications that it has not been told yet, oldest first: sent as it takes them. */
  backlog: string[]
}

/** Accepts trunks on any HTTP server's upgrades, and holds the peers that come over them. */
export class Endpoint<Metadata = unknown> {
  readonly #options: Required<EndpointOptions<Metadata>>
  readonly #server: WebSocketServer
  readonly #trunks = new Set<TrunkOfBackend<Metadata>>()
  readonly #peers = new Map<string, EndpointPeer<Metadata>>()
  readonly #notices: Notices
  readonly #dropped: Record<string, number> = {}
  #lastEpoch = 0
  #closed = false
  #emptied: (() => void) | null = null
  #emptying: Promise<void> | null = null

  constructor (options: EndpointOptions<Metadata>) {
    this.#options = {
      serverId: randomUUID(),
      maxMessageBytes: MiB,
      queueBytes: 4 * MiB,
      heartbeatMs: 5_000,
      maxTrunks: 64,
      openMs: 10_000,
      maxPeers: 50_000,
      log: silentLogger,
      clock: systemClock,
      ...options
    }
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
    this.#server.handleUpgrade(request, socket, head, (webSocket) => this.#accept(webSocket, request))
    socket.removeListener('error', ignore)
  }

  /**
   * Tells the backends something that is no media event. It is kept until one of them has handled it, and told again to
   * every trunk that comes meanwhile; at most 10 000 are kept, then the oldest is forgotten.
   * @returns the id by which it is acknowledged
   * @throws NoticeError it could not be told: a payload that is not JSON, or of more than 64 KiB, say
   */
  notify (notice: Notice): string {
    const kept = this.#notices.add(notice)
    const there = [...this.#trunks].filter(({ backendId }) => backendId !== null)
    const concerned = there.filter(({ peers }) => [...peers].some((peer) => peer.roomId === notice.roomId))
    for (const trunk of concerned.length > 0 ? concerned : there.slice(0, 1)) {
      if (this.#notices.queue(trunk.backlog, kept) === 1) this.#tell(trunk)
    }
    return kept.id
  }

  peer (id: string): EndpointPeer<Metadata> | undefined {
    return this.#peers.get(id)
  }

  stats (): EndpointStats {
    return { trunks: this.#trunks.size, peers: this.#peers.size, notifications: this.#notices.size, dropped: { ...this.#dropped } }
  }

  /** Accepts no more trunks, and ends those that there are and their peers. Resolves when they are gone, within about a second. */
  async close (): Promise<void> {
    this.#closed = true
    for (const { channel } of this.#trunks) channel.close(CloseCode.restart, 'the media server is closing')
    this.#emptying ??= new Promise((resolve) => { this.#emptied = resolve })
    if (this.#trunks.size > 0) await this.#emptying
  }

  #accept (socket: WebSocket, request: IncomingMessage): void {
    const { maxMessageBytes, queueBytes, clock, log } = this.#options
    // Known, since nothing else was let through.
    const codec = codecs.get(socket.protocol)!
    const channel = new Channel(socket, () => request.socket.bytesRead, {
      codec, clock, limits: { messageBytes: maxMessageBytes, softBytes: queueBytes, hardBytes: queueBytes }
    }, {
      frames: (frames) => { for (const received of frames) this.#receive(trunk, received) },
      relieved: () => this.#tell(trunk),
      closed: (code, reason) => this.#lost(trunk, code, reason)
    })
    const trunk: TrunkOfBackend<Metadata> = { channel, backendId: null, peers: new Set(), hello: null, backlog: [] }
    trunk.hello = clock.after(HELLO_MS, () => channel.close(CloseCode.protocolError, `no hello within ${HELLO_MS} ms`))
    this.#trunks.add(trunk)
    log.info({ protocol: socket.protocol }, 'a backend has connected')
  }

  #receive (trunk: TrunkOfBackend<Metadata>, received: Frame): void {
    if (trunk.backendId === null) {
      if (received.kind === 'hello' && received.body.version === VERSION) this.#greet(trunk, received.body)
      else trunk.channel.close(CloseCode.protocolError, received.kind === 'hello' ? `version ${received.body.version} is not spoken here` : `the first frame must be hello, not ${received.kind}`)
      return
    }
    switch (received.kind) {
      case 'open': void this.#open(trunk, received.peerId, received.body); return
      case 'done': this.#notices.done(received.body); return
      // Nothing keeps a session beyond its link yet (`resume_window_ms` is 0), nor counts its events.
      case 'ack': case 'skip': case 'credit': return
      case 'error': this.#options.log.warn({ code: received.body.code, reason: received.body.reason }, 'a backend complains about a frame'); return
    }
    const peer = this.#peers.get(received.peerId)
    if (peer === undefined || peer.trunk !== trunk.channel) {
      this.#drop('unknown peer')
    } else if (peer.epoch !== received.epoch) {
      this.#drop('old epoch')
    } else {
      switch (received.kind) {
        case 'text': case 'binary': peer.receive(received.body, received.kind === 'binary'); return
        case 'close': peer.over(received.body, false); return
        case 'detach': peer.over({ code: CloseCode.normal, reason: 'the client is gone' }, false); return
        default: this.#drop(`unexpected ${received.kind}`)
      }
    }
  }

  #greet (trunk: TrunkOfBackend<Metadata>, { backendId, maxMessageBytes }: Bodies['hello']): void {
    const { serverId, heartbeatMs } = this.#options
    trunk.hello?.cancel()
    trunk.backendId = backendId
    trunk.channel.limitMessages(maxMessageBytes)
    trunk.channel.startHeartbeat(heartbeatMs)
    trunk.channel.send(frame('welcome', { version: VERSION, serverId, maxMessageBytes: this.#options.maxMessageBytes, heartbeatMs, resumeWindowMs: 0 }))
    trunk.backlog = [...this.#notices.ids()]
    this.#tell(trunk)
  }

  /** Until the trunk is pressed: it goes on when there is room. */
  #tell ({ channel, backlog }: TrunkOfBackend<Metadata>): void {
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

  async #open (trunk: TrunkOfBackend<Metadata>, peerId: string, { id, roomId, metadata, key }: Bodies['open']): Promise<void> {
    const answerRefused = (code: number, reason: string): void => { trunk.channel.send(frame('refused', { id, code, reason: fitReason(reason) }, peerId)) }
    if (!isId(peerId) || !isId(roomId)) return answerRefused(CloseCode.protocolError, 'peer_id and room_id are strings of 1 to 128 bytes')
    let parsed: unknown
    try {
      parsed = metadata === '' ? null : JSON.parse(metadata)
    } catch {
      return answerRefused(CloseCode.protocolError, 'metadata is not JSON')
    }
    const previous = this.#peers.get(peerId)
    // Another key while a newer session lives: who comes late must not push out who came after it.
    if (previous !== undefined && key !== '' && !sameSecret(key, previous.key)) return answerRefused(CloseCode.replaced, 'a newer session has this peer')
    if (previous === undefined && this.#peers.size >= this.#options.maxPeers) return answerRefused(CloseCode.tryAgainLater, 'too many peers')
    previous?.over({ code: CloseCode.replaced, reason: 'replaced by a newer session' }, true)

    const peer = new EndpointPeer<Metadata>({
      id: peerId, roomId, metadata: parsed as Metadata, epoch: this.#nextEpoch(), key: randomBytes(18).toString('base64url')
    }, trunk.channel, {
      gone: () => {
        if (this.#peers.get(peerId) === peer) this.#peers.delete(peerId)
        trunk.peers.delete(peer)
      },
      failed: (error) => this.#options.log.error({ err: error, peerId }, 'a listener of a peer failed')
    })
    this.#peers.set(peerId, peer)
    trunk.peers.add(peer)
    try {
      await this.#inTime(peer, this.#options.onPeer(peer))
    } catch (error) {
      const { code, message } = error instanceof EndpointRefusal ? error : { code: CloseCode.internalError, message: 'internal error' }
      if (!(error instanceof EndpointRefusal)) this.#options.log.error({ err: error, peerId }, 'onPeer failed: the peer is refused')
      answerRefused(code, message)
      peer.over({ code, reason: message }, false)
      return
    }
    // Ended while it was being opened: that is the answer.
    if (peer.end !== null) return answerRefused(peer.end.code, peer.end.reason)
    peer.opened(frame('opened', { id, key: peer.key, resumed: false, received: 0, windowBytes: 256 * 1024, recordings: [] }, peerId, peer.epoch))
  }

  /** Waits for `onPeer`, but not beyond its time, nor for a peer that is over. */
  async #inTime (peer: EndpointPeer<Metadata>, accepted: unknown): Promise<void> {
    const { clock, openMs } = this.#options
    let giveUp = (_error?: Error): void => {}
    const vain = new Promise<void>((resolve, reject) => { giveUp = (error) => error === undefined ? resolve() : reject(error) })
    const timer = clock.after(openMs, () => giveUp(new EndpointRefusal(CloseCode.tryAgainLater, 'the media server does not answer')))
    peer.once('close', () => giveUp())
    try {
      await Promise.race([vain, accepted])
    } finally {
      timer.cancel()
    }
  }

  #lost (trunk: TrunkOfBackend<Metadata>, code: number, reason: string): void {
    trunk.hello?.cancel()
    this.#trunks.delete(trunk)
    this.#options.log.info({ code, reason }, 'a trunk is gone')
    for (const peer of [...trunk.peers]) peer.over({ code: CloseCode.trunkLost, reason: 'the trunk was lost' }, false)
    if (this.#trunks.size === 0) this.#emptied?.()
  }

  /** Larger than any before it, also than those of a process that ran here earlier: 1 024 for each millisecond of the clock. */
  #nextEpoch (): number {
    this.#lastEpoch = Math.max(this.#lastEpoch + 1, this.#options.clock.now() * 1024)
    return this.#lastEpoch
  }

  #drop (cause: string): void {
    this.#dropped[cause] = (this.#dropped[cause] ?? 0) + 1
  }
}

export function createEndpoint<Metadata = unknown> (options: EndpointOptions<Metadata>): Endpoint<Metadata> {
  return new Endpoint(options)
}

export { EndpointPeer, EndpointRefusal } from './endpoint-peer.js'
export type { Notice } from './notices.js'
