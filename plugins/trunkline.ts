import { randomUUID } from 'node:crypto'
import type { Server } from 'node:http'
import fastifyWebsocket from '@fastify/websocket'
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { systemClock } from '../lib/clock.js'
import type { Clock } from '../lib/clock.js'
import { Connections } from '../lib/connections.js'
import type { Dialect } from '../lib/dialects/dialect.js'
import { fishjamDialect } from '../lib/dialects/fishjam.js'
import { janusDialect } from '../lib/dialects/janus.js'
import { trunklineDialect } from '../lib/dialects/trunkline.js'
import { Drain } from '../lib/drain.js'
import { CompressionError, ModeError, NamespaceTakenError, NotAtRootError, OptionError, PayloadTooLargeError, RouteTakenError } from '../lib/errors.js'
import { trunklineServer } from '../lib/media-servers/trunkline.js'
import type { TrunklineServerOptions } from '../lib/media-servers/trunkline.js'
import { checkOptions } from '../lib/options.js'
import type { DialectOptions, DrainOptions, HeartbeatOptions, LimitOptions, ResumeOptions, Settings, TokenOptions } from '../lib/options.js'
import { Admission } from '../lib/relay/admission.js'
import type { AdmissionStats, Authenticate, Identity } from '../lib/relay/admission.js'
import { Admittances } from '../lib/relay/admittance.js'
import type { AdmitOptions, DirectPeer } from '../lib/relay/admittance.js'
import { AppControl } from '../lib/relay/app-control.js'
import type { Rooms } from '../lib/relay/app-control.js'
import type { Admittance } from '../lib/relay/control.js'
import { Hooks } from '../lib/relay/hooks.js'
import type { HookFunctions, HookName } from '../lib/relay/hooks.js'
import type { Driver, MediaServer, Recording, TrunkState } from '../lib/relay/media-server.js'
import type { Peer } from '../lib/relay/peer.js'
import type { Peers } from '../lib/relay/peers.js'
import { PINNED_PART, Pins } from '../lib/pins.js'
import type { RoomRecordings } from '../lib/relay/recordings.js'
import { Refusals } from '../lib/relay/refusals.js'
import { Relay } from '../lib/relay/relay.js'
import type { RelayStats } from '../lib/relay/relay.js'
import { Removal } from '../lib/relay/removal.js'
import { deskOf, tickets as makeTickets } from '../lib/tickets/tickets.js'
import type { TicketOptions, Tickets as TicketsOf } from '../lib/tickets/tickets.js'
import { addClientRoute } from './client-route.js'
import type { RouteContext } from './client-route.js'
import { drainOnClose } from './closing.js'
import { refuseHttp2, refuseProxies } from './coexistence.js'
import { addInletRoute } from './inlet-route.js'
import { keepTokensPrivate } from './private-token.js'
import { letGoOfAnswered, upgradesLeftOver } from './upgrades.js'

/**
 * Tells TypeScript what the app's metadata is:
 * `declare module 'trunkline' { interface TrunklineTypes { metadata: { userId: string } } }`
 */

export interface TrunklineTypes {}

/** The metadata that `authenticate` answers: as `TrunklineTypes` says, else unknown. */
export type AppMetadata = TrunklineTypes extends { metadata: infer Metadata } ? Metadata : unknown

export type TrunklineOptions<Metadata = AppMetadata> = CommonOptions<Metadata> & (
  {
    mode?: 'relay' | 'direct'
    /** Says who a client is, or throws. Nobody gets in without it. Where `mode` is `direct` it is not used. */
    authenticate: Authenticate<FastifyRequest, Metadata>
  } |
  { mode: 'direct', authenticate?: Authenticate<FastifyRequest, Metadata> }
)

