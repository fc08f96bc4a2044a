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
const TEXT = 0x81

let nextId = 1_000_000_000_000_000
const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false, handleProtocols: () => SUBPROTOCOL })
server.on('connection', (socket) => {
  const raw = (socket as WebSocket & { _socket: Socket })._socket
  let answers: string[] = []
  socket.on('message', (data) => {
    if (answers.length === 0) {
      setImmediate(() => {
        raw.write(Buffer.from(answers.join(''), 'latin1'))
        answers = []
      })
    }
    answers.push(frameOf(answerTo(JSON.parse((data as Buffer).toString()) as ClientRequest)))
  })
})
server.on('listening', () => serve({ port: (server.address() as AddressInfo).port, apiSecret: API_SECRET } satisfies JanusUpstream))

/** RFC 6455, 5.2: a whole text of less than 64 KiB, of a server. @param text ASCII */
function frameOf (text: string): string {
  const { length } = text
  return (length < 126 ? String.fromCharCode(TEXT, length) : String.fromCharCode(TEXT, 126, length >> 8, length & 255)) + text
}

/** What is asked over and over is answered without a serializer. */
function answerTo ({ janus, transaction, session_id: sessionId, handle_id: sender, body, apisecret }: ClientRequest): string {
  if (janus === 'info') return JSON.stringify({ janus: 'server_info', transaction, name: 'stub', 'server-name': 'stub', 'session-timeout': 60, 'reclaim-session-timeout': 60 })
  if (apisecret !== API_SECRET) return JSON.stringify({ janus: 'error', session_id: sessionId, transaction, error: { code: 403, reason: 'Unauthorized request (wrong or missing secret/token)' } })
  const { room } = (body ?? {}) as { room?: number }
  switch (janus) {
    case 'create': return JSON.stringify({ janus: 'success', transaction, data: { id: ++nextId } })
    case 'attach': return JSON.stringify({ janus: 'success', session_id: sessionId, transaction, data: { id: ++nextId } })
    case 'message': return `{"janus":"success","session_id":${sessionId},"transaction":"${transaction}","sender":${sender},"plugindata":{"plugin":"${PLUGIN}","data":{"videoroom":"success","room":${room},"exists":false}}}`
    case 'keepalive':
    case 'trickle': return `{"janus":"ack","session_id":${sessionId},"transaction":"${transaction}"}`
    default: return JSON.stringify({ janus: 'success', session_id: sessionId, transaction })
  }
}
