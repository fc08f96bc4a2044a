import { randomBytes, randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyRequest, FastifyServerOptions } from 'fastify'
import trunkline from 'trunkline'
import type { TrunklineOptions } from 'trunkline'
import { bundlePage } from './page-bundle.js'
import { signToken, verifyToken } from './token.js'

export interface AppOptions {
  mediaServer: TrunklineOptions['mediaServer']
  /** Signs the clients' tokens; by default a random one, so that a restart of the app makes them void. */
  secret?: string | undefined
  /** How long a token is good for, in milliseconds. */
  tokenMs?: number
  logger?: FastifyServerOptions['logger']
  /** Whether the app stands behind a proxy that says how it was asked. */
  trustProxy?: boolean
}

const DAY_MS = 24 * 60 * 60 * 1000

const admissionSchema = {
  params: {
    type: 'object',
    properties: { roomId: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$' } }
  },
  body: {
    type: 'object',
    required: ['name'],
    // A name of nothing but blanks is none.
    properties: { name: { type: 'string', minLength: 1, maxLength: 64, pattern: '\\S' } }
  }
}

const SECURITY_HEADERS = {
  'content-security-policy': [
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", 'img-src data:',
    "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"
  ].join('; '),
  'permissions-policy': 'camera=(self), microphone=(self)',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff'
}

/** The backend of the video call: who gets in, the page, and Trunkline between the browsers and the media server. */
export async function buildApp ({ mediaServer, secret = randomBytes(32).toString('base64url'), tokenMs = DAY_MS, logger = false, trustProxy = false }: AppOptions): Promise<FastifyInstance> {
  const app = Fastify({ logger, trustProxy })

  app.addHook('onSend', async (_request, reply) => { reply.headers(SECURITY_HEADERS) })

  await app.register(trunkline, {
    mediaServer,
    authenticate (_request, { token }) {
      const { roomId, peerId, name, expiresAt } = verifyToken(token, secret)
      return { roomId, peerId, metadata: { name }, expiresAt }
    }
  })

  app.post<{ Params: { roomId: string }, Body: { name: string } }>('/rooms/:roomId/peers', { schema: admissionSchema }, async (request) => {
    const peerId = randomUUID()
    const { params: { roomId }, body: { name } } = request
    return { peerId, url: signalingUrl(request), token: signToken({ peerId, roomId, name: name.trim(), expiresAt: Date.now() + tokenMs }, secret) }
  })

  app.get('/health', async (_request, reply) => {
    const { trunk, peers, rooms, uplink, downlink } = app.trunkline.stats()
    reply.header('cache-control', 'no-store')
    return { trunk: trunk.state, trunks: trunk.sockets, peers, rooms, uplink, downlink }
  })

  for (const { path, type, body } of await bundlePage()) {
    app.get(path, async (_request, reply) => reply.header('cache-control', 'no-cache').type(type).send(body))
  }
  return app
}

/** Where the client finds its signaling: at this app, as the browser has just reached it. */
function signalingUrl ({ protocol, host }: FastifyRequest): string {
  return `${protocol === 'https' ? 'wss' : 'ws'}://${host}`
}
