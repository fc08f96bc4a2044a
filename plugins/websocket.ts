import type { Server } from 'node:http'
import fastifyWebsocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import { CompressionError, NotAtRootError, PayloadTooLargeError } from '../lib/errors.js'
import type { Settings } from '../lib/options.js'
import { letGoOfAnswered, upgradesLeftOver } from './upgrades.js'

/** Registers @fastify/websocket unless the app has; then it must not undo our bounds. */
export async function bringWebsocket (app: FastifyInstance, { limits }: Settings): Promise<void> {
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
