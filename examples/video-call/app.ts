import { randomBytes, randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyRequest, FastifyServerOptions } from 'fastify'
import trunkline from 'trunkline'
import type { TrunklineOptions } from 'trunkline'
import { bundlePage } from './page-bundle.js'
import { signToken, verifyToken } from './token.js'
import type { Claims } from './token.js'

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

/** What a client needs to come in. */
interface Ticket {
  peerId: string
  /** Of the app; the route is that of the client's kind. */
  url: string
  token: string
}

const DAY_MS = 24 * 60 * 60 * 1000
/** How long after its end a token still gets a new one: a laptop that was closed overnight comes back to its call. */
const RENEWAL_MS = DAY_MS

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

  const ticket = (request: FastifyRequest, claims: Omit<Claims, 'expiresAt'>): Ticket =>
    ({ peerId: claims.peerId, url: signalingUrl(request), token: signToken({ ...claims, expiresAt: Date.now() + tokenMs }, secret) })

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
    return ticket(request, { peerId, roomId, name: name.trim() })
  })

  app.post<{ Params: { roomId: string, peerId: string } }>('/rooms/:roomId/peers/:peerId/token', async (request, reply) => {
    const [, shown = ''] = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '') ?? []
    // Nothing but the token says who is asking: the address only has to agree with it.
    const { peerId, roomId, name } = verifyToken(shown, secret, Date.now() - RENEWAL_MS)
    if (peerId !== request.params.peerId || roomId !== request.params.roomId) return reply.code(403).send({ message: 'the token is of another peer' })
    reply.header('cache-control', 'no-store')
    return ticket(request, { peerId, roomId, name })
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
