import { randomUUID } from 'node:crypto'
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { systemClock } from '../lib/clock.js'
import type { Clock } from '../lib/clock.js'
import { Connections } from '../lib/connections.js'
import type { Dialect } from '../lib/dialects/dialect.js'
import { fishjamDialect } from '../lib/dialects/fishjam.js'
import { janusDialect } from '../lib/dialects/janus.js'
import { trunklineDialect } from '../lib/dialects/trunkline.js'
import { Drain } from '../lib/drain.js'
import { ModeError, NamespaceTakenError, OptionError, RouteTakenError } from '../lib/errors.js'
import { trunklineServer } from '../lib/media-servers/trunkline.js'
import { checkOptions } from '../lib/options.js'
import type { Settings } from '../lib/options.js'
import { Admission } from '../lib/relay/admission.js'
import type { Authenticate } from '../lib/relay/admission.js'
import { Admittances } from '../lib/relay/admittance.js'
import { AppControl } from '../lib/relay/app-control.js'
import { Hooks } from '../lib/relay/hooks.js'
import type { HookName } from '../lib/relay/hooks.js'
import type { Driver, MediaServer } from '../lib/relay/media-server.js'
import { PINNED_PART, Pins } from '../lib/pins.js'
import { Refusals } from '../lib/relay/refusals.js'
import { Relay } from '../lib/relay/relay.js'
import { Removal } from '../lib/relay/removal.js'
import { deskOf, tickets as makeTickets } from '../lib/tickets/tickets.js'
import type { TicketOptions, Tickets as TicketsOf } from '../lib/tickets/tickets.js'
import { addClientRoute } from './client-route.js'
import type { RouteContext } from './client-route.js'
import { drainOnClose } from './closing.js'
import { refuseHttp2, refuseProxies } from './coexistence.js'
import type { CommonOptions, Decorator } from './decorator.js'
import { addInletRoute } from './inlet-route.js'
import { keepTokensPrivate } from './private-token.js'
import { bringWebsocket } from './websocket.js'

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

/** `app.trunkline` */
export interface Trunkline<Metadata = AppMetadata> extends Decorator<Metadata> {}

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
    kick: (roomId, peerId) => relay.peers.get(peerId)?.roomId === roomId && relay.kick(peerId, 'removed'),
    log: app.log
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
    send: (peerId, message) => relay.messages.send(peerId, message),
    broadcast: (roomId, message) => relay.messages.broadcast(roomId, message),
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

export type { CommonOptions, Decorator, TrunklineStats } from './decorator.js'
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
export type { RelayStats } from '../lib/relay/relay-stats.js'
export * as errors from '../lib/errors.js'
