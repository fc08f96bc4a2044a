import type { Socket } from 'node:net'
import type { WebSocket } from '@fastify/websocket'
import type { ServerOptions } from 'ws'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../lib/clock.js'
import { CloseCode } from '../lib/close-codes.js'
import type { Connections } from '../lib/connections.js'
import { Heartbeats } from '../lib/heartbeat.js'
import { ClientSocket } from '../lib/dialects/client-socket.js'
import type { Dialect, Door } from '../lib/dialects/dialect.js'
import { logThrown } from '../lib/logger.js'
import type { Settings } from '../lib/options.js'
import type { Pins } from '../lib/pins.js'
import type { Admission, CheckedIdentity } from '../lib/relay/admission.js'
import { RESTART } from '../lib/relay/peer.js'
import { Refusal, busy, refusalOf } from '../lib/relay/refusal.js'
import type { Refusals } from '../lib/relay/refusals.js'
import type { Relay } from '../lib/relay/relay.js'
import type { Visitor } from '../lib/relay/turnstile.js'
import { checkOrigin, credentialsOf } from '../lib/upgrade.js'
import { withoutQuery } from './request-log.js'
import { letGoOfResponse } from './upgrades.js'

/** What a route needs of the plugin. */
export interface RouteContext<Metadata> {
  settings: Settings
  clock: Clock
  relay: Relay<Metadata>
  admission: Admission<FastifyRequest, Metadata>
  connections: Connections
  refused: Refusals
  /** Of all clients. */
  pins: Pins
}

/** What an app has told its own `ws` to do with each message is done by `ws` alone. */
function wholeBytesOf ({ allowSynchronousEvents = true, skipUTF8Validation = false, maxPayload = 0 }: ServerOptions, messageBytes: number): number {
  if (!allowSynchronousEvents || skipUTF8Validation) return 0
  return maxPayload > 0 ? Math.min(maxPayload, messageBytes) : messageBytes
}

/** In so many groups the clients are pinged, one after the other: all at once would hold everything else up. */
const HEARTBEAT_STEPS = 100

