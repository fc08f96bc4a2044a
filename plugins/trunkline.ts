import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import fastifyWebsocket from '@fastify/websocket'
import type { WebSocket } from '@fastify/websocket'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { systemClock } from '../lib/clock.js'
import type { Clock } from '../lib/clock.js'
import { CloseCode } from '../lib/close-codes.js'
import { Connections } from '../lib/connections.js'
import { ClientSocket } from '../lib/dialects/client-socket.js'
import type { Dialect, Door } from '../lib/dialects/dialect.js'
import { fishjamDialect } from '../lib/dialects/fishjam.js'
import { trunklineDialect } from '../lib/dialects/trunkline.js'
import { CompressionError, NamespaceTakenError, NotAtRootError, PayloadTooLargeError, RouteTakenError } from '../lib/errors.js'
import { trunklineServer } from '../lib/media-servers/trunkline.js'
import type { TrunklineServerOptions } from '../lib/media-servers/trunkline.js'
import { checkOptions } from '../lib/options.js'
import type { DialectOptions, HeartbeatOptions, LimitOptions, Settings } from '../lib/options.js'
import { Admission } from '../lib/relay/admission.js'
import type { Authenticate, CheckedIdentity } from '../lib/relay/admission.js'
import { Hooks } from '../lib/relay/hooks.js'
import type { HookFunctions, HookName } from '../lib/relay/hooks.js'
import type { Driver, TrunkState } from '../lib/relay/media-server.js'
import type { Peers } from '../lib/relay/peers.js'
import { Refusal, refusalOf } from '../lib/relay/refusal.js'
import { Relay } from '../lib/relay/relay.js'
import type { RelayStats } from '../lib/relay/relay.js'
import { checkOrigin, credentialsOf } from '../lib/upgrade.js'

/**
 * Tells TypeScript what the app's metadata is:
 * `declare module 'trunkline' { interface TrunklineTypes { metadata: { userId: string } } }`
 */

export interface TrunklineTypes {}

/** The metadata that `authenticate` answers: as `TrunklineTypes` says, else unknown. */
export type AppMetadata = TrunklineTypes extends { metadata: infer Metadata } ? Metadata : unknown

export interface TrunklineOptions<Metadata = AppMetadata> {
  /** Where the media server is and how it is let in to, or a driver. */
  mediaServer: TrunklineServerOptions | Driver
  /** Says who a client is, or throws. Nobody gets in without it. */
  authenticate: Authenticate<FastifyRequest, Metadata>
  hooks?: Partial<HookFunctions<Metadata>>
  path?: string
  dialects?: DialectOptions[]
  origins?: '*' | string[]
  cookie?: string
  duplicate?: 'replace' | 'refuse'
  trunkDownMs?: number
  namespace?: string
  limits?: Partial<LimitOptions>
  heartbeat?: Partial<HeartbeatOptions>
  /** For tests: where all time comes from. */
  clock?: Clock
}

export interface TrunklineStats extends RelayStats {
  /** Clients' sockets, those that are not let in yet included. */
  links: number
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
  /** Ends a peer with 4410; whether there was one. */
  kick (peerId: string, reason?: string): boolean
  stats (): TrunklineStats
}

declare module 'fastify' {
  interface FastifyInstance {
    trunkline: Trunkline
  }
}

/** How long closing waits for hooks: well below the 10 s after which Fastify gives up on it. Milliseconds. */
const DRAIN_MS = 8_000

const DIALECTS: Record<string, Dialect> = { trunkline: trunklineDialect, fishjam: fishjamDialect }

