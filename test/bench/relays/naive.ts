import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'
import { given } from '../child.js'
import type { Upstream } from '../child.js'
import { serveRelay } from './meter.js'

/**
 * What everybody writes first: each message goes into an envelope of JSON with the client's id, and this on the one trunk as
 * it comes. (`fifo.ts` is the same with the frames of Trunkline, which its media server understands.)
 */

interface Envelope {
  peer_id: string
  event: string
}

const { port } = given<Upstream>()
const trunk = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false })
const clients = new Map<string, WebSocket>()

await new Promise((resolve) => { trunk.once('open', resolve) })
trunk.on('message', (data) => {
  const { peer_id: peerId, event } = JSON.parse(String(data)) as Envelope
  clients.get(peerId)?.send(event)
})

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
server.on('connection', (client) => {
  const peerId = randomUUID()
  clients.set(peerId, client)
  client.on('message', (data) => trunk.send(JSON.stringify({ peer_id: peerId, event: String(data) } satisfies Envelope)))
  client.on('close', () => clients.delete(peerId))
})
server.on('listening', () => serveRelay((server.address() as AddressInfo).port))