export interface CommonOptions<Metadata> {
  /** Where the media server is and how it is let in to, or a driver. */
  mediaServer: TrunklineServerOptions | Driver
  hooks?: Partial<HookFunctions<Metadata>>
  path?: string
  publicUrl?: string
  dialects?: DialectOptions[]
  origins?: '*' | string[]
  cookie?: string
  duplicate?: 'replace' | 'refuse'
  trunkDownMs?: number
  trunkHoldMs?: number
  namespace?: string
  limits?: Partial<LimitOptions>
  heartbeat?: Partial<HeartbeatOptions>
  resume?: Partial<ResumeOptions>
  drain?: Partial<DrainOptions>
  token?: Partial<TokenOptions>
  /** For tests: where all time comes from. */
  clock?: Clock
}

export interface TrunklineStats extends RelayStats {
  /** Clients' sockets, those that are not let in yet included. While draining: those that are left. */
  links: number
  /** Those of them that have not shown yet who they are. */
  strangers: number
  /** Those that are not read for now, since they have sent too many messages. */
  throttled: number
  /** How often that was so since the start. */
  throttles: number
  /** Whether nobody is let in any more. */
  draining: boolean
  /** Clients' sockets that were closed since the start, by the code that either side said first; 1006: neither did. */
  closes: Record<number, number>
  /** The calls of `authenticate`. */
  auth: AdmissionStats
  /** How many were refused, by reason. */
  refused: Record<string, number>
}

/** `app.trunkline` */
export interface Trunkline<Metadata = AppMetadata> {
  /**
   * @throws HookNameError there is no such hook
   * @throws HookFunctionError `fn` is no function
   */
  addHook<Name extends HookName> (name: Name, fn: HookFunctions<Metadata>[Name]): this
  readonly peers: Peers<Metadata>
  readonly trunk: TrunkState
  /**
   * Lets a client in: what it needs to connect, by way of this backend or, where `mode` is `direct`, to the media server itself. Without
   * a `peerId` it is a new one. Of two admittances for one peer the one that is used last is good; `kick`, `revoke` and `removePeer`
   * make all of a peer void. `subject` and `expiresAt` are nothing to a media server.
   * @throws AdmitError `authenticate` is not `tickets()`, or the client cannot be let in as is said: too much metadata, say
   * @throws AdmitGoneError the client was gone meanwhile, and so is what was made for it
   * @throws AdmitBusyError, RoomNotFoundError, RoomFullError, RoomModeError and what `rooms` throws: with `mode: 'direct'` only
   */
  admit (who: Identity<Metadata>, how?: AdmitOptions<FastifyRequest>): Promise<Admittance>
  /**
   * Lets a client in that is to connect to the media server itself: `admit()` does so too, and is there in both modes.
   * @throws ModeError the option `mode` is not `direct`
   * @throws AdmitError, AdmitBusyError
   * @throws RoomNotFoundError, RoomFullError, RoomModeError
   */
  addPeer (roomId: string, peer?: DirectPeer): Promise<Admittance>
  /** Ends a peer with 4410; whether there was one. */
  kick (peerId: string, reason?: string): boolean
  /**
   * Ends every peer of which `isConcerned` says so with 4401: what they have shown is void, and they may come back only with
   * something that `authenticate` takes. How many there were.
   */
  revoke (isConcerned: (peer: Peer<Metadata>) => boolean, reason?: string): number
  /**
   * Lets nobody in any more, and closes every client with 1012 in good order (the options `drain`), then the trunk. The app
   * goes on listening: for a deploy behind a load balancer, before `app.close()`, which does the same first. Resolves when it
   * is done, however often it is called; never rejects.
   */
  drain (): Promise<void>
  /**
   * Rooms at the media server, by its control API.
   * @throws ControlUnsupportedError the driver has none
   * @throws ControlUnreachableError, ControlTimeoutError, ControlUnauthorizedError, ControlAnswerError, ControlRefusedError, TrunkDownError
   */
  readonly rooms: Rooms
  /**
   * Ends a peer with 4410, also one of another process, or one that is connected to the media server itself.
   * @throws RoomNotFoundError
   * @throws PeerNotFoundError
   */
  removePeer (roomId: string, peerId: string): Promise<void>
  /**
   * In a room with `subscribeMode: 'manual'`, has a peer get what these others publish, beside what it gets already.
   * @throws ControlUnsupportedError the media server leaves that to its clients
   * @throws RoomNotFoundError
   * @throws PeerNotFoundError
   */
  subscribe (roomId: string, peerId: string, origins: string[]): Promise<void>
  /**
   * Has everybody in a room recorded, also who comes later; what becomes of it is told to `onRecording`. Answers what is being
   * recorded already: nothing yet where nobody publishes.
   * @throws RecordingUnsupportedError the media server's driver cannot
   * @throws TrunkDownError
   * @throws JanusRefusedError
   * @throws RecordingFailedError the media server says that it records, and does not
   */
  startRecording (roomId: string): Promise<Recording[]>
  /**
   * Ends that. Answers what was recorded until now, as far as this process knows.
   * @throws RecordingUnsupportedError the media server's driver cannot
   * @throws TrunkDownError
   * @throws JanusRefusedError
   */
  stopRecording (roomId: string): Promise<Recording[]>
  /** What is being recorded of a room, as far as this process knows: of rooms that it has peers in, or has heard of. */
  recordings (roomId: string): RoomRecordings
  /**
   * Says something to a client on its signaling link: JSON, at most once. Only clients with a session (`trunkline/client`) know of such.
   * @returns to how many it was said: 0 or 1
   * @throws MessageError it is not JSON, or of more than 64 KiB
   */
  send (peerId: string, message: unknown): number
  /** The same for everybody in a room. @returns to how many it was said @throws MessageError */
  broadcast (roomId: string, message: unknown): number
  stats (): TrunklineStats
}

