import { randomBytes, randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import trunkline from 'trunkline'
import type { Driver, Peer } from 'trunkline'
import { bundlePage } from '../video-call/page-bundle.js'
import { signToken, verifyToken } from '../video-call/token.js'
import { keepToRoom } from './rules.js'

export interface AppOptions {
  mediaServer: Driver
  /** The VideoRoom that everybody is in. */
  roomId: string
  logger?: FastifyServerOptions['logger']
}

const DAY_MS = 24 * 60 * 60 * 1000

const joinSchema = {
  body: {
    type: 'object',
    required: ['name'],
    properties: { name: { type: 'string', minLength: 1, maxLength: 64, pattern: '\\S' } }
  }
}

/** The backend: who gets in, what they may say to Janus, the page, and Trunkline between the browsers and Janus. */
export async function buildApp ({ mediaServer, roomId, logger = false }: AppOptions): Promise<FastifyInstance> {
  const app = Fastify({ logger })
  const secret = randomBytes(32).toString('base64url')

  await app.register(trunkline, {
    mediaServer,
    dialects: ['janus'],
    authenticate (_request, { token }) {
      const { roomId, peerId, name, expiresAt } = verifyToken(token, secret)
      return { roomId, peerId, metadata: { name }, expiresAt }
    },
    hooks: { onUplink: (event, peer) => keepToRoom(event, peer as Peer<{ name: string }>) }
  })

  app.post<{ Body: { name: string } }>('/join', { schema: joinSchema }, async ({ body: { name } }) => {
    const peerId = randomUUID()
    return { roomId, peerId, token: signToken({ peerId, roomId, name: name.trim(), expiresAt: Date.now() + DAY_MS }, secret) }
  })

  app.get('/health', async (_request, reply) => {
    const { trunk, peers } = app.trunkline.stats()
    reply.header('cache-control', 'no-store')
    return { trunk: trunk.state, trunks: trunk.sockets, peers }
  })

  for (const { path, type, body } of await bundlePage('janus')) {
    app.get(path, async (_request, reply) => reply.header('cache-control', 'no-cache').type(type).send(body))
  }
  return app
}
