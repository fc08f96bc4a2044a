import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import type { Clock } from '../lib/clock.js'
import { CloseCode } from '../lib/close-codes.js'
import { Heartbeats } from '../lib/heartbeat.js'
import type { Inlet } from '../lib/relay/inlet.js'
import { withoutQuery } from './request-log.js'
import { letGoOfResponse } from './upgrades.js'

/** How long who is told to go may take, in milliseconds. */
const CLOSE_MS = 1_000

interface InletContext {
  clock: Clock
  /** Between two pings, in milliseconds. */
  heartbeatMs: number
}

/**
 * The route by which a media server comes. It has a WebSocket server of its own: what a media server says at once may be far larger
 * than what a client may say.
 */
export function addInletRoute (app: FastifyInstance, inlet: Inlet, { clock, heartbeatMs }: InletContext): void {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: inlet.messageBytes,
    perMessageDeflate: false,
    handleProtocols: () => inlet.subprotocol
  })
  const heartbeats = new Heartbeats(heartbeatMs, clock, 1)

  app.get(inlet.path, {
    websocket: true,
    logSerializers: { req: withoutQuery },
    // The upgrade itself is done here too: behind the handler stands a server with the bounds of clients.
    preValidation: async (request, reply) => {
      const { ws, raw, headers } = request
      if (!ws) return await reply.code(426).header('upgrade', 'websocket').send({ statusCode: 426, error: 'Upgrade Required', message: 'this is a WebSocket endpoint' })
      const refusal = judge(request)
      if (refusal !== null) {
        request.log.warn({ reason: refusal.message }, 'who says to be the media server is refused')
        return await reply.code(refusal.code).send({ statusCode: refusal.code, error: refusal.message, message: refusal.message })
      }
      if (!(headers['sec-websocket-protocol'] ?? '').split(',').some((name) => name.trim() === inlet.subprotocol)) {
        return await reply.code(400).send({ statusCode: 400, error: 'Bad Request', message: `the subprotocol must be ${inlet.subprotocol}` })
      }
      reply.hijack()
      letGoOfResponse(raw.socket)
      // Before it has heard that it may, a client that keeps to RFC 6455, 4.1 says nothing.
      server.handleUpgrade(raw, raw.socket, Buffer.alloc(0), (socket) => accept(socket, raw.socket, request))
    }
  }, (socket) => socket.terminate())
  app.addHook('preClose', async () => { await Promise.all([...server.clients].map(goodbye)) })

  function judge ({ query }: FastifyRequest): { code: number, message: string } | null {
    const { key, token } = query as { key?: unknown, token?: unknown }
    const shown = typeof key === 'string' ? key : token
    if (typeof shown !== 'string' || !inlet.admits(shown)) return { code: 401, message: 'the key is not that of the media server' }
    return server.clients.size >= inlet.connections ? { code: 503, message: 'the media server is here already' } : null
  }

  function accept (socket: WebSocket, raw: Socket, { log }: FastifyRequest): void {
    let isPaused = false
    const flow = {
      pause () {
        isPaused = true
        socket.pause()
      },
      resume () {
        isPaused = false
        socket.resume()
      }
    }
    const heartbeat = heartbeats.watch({
      bytesRead: () => isPaused ? null : raw.bytesRead,
      ping: () => { if (socket.readyState === socket.OPEN) socket.ping() },
      dead: () => socket.terminate()
    })
    log.info({}, 'the media server has come')
    socket.on('message', (data) => {
      try {
        inlet.message((data as Buffer).toString(), flow)
      } catch (error) {
        // Out of here it would be an uncaughtException.
        log.error({ err: error }, 'what the media server says could not be dealt with')
      }
    })
    socket.on('error', (error) => log.warn({ err: error }, 'the media server broke the connection'))
    socket.on('close', (code) => {
      heartbeat.stop()
      inlet.closed(flow)
      log.info({ code }, 'the media server has gone')
    })
  }

  async function goodbye (socket: WebSocket): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = clock.after(CLOSE_MS, () => socket.terminate())
      socket.once('close', () => {
        timer.cancel()
        resolve()
      })
      socket.resume()
      socket.close(CloseCode.goingAway, 'the backend is closing')
    })
  }
}