const plugin: FastifyPluginAsync<TrunklineOptions> = async (app, options) => {
  const settings = checkOptions(options as unknown as Record<string, unknown>)
  const { limits, heartbeat, namespace } = settings
  if (app.hasDecorator(namespace)) throw new NamespaceTakenError(namespace)

  const clock = options.clock ?? systemClock
  const hooks = new Hooks<AppMetadata>(limits.hookMs, clock)
  for (const [name, fn] of Object.entries(options.hooks ?? {})) if (fn !== undefined) hooks.add(name as HookName, fn as never)
  const driver = 'create' in options.mediaServer ? options.mediaServer : trunklineServer(options.mediaServer)
  const mediaServer = driver.create({
    clock,
    log: app.log.child({ mediaServer: driver.name }),
    backendId: randomUUID(),
    heartbeatMs: heartbeat.trunkMs,
    trunkQueueBytes: limits.trunkQueueBytes
  })
  const relay = new Relay({
    mediaServer, hooks, duplicate: settings.duplicate, limits: { ...limits, trunkDownMs: settings.trunkDownMs }, clock, log: app.log
  })
  const connections = new Connections()
  const admission = new Admission<FastifyRequest, AppMetadata>(options.authenticate, limits, clock)

  app.decorate(namespace, {
    addHook (name, fn) {
      hooks.add(name, fn)
      return this
    },
    peers: relay.peers,
    get trunk () { return relay.trunk },
    kick: (peerId, reason = 'removed') => relay.kick(peerId, reason),
    stats: () => ({ ...relay.stats(), links: connections.size })
  } satisfies Trunkline)

  // Before @fastify/websocket adds its own: that one closes clients without a code, and the first to close wins.
  app.addHook('preClose', async () => {
    admission.close()
    letGoOfRefused(app, limits.closeMs)
    const drained = Promise.all([relay.drain(), connections.close(CloseCode.restart, 'restarting')])
    await new Promise<void>((resolve) => {
      const deadline = clock.after(DRAIN_MS, () => {
        app.log.warn({ ms: DRAIN_MS }, 'closing without waiting for hooks any longer')
        resolve()
      })
      void drained.then(() => {
        deadline.cancel()
        resolve()
      })
    })
  })
  app.addHook('onClose', () => relay.stop())
  app.addHook('onReady', async () => relay.start())
  await bringWebsocket(app, settings)

  const context: Context = { settings, clock, relay, admission, connections }
  for (const choice of settings.dialects) {
    const { name, path } = typeof choice === 'string' ? { name: choice, path: null } : choice
    const dialect = DIALECTS[name]!
    const url = path ?? dialect.route(settings.path)
    if (app.hasRoute({ method: 'GET', url: app.prefix + url })) throw new RouteTakenError(app.prefix + url, name)
    addRoute(app, url, dialect, context)
  }
}

/**
 * While the app closes, Fastify answers upgrades with 503 and nobody lets go of their sockets: half open, each would keep
 * the server from closing for as long as its client likes. And closing is just when all clients come back.
 */
function letGoOfRefused (app: FastifyInstance, withinMs: number): void {
  const listener = (_request: IncomingMessage, socket: Duplex): void => {
    // One that somebody reads was taken: another listener of the same server may accept what Fastify would refuse.
    const letGo = (): void => { if (socket.listenerCount('data') === 0) socket.destroy() }
    const cut = setTimeout(letGo, withinMs)
    socket.once('close', () => clearTimeout(cut))
    socket.once('finish', letGo)
  }
  app.server.on('upgrade', listener)
  app.server.once('close', () => app.server.removeListener('upgrade', listener))
}

interface Context {
  settings: Settings
  clock: Clock
  relay: Relay<AppMetadata>
  admission: Admission<FastifyRequest, AppMetadata>
  connections: Connections
}

/** Registers @fastify/websocket unless the app has; then it must not undo our bounds. */
async function bringWebsocket (app: FastifyInstance, { limits }: Settings): Promise<void> {
  if (!app.hasDecorator('websocketServer')) {
    // Only the root instance has a server of its own; the others inherit it.
    if (!Object.hasOwn(app, 'server')) throw new NotAtRootError()
    // The types of ws do not know closeTimeout yet: how long a client that has said goodbye may hold the connection.
    const bounds = { maxPayload: limits.messageBytes, perMessageDeflate: false, closeTimeout: limits.closeMs }
    await app.register(fastifyWebsocket, { options: bounds })
    return
  }
  const { maxPayload, perMessageDeflate } = app.websocketServer.options
  if (limits.allowLargerPayload) return
  if (maxPayload === undefined || maxPayload === 0 || maxPayload > limits.messageBytes) throw new PayloadTooLargeError(maxPayload ?? 0, limits.messageBytes)
  if (perMessageDeflate !== undefined && perMessageDeflate !== false) throw new CompressionError()
}

