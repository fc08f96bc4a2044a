import type { AddressInfo } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'
import { given } from '../../child.js'
import { serveRelay } from '../../relays/meter.js'
import { SUBPROTOCOL } from '../upstream.js'
import type { ClientRequest, JanusUpstream } from '../upstream.js'

/**
 * What everybody writes first: one connection to Janus, whose transactions carry the client's number. Sessions are bound to
 * clients, requests are put into words anew, and that is all: no limit, no queue, no timeout, no way back after a loss.
 */

interface Client {
  id: number
  socket: WebSocket
  sessions: Set<number>
}

interface Answer {
  session_id?: number
  transaction?: string
  data?: { id: number }
}

const { port, apiSecret } = given<JanusUpstream>()
const janus = new WebSocket(`ws://127.0.0.1:${port}`, SUBPROTOCOL, { perMessageDeflate: false })
const clients = new Map<number, Client>()
const owners = new Map<number, Client>()
let lastId = 0

await new Promise((resolve) => { janus.once('open', resolve) })
janus.on('message', (data) => {
  const answer = JSON.parse(String(data)) as Answer
  const { transaction, session_id: sessionId } = answer
  let client = sessionId === undefined ? undefined : owners.get(sessionId)
  if (transaction !== undefined) {
    const at = transaction.indexOf('|')
    client ??= clients.get(Number(transaction.slice(0, at)))
    answer.transaction = transaction.slice(at + 1)
  }
  if (client === undefined) return
  // Only the answer to `create` is of a session that it does not name.
  if (sessionId === undefined && answer.data !== undefined) {
    owners.set(answer.data.id, client)
    client.sessions.add(answer.data.id)
  }
  client.socket.send(JSON.stringify(answer))
})

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
server.on('connection', (socket) => {
  const client = { id: ++lastId, socket, sessions: new Set<number>() }
  clients.set(client.id, client)
  socket.on('message', (data) => {
    const { token: _token, id: _id, ...request } = JSON.parse(String(data)) as ClientRequest
    const { session_id: sessionId, transaction } = request
    if (sessionId !== undefined && !client.sessions.has(sessionId)) {
      socket.send(JSON.stringify({ janus: 'error', session_id: sessionId, transaction, error: { code: 458, reason: `No such session ${sessionId}` } }))
      return
    }
    janus.send(JSON.stringify({ ...request, apisecret: apiSecret, transaction: `${client.id}|${transaction}` }))
  })
  socket.on('close', () => clients.delete(client.id))
})
server.on('listening', () => serveRelay((server.address() as AddressInfo).port))