declare module 'fastify' {
  interface FastifyInstance {
    trunkline: Trunkline
  }
}

/** Of each registration its own: some keep what their clients come back for. */
function dialectsOf ({ limits }: Settings, clock: Clock): Record<string, Dialect> {
  return {
    trunkline: trunklineDialect,
    fishjam: fishjamDialect,
    janus: janusDialect({ max: limits.peers, maxBytes: limits.bufferedBytes / PINNED_PART, clock })
  }
}

const plugin: FastifyPluginAsync<TrunklineOptions> = async (app, options) => {
  const settings = checkOptions(options as unknown as Record<string, unknown>)
  const { limits, heartbeat, namespace } = settings
  if (app.hasDecorator(namespace)) throw new NamespaceTakenError(namespace)
  refuseHttp2(app)

  const clock = options.clock ?? systemClock
  const hooks = new Hooks<AppMetadata>(limits.hookMs, clock)
  for (const [name, fn] of Object.entries(options.hooks ?? {})) if (fn !== undefined) hooks.add(name as HookName, fn as never)
  const driver = 'create' in options.mediaServer ? options.mediaServer : trunklineServer(options.mediaServer)
  const mediaServer = driver.create({
    clock,
    log: app.log.child({ mediaServer: driver.name }),
    received: (bytes) => relay.received(bytes),
    backendId: randomUUID(),
    heartbeatMs: heartbeat.trunkMs,
    resumeMs: settings.resume.windowMs,
    windowBytes: settings.resume.windowBytes,
    windowEvents: settings.resume.windowEvents,
    peerQueueBytes: limits.uplinkQueueBytes,
    trunkWindowBytes: limits.trunkWindowBytes,
    trunkQueueBytes: limits.trunkQueueBytes,
    trunkHoldMs: settings.trunkHoldMs
  })
  if (settings.mode === 'direct') checkDirect(driver, mediaServer)
  if (settings.mode === 'direct' && options.authenticate !== undefined) app.log.info("authenticate is not used: clients connect to the media server themselves (mode: 'direct')")
  // Its routes let nobody in: it is never asked.
  const admission = new Admission<FastifyRequest, AppMetadata>(options.authenticate ?? (() => { throw new ModeError('authenticate') }), limits, clock)
  const relay = new Relay({
    mediaServer,
    hooks,
    duplicate: settings.duplicate,
    limits: { ...limits, trunkDownMs: settings.trunkDownMs, resumeMs: settings.resume.windowMs },
    token: settings.token,
    turnstile: admission.turnstile,
    clock,
    log: app.log
  })
  const connections = new Connections({ clock, drain: settings.drain, random: Math.random })
  const refused = new Refusals()
  const drain = new Drain({
    options: settings.drain, perSecond: limits.authPerSecond, closeMs: limits.closeMs, connections, admission, relay, clock, log: app.log, random: Math.random
  })

  const control = new AppControl({
    name: driver.name,
    control: mediaServer.control,
    mode: settings.mode,
    kick: (roomId, peerId) => relay.peers.get(peerId)?.roomId === roomId && relay.kick(peerId, 'removed')
  })
  const paths = new Map<string, string>()
  const desk = settings.mode === 'relay' ? deskOf<AppMetadata>(options.authenticate) : null
  const admittances = new Admittances<AppMetadata>({
    mode: settings.mode, control, driver: driver.name, issue: desk === null ? null : async (identity) => await desk.issue(identity), publicUrl: settings.publicUrl, paths, clock, log: app.log
  })
  const removal = new Removal<AppMetadata>({ relay, control, desk, log: app.log })

  app.decorate(namespace, {
    addHook (name, fn) {
      hooks.add(name, fn)
      return this
    },
    peers: relay.peers,
    get trunk () { return relay.trunk },
    admit: (who, how) => admittances.admit(who, how),
    addPeer: (roomId, peer) => admittances.addPeer(roomId, peer),
    kick: (peerId, reason = 'removed') => removal.kick(peerId, reason),
    revoke: (isConcerned, reason = 'revoked') => removal.revoke(isConcerned, reason),
    drain: () => drain.run(),
    rooms: control.rooms,
    removePeer: (roomId, peerId) => removal.removePeer(roomId, peerId),
    subscribe: (roomId, peerId, origins) => control.subscribe(roomId, peerId, origins),
    startRecording: (roomId) => control.startRecording(roomId),
    stopRecording: (roomId) => control.stopRecording(roomId),
    recordings: (roomId) => relay.recordings(roomId),
    send: (peerId, message) => relay.tell({ peerId }, message),
    broadcast: (roomId, message) => relay.tell({ roomId }, message),
    stats: () => ({
      ...relay.stats(), links: connections.size, strangers: connections.strangers, ...connections.counts, draining: drain.begun, closes: connections.closes, auth: admission.stats(), refused: refused.stats()
    })
  } satisfies Trunkline)

  // Before @fastify/websocket adds its own: that one closes clients without a code, and the first to close wins.
  drainOnClose(app, drain, settings)
  app.addHook('onReady', async () => relay.start())
  const shut = desk?.open(clock)
  if (shut !== undefined) app.addHook('onClose', async () => shut())
  const isBroughtByApp = app.hasDecorator('websocketServer')
  await bringWebsocket(app, settings)
  keepTokensPrivate(app)

  const dialects = dialectsOf(settings, clock)
  app.addHook('onClose', async () => { for (const dialect of Object.values(dialects)) dialect.stop?.() })
  const routes: string[] = []
  const context: RouteContext<AppMetadata> = { settings, clock, relay, admission, connections, refused, pins: new Pins(settings.limits.bufferedBytes / PINNED_PART) }
  for (const choice of settings.dialects) {
    const { name, path } = typeof choice === 'string' ? { name: choice, path: null } : choice
    const dialect = dialects[name]!
    const url = path ?? dialect.route(settings.path)
    if (app.hasRoute({ method: 'GET', url: app.prefix + url })) throw new RouteTakenError(app.prefix + url, name)
    addClientRoute(app, url, dialect, context)
    routes.push(app.prefix + url)
    if (!paths.has(name)) paths.set(name, app.prefix + (dialect.base?.(url) ?? url))
  }
  for (const inlet of mediaServer.inlets ?? []) {
    if (app.hasRoute({ method: 'GET', url: app.prefix + inlet.path })) throw new RouteTakenError(app.prefix + inlet.path, inlet.subprotocol)
    addInletRoute(app, inlet, { clock, heartbeatMs: heartbeat.trunkMs })
    routes.push(app.prefix + inlet.path)
  }
  app.addHook('onReady', async () => refuseProxies(app, routes, isBroughtByApp))
}

