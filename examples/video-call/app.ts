import { createHmac, randomBytes } from 'node:crypto'
import fastifyStatic from '@fastify/static'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import trunkline, { tickets } from 'trunkline'
import type { RecordingChange, Trunkline, TrunklineServerOptions } from 'trunkline'
import { DirectRooms } from './direct-rooms.js'
import { bundlePage } from './page-bundle.js'
import { RecordedFiles } from './recorded-files.js'
import { addRoomRoutes } from './room-routes.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The registration for clients that connect to the media server themselves. */
    direct: Trunkline
  }
}

export interface AppOptions {
  mediaServer: TrunklineServerOptions
  /** Where the media server listens for clients that connect directly, `ws://host:port`: the page may connect there too. */
  directUrl?: string | undefined
  /** Signs tickets and passes; by default a random one, so that a restart of the app makes them void. */
  secret?: string | undefined
  /** How long a pass is good for, and a relayed client's stay until it has to show a newer ticket, in milliseconds. */
  tokenMs?: number
  logger?: FastifyServerOptions['logger']
  /** Whether the app stands behind a proxy that says how it was asked. */
  trustProxy?: boolean
}

const DAY_MS = 24 * 60 * 60 * 1000

/** The backend of the video call: who gets in, the page, what is recorded, and Trunkline between the browsers and the media server. */
export async function buildApp (options: AppOptions): Promise<FastifyInstance> {
  const { mediaServer, directUrl, secret = randomBytes(32).toString('base64url'), tokenMs = DAY_MS, logger = false, trustProxy = false } = options
  const app = Fastify({ logger, trustProxy })
  const headers = securityHeaders(directUrl)
  app.addHook('onSend', async (_request, reply) => { reply.headers(headers) })
  await app.register(fastifyStatic, { serve: false })

  const files = new RecordedFiles()
  /** Both registrations hear of every recording. */
  const hooks = {
    onRecording (recording: RecordingChange): void {
      const { roomId, peerId } = recording
      files.told(recording, async () => peerId === undefined ? null : nameIn((await app.trunkline.rooms.get(roomId)).peers.find(({ id }) => id === peerId)?.metadata))
    }
  }
  // Of any length that was given, and no key for two things.
  const ticketSecret = createHmac('sha256', secret).update('tickets').digest()
  await app.register(trunkline, { mediaServer, hooks, authenticate: tickets({ secret: ticketSecret, audience: 'relay' }) })
  await app.register(trunkline, { mediaServer, hooks, namespace: 'direct', mode: 'direct', path: '/direct-signaling', dialects: ['trunkline'] })

  const directRooms = new DirectRooms(app.direct, app.log)
  addRoomRoutes(app, {
    secret,
    passMs: tokenMs,
    admit: {
      relay: async (who, how) => await app.trunkline.admit(who, how),
      direct: async (who, how) => await directRooms.admit(who, how)
    },
    trunkline: app.trunkline,
    files
  })

  app.get('/health', async (_request, reply) => {
    const { trunk, peers, rooms, links, uplink, downlink } = app.trunkline.stats()
    const direct = app.direct.stats()
    reply.header('cache-control', 'no-store')
    return { trunk: trunk.state, trunks: trunk.sockets, peers, rooms, links, uplink, downlink, direct: { trunk: direct.trunk.state, trunks: direct.trunk.sockets, links: direct.links } }
  })

  for (const { path, type, body } of await bundlePage()) {
    app.get(path, async (_request, reply) => reply.header('cache-control', 'no-cache').type(type).send(body))
  }
  return app
}

/** What was said of a peer when it was let in. */
function nameIn (metadata: unknown): string | null {
  const { name } = Object(metadata) as { name?: unknown }
  return typeof name === 'string' ? name : null
}

function securityHeaders (directUrl: string | undefined): Record<string, string> {
  return {
    'content-security-policy': [
      "default-src 'none'", "script-src 'self'", "style-src 'self'", "media-src 'self'", 'img-src data:',
      `connect-src 'self'${directUrl === undefined ? '' : ` ${new URL(directUrl).origin}`}`,
      "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"
    ].join('; '),
    'permissions-policy': 'camera=(self), microphone=(self)',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff'
  }
}
