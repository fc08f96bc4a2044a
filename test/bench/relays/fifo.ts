import type { AddressInfo } from 'node:net'
import fastifyWebsocket from '@fastify/websocket'
import Fastify from 'fastify'
import { WebSocket } from 'ws'
import { messageOf } from '../../../lib/trunk/codec.js'
import type { Tag } from '../../../lib/trunk/codec.js'
import { protobufCodec as codec } from '../../../lib/trunk/frames.js'
import { SUBPROTOCOL, VERSION, frame } from '../../../lib/trunk/schema.js'
import type { Frame } from '../../../lib/trunk/schema.js'
import { given, serve } from '../child.js'
import type { Upstream } from '../child.js'

/**
 * What everybody writes first: one trunk for all clients, and each message is put on it by `send` as it comes. No queues, no
 * credit, no window, no pause. Its other side is `echoes/fifo.ts`.
 */

interface Client {
  socket: WebSocket
  epoch: number
  tag: Tag
}

const { port } = given<Upstream>()
const trunk = new WebSocket(`ws://127.0.0.1:${port}`, [SUBPROTOCOL], { perMessageDeflate: false })
const clients = new Map<string, Client>()
const ended: Array<{ peerId: string, code: number, cause: string }> = []

await new Promise((resolve) => { trunk.once('open', resolve) })
trunk.on('message', (data) => { for (const received of codec.decode(data as Buffer)) receive(received) })
say(frame('hello', { version: VERSION, backendId: 'fifo', maxMessageBytes: 0, windowBytes: 0 }))

const app = Fastify({ logger: false })
await app.register(fastifyWebsocket, { options: { perMessageDeflate: false } })
app.get<{ Querystring: { token: string } }>('/signaling', { websocket: true }, (socket, { query: { token: peerId } }) => {
  const client: Client = { socket, epoch: 0, tag: codec.tag(peerId, 0) }
  clients.set(peerId, client)
  socket.pause()
  socket.on('message', (data) => pass(client.tag, data as Buffer))
  socket.on('close', (code) => {
    clients.delete(peerId)
    ended.push({ peerId, code, cause: 'closed' })
    say(frame('close', { code, reason: '', id: 0 }, peerId, client.epoch))
  })
  say(frame('open', { id: 1, roomId: 'bench', metadata: '', key: '', received: 0, trace: '', asker: '', turn: 0, resumeOnly: false }, peerId))
})
await app.listen({ port: 0, host: '127.0.0.1' })
serve({ port: (app.server.address() as AddressInfo).port }, { ended: () => ended })

function say (said: Frame): void {
  trunk.send(messageOf(codec, [said]))
}

function pass (tag: Tag, event: Buffer): void {
  const encoded = codec.event(tag, event, false)
  trunk.send(codec.batch([encoded], encoded.length))
}

function receive (received: Frame): void {
  const client = clients.get(received.peerId)
  if (client === undefined) return
  if (received.kind === 'text') {
    client.socket.send(received.body, { binary: false })
  } else if (received.kind === 'opened') {
    client.epoch = received.epoch
    client.tag = codec.tag(received.peerId, received.epoch)
    client.socket.resume()
  }
}