/** @throws OptionError nobody could be let in */
function checkDirect ({ name }: Driver, { control }: MediaServer): void {
  if (control?.addPeer === undefined) throw new OptionError('mode', `cannot be 'direct': the driver '${name}' cannot let clients in that connect to the media server themselves`)
}

/** Registers @fastify/websocket unless the app has; then it must not undo our bounds. */
async function bringWebsocket (app: FastifyInstance, { limits }: Settings): Promise<void> {
  if (!app.hasDecorator('websocketServer')) {
    // Only the root instance has a server of its own; the others inherit it.
    if (!Object.hasOwn(app, 'server')) throw new NotAtRootError()
    // The types of ws do not know closeTimeout yet: how long a client that has said goodbye may hold the connection.
    const bounds = { maxPayload: limits.messageBytes, perMessageDeflate: false, closeTimeout: limits.closeMs }
    await app.register(fastifyWebsocket, { options: { ...bounds, server: upgradesLeftOver(app) as Server } })
    return
  }
  letGoOfAnswered(app)
  const { maxPayload, perMessageDeflate } = app.websocketServer.options
  if (limits.allowLargerPayload) return
  if (maxPayload === undefined || maxPayload === 0 || maxPayload > limits.messageBytes) throw new PayloadTooLargeError(maxPayload ?? 0, limits.messageBytes)
  if (perMessageDeflate !== undefined && perMessageDeflate !== false) throw new CompressionError()
}