function addRoute (app: FastifyInstance, url: string, dialect: Dialect, context: Context): void {
  const { settings, admission, relay, connections, clock } = context
  const { limits } = settings
  const identities = new WeakMap<FastifyRequest, CheckedIdentity<AppMetadata>>()

  app.get(url, {
    websocket: true,
    // The token may stand in the query, and Fastify logs the URL of every request.
    logSerializers: { req: withoutQuery },
    preValidation: async (request, reply) => {
      if (!request.ws) return await reply.code(426).header('upgrade', 'websocket').send({ statusCode: 426, error: 'Upgrade Required', message: 'this is a WebSocket endpoint' })
      try {
        checkOrigin(request, settings.origins)
        if (dialect.credentials === 'upgrade') identities.set(request, await admission.admit(request, credentialsOf(request, settings.cookie)))
      } catch (error) {
        return await refuse(request, reply, refusalOf(error))
      }
    }
  }, (socket, request) => {
    // Ours are closed by us, with a code: out of the list that @fastify/websocket closes without one.
    app.websocketServer.clients.delete(socket)
    const client = new ClientSocket(socket as WebSocket, request.raw.socket, { ...limits, heartbeatMs: settings.heartbeat.clientMs }, clock, request.log)
    const isKnown = identities.has(request)
    const isOneTooMany = !isKnown && connections.strangers >= limits.unauthenticatedLinks
    if (isOneTooMany) client.close(CloseCode.tryAgainLater, 'too many at once')
    connections.add(client, isKnown || isOneTooMany)
    socket.once('close', () => connections.delete(client))
    const door: Door = {
      clock,
      log: request.log,
      authMs: limits.authMs,
      async admit (token) {
        const identity = identities.get(request) ?? await admission.admit(request, { token: token ?? '', from: 'message' }).catch((error: unknown) => {
          logRefusal(request, refusalOf(error))
          throw error
        })
        connections.known(client)
        return (link) => relay.join(identity, link, request.log)
      }
    }
    dialect.accept(client, door)
  })
}

async function refuse (request: FastifyRequest, reply: FastifyReply, refusal: Refusal): Promise<void> {
  logRefusal(request, refusal)
  const { httpStatus, message } = refusal
  if (httpStatus === 503 || httpStatus === 429) reply.header('retry-after', '1')
  await reply.code(httpStatus).send({ statusCode: httpStatus, error: message, message, code: refusal.code })
}

function logRefusal (request: FastifyRequest, { httpStatus, message, cause }: Refusal): void {
  const { origin } = request.headers
  const fields = { reason: message, host: request.host, ...(origin === undefined ? {} : { origin }), ...(cause === undefined ? {} : { err: cause }) }
  if (httpStatus >= 500) request.log.error(fields, 'a client could not be authenticated')
  else request.log.info(fields, 'a client is refused')
}

function withoutQuery (request: FastifyRequest): object {
  return {
    method: request.method,
    url: request.url.split('?', 1)[0],
    host: request.host,
    remoteAddress: request.ip,
    remotePort: request.socket?.remotePort
  }
}

// Said, not inferred: an inferred type would be written out with the metadata of now, and never hear of the app's.
const trunkline: FastifyPluginAsync<TrunklineOptions> = fp(plugin, { fastify: '5.x', name: 'trunkline' })

export default trunkline

export { CloseCode } from '../lib/close-codes.js'
export { trunklineServer } from '../lib/media-servers/trunkline.js'
export type { TrunklineServerOptions } from '../lib/media-servers/trunkline.js'
export type { Authenticate, Credentials, Identity } from '../lib/relay/admission.js'
export type { ForwardResult, HookFunctions, HookName, MediaEvent, RoomOfRecording } from '../lib/relay/hooks.js'
export type { Driver, Notification, Recording, TrunkState } from '../lib/relay/media-server.js'
export type { LeaveCause, LeaveReason, Peer, PeerState } from '../lib/relay/peer.js'
export type { Peers } from '../lib/relay/peers.js'
export { Refusal } from '../lib/relay/refusal.js'
export * as errors from '../lib/errors.js'
