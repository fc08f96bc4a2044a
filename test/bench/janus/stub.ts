import type { AddressInfo, Socket } from 'node:net'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import { serve } from '../child.js'
import { PLUGIN, SUBPROTOCOL } from './upstream.js'
import type { ClientRequest, JanusUpstream } from './upstream.js'

/**
 * In the place of Janus, which takes more time for a request than a relay does: it answers what the benchmark asks, as Janus does,
 * field by field and in the same order, and checks nothing. What came in one read is answered in one write, so that it keeps up.
 */

const API_SECRET = 'bench'

let nextId = 1_000_000_000_000_000
const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false, handleProtocols: () => SUBPROTOCOL })
server.on('connection', (socket) => {
  const raw = (socket as WebSocket & { _socket: Socket })._socket
  let isCorked = false
  socket.on('message', (data) => {
    const answer = answerTo(JSON.parse((data as Buffer).toString()) as ClientRequest)
    if (!isCorked) {
      isCorked = true
      raw.cork()
      setImmediate(() => {
        isCorked = false
        raw.uncork()
      })
    }
    socket.send(JSON.stringify(answer))
  })
})
server.on('listening', () => serve({ port: (server.address() as AddressInfo).port, apiSecret: API_SECRET } satisfies JanusUpstream))

function answerTo ({ janus, transaction, session_id: sessionId, handle_id: sender, body, apisecret }: ClientRequest): object {
  if (janus === 'info') return { janus: 'server_info', transaction, name: 'stub', 'server-name': 'stub', 'session-timeout': 60, 'reclaim-session-timeout': 60 }
  if (apisecret !== API_SECRET) return { janus: 'error', session_id: sessionId, transaction, error: { code: 403, reason: 'Unauthorized request (wrong or missing secret/token)' } }
  switch (janus) {
    case 'create': return { janus: 'success', transaction, data: { id: ++nextId } }
    case 'attach': return { janus: 'success', session_id: sessionId, transaction, data: { id: ++nextId } }
    case 'message': {
      const { room } = body as { room: number }
      return { janus: 'success', session_id: sessionId, transaction, sender, plugindata: { plugin: PLUGIN, data: { videoroom: 'success', room, exists: false } } }
    }
    case 'keepalive':
    case 'trickle': return { janus: 'ack', session_id: sessionId, transaction }
    default: return { janus: 'success', session_id: sessionId, transaction }
  }
}