// Said, not inferred: an inferred type would be written out with the metadata of now, and never hear of the app's.
const trunkline: FastifyPluginAsync<TrunklineOptions> = fp(plugin, { fastify: '5.x', name: 'trunkline' })

export default trunkline

/** Of the app's metadata. */
export type Tickets = TicketsOf<AppMetadata>

/**
 * For the option `authenticate`: lets in whoever shows a ticket that `admit()` has issued, a JWT that says which peer its client is.
 * @throws OptionError
 * @throws UnknownOptionError
 */
export const tickets: (options?: TicketOptions) => Tickets = makeTickets

export { CloseCode } from '../lib/close-codes.js'
export type { Clock, Timer } from '../lib/clock.js'
export type { Logger } from '../lib/logger.js'
export { janus } from '../lib/media-servers/janus.js'
export type { JanusAdmittance, JanusOptions } from '../lib/media-servers/janus.js'
export { trunklineServer } from '../lib/media-servers/trunkline.js'
export type { TrunklineServerOptions } from '../lib/media-servers/trunkline.js'
export type { DialectOptions, DrainOptions, HeartbeatOptions, LimitOptions, ResumeOptions, TokenOptions } from '../lib/options.js'
export type { AdmissionStats, Authenticate, Credentials, Identity } from '../lib/relay/admission.js'
export type { ForwardResult, HookFunctions, HookName, MediaEvent, RecordingChange, RoomOfRecording } from '../lib/relay/hooks.js'
export type {
  Accepted, Attachment, AttachmentReceiver, Driver, DriverContext, MediaServer, MediaServerObserver, MediaServerStats, Notification, OpenAnswer,
  OpenRequest, Recording, Status, TrunkState
} from '../lib/relay/media-server.js'
export type { TicketClaims } from '../lib/tickets/desk.js'
export type { TicketStore } from '../lib/tickets/store.js'
export type { TicketOptions, TicketSecret } from '../lib/tickets/tickets.js'
export type { AdmitOptions, AskingRequest, DirectPeer } from '../lib/relay/admittance.js'
export type { Rooms } from '../lib/relay/app-control.js'
export type { Admittance, MediaServerControl, PeerRequest, Room, RoomPeer, RoomRequest } from '../lib/relay/control.js'
export type { Flow, Inlet } from '../lib/relay/inlet.js'
export type { LeaveCause, LeaveReason, Peer, PeerState } from '../lib/relay/peer.js'
export type { Peers } from '../lib/relay/peers.js'
export type { RoomRecordings } from '../lib/relay/recordings.js'
export { Refusal } from '../lib/relay/refusal.js'
export type { RelayStats } from '../lib/relay/relay.js'
export * as errors from '../lib/errors.js'