/** The route of one dialect: who is let in through it, and to whom its sockets are given. */
export function addClientRoute<Metadata> (app: FastifyInstance, url: string, dialect: Dialect, context: RouteContext<Metadata>): void {
  const { settings, admission, relay, connections, refused, pins, clock } = context
  const { limits } = settings
  const heartbeats = new Heartbeats(settings.heartbeat.clientMs, clock, HEARTBEAT_STEPS)
  // Shared: made for each client, they are a part of what it costs.
  const shared = {
    counts: connections.counts,
    heartbeats,
    received: (bytes: number) => relay.received(bytes),
    closed: (client: ClientSocket) => connections.delete(client),
    wholeBytes: wholeBytesOf(app.websocketServer.options, limits.messageBytes),
    clock
  }
  const identities = new WeakMap<FastifyRequest, CheckedIdentity<Metadata>>()
  const refusals = new WeakMap<FastifyRequest, Refusal>()

  app.get(url, {
    websocket: true,
    // The token may stand in the query, and Fastify logs the URL of every request.
    logSerializers: { req: withoutQuery },
    preValidation: async (request, reply) => {
      if (!request.ws) return await reply.code(426).header('upgrade', 'websocket').send({ statusCode: 426, error: 'Upgrade Required', message: 'this is a WebSocket endpoint' })
      const protocols = protocolsOf(request)
      try {
        if (admission.closed !== null) throw admission.closed
        if (settings.mode === 'direct') throw new Refusal(CloseCode.forbidden, 403, 'clients connect to the media server themselves: ask for admittance')
        checkOrigin(request, settings.origins)
        if (dialect.credentials(protocols) === 'upgrade') identities.set(request, await admitUpgrade(request))
      } catch (error) {
        const refusal = refusalOf(error)
        note(request, refusal)
        if (!dialect.refusesByCode(protocols, refusal)) return await refuse(reply, refusal)
        refusals.set(request, refusal)
      }
    }
  }, (socket, request) => {
    // Ours are closed by us, with a code: out of the list that @fastify/websocket closes without one.
    app.websocketServer.clients.delete(socket)
    // That of @fastify/websocket logs an error with its stack for whatever a client sends, and cuts it before it has heard why.
    socket.removeAllListeners('error')
    letGoOfResponse(request.raw.socket)
    const client = new ClientSocket(socket as WebSocket, request.raw.socket, limits, { ...shared, log: request.log })
    const isKnown = identities.has(request)
    const isOneTooMany = !isKnown && connections.strangers >= limits.unauthenticatedLinks
    if (isOneTooMany) turnAway(client, dialect, request)
    connections.add(client, isKnown || isOneTooMany)
    const door: Door = {
      clock,
      log: request.log,
      authMs: limits.authMs,
      queueBytes: limits.uplinkQueueBytes,
      windowEvents: settings.resume.windowEvents,
      pins,
      heartbeatMs: settings.heartbeat.clientMs,
      protocol: socket.protocol,
      refused: refusals.get(request) ?? null,
      async admit (token, isIn = false) {
        // Whatever the dialect makes of it, and whichever subprotocol was agreed on.
        const refusal = refusals.get(request)
        if (refusal !== undefined) throw refusal
        const identity = identities.get(request) ?? await admit(request, token, { isIn, gone: client.gone })
        connections.known(client)
        return {
          subject: identity.subject,
          enter: (link, claim) => noting(request, () => relay.enter(identity, link, claim, request.log)),
          // The relay made it: there is no other kind.
          renew: (session, claim) => noting(request, () => relay.renew(identity, session as ReturnType<typeof relay.enter>, claim))
        }
      }
    }
    dialect.accept(client, door)
    // One that was being upgraded when the closing began.
    if (admission.closed !== null) client.retire(RESTART, true)
  })

  /** Of who shows in a message who they are, or has shown it with the upgrade and brings no token in the message. */
  async function admit (request: FastifyRequest, token: string | null, visitor: Visitor): Promise<CheckedIdentity<Metadata>> {
    try {
      return await admission.admit(request, token === null ? credentialsOf(request, settings.cookie) : { token, from: 'message' }, visitor)
    } catch (error) {
      note(request, refusalOf(error))
      throw error
    }
  }

  /** Of who shows with the upgrade who they are: the connection may be gone before it is their turn. */
  async function admitUpgrade (request: FastifyRequest): Promise<CheckedIdentity<Metadata>> {
    const credentials = credentialsOf(request, settings.cookie)
    // Absent where @fastify/websocket injects a connection that is no network's.
    const socket: Socket | undefined = request.raw.socket
    const gone = new AbortController()
    const abort = (): void => gone.abort()
    for (const event of ['end', 'close']) socket?.on(event, abort)
    // Nobody reads it yet, and so nobody would see its end. What it sends meanwhile stays in it, bounded, for whoever reads it then.
    socket?.read(0)
    try {
      return await admission.admit(request, credentials, { gone: gone.signal })
    } finally {
      for (const event of ['end', 'close']) socket?.removeListener(event, abort)
    }
  }

  /** One more than there may be of those who have not shown who they are. */
  function turnAway (client: ClientSocket, dialect: Dialect, request: FastifyRequest): void {
    const refusal = refusals.get(request) ?? busy('too many at once', undefined, admission.turnstile.comeBackMs())
    if (!refusals.has(request)) note(request, refusal)
    if (dialect.refusesByCode(protocolsOf(request), refusal)) refusals.set(request, refusal)
    else client.close(refusal.code, refusal.message)
  }

  function noting<T> (request: FastifyRequest, act: () => T): T {
    try {
      return act()
    } catch (error) {
      if (error instanceof Refusal) note(request, error)
      throw error
    }
  }

  function note (request: FastifyRequest, refusal: Refusal): void {
    // Nobody hears of it who has gone by itself.
    if (refusal.code === CloseCode.goingAway) return
    refused.count(refusal)
    logRefusal(request, refusal)
  }
}

function protocolsOf ({ headers }: FastifyRequest): string[] {
  return (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
}

async function refuse (reply: FastifyReply, { httpStatus, message, code, afterMs }: Refusal): Promise<void> {
  // Whole seconds, by RFC 9110, 10.2.3.
  if (httpStatus === 503 || httpStatus === 429) reply.header('retry-after', Math.max(1, Math.ceil((afterMs ?? 0) / 1_000)))
  await reply.code(httpStatus).send({ statusCode: httpStatus, error: message, message, code })
}

function logRefusal (request: FastifyRequest, { httpStatus, message, cause }: Refusal): void {
  const { origin } = request.headers
  const fields = { reason: message, host: request.host, ...(origin === undefined ? {} : { origin }) }
  // Without a cause it is for want of room, which is no fault, and comes by the thousand.
  if (httpStatus >= 500 && cause !== undefined) logThrown(request.log, cause, 'a client could not be authenticated', fields)
  else logThrown(request.log, cause, 'a client is refused', fields, 'info')
}
