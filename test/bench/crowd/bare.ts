import type { AddressInfo } from 'node:net'
import fastifyWebsocket from '@fastify/websocket'
import Fastify from 'fastify'
import { BACKLOG, serveCrowd } from './meter.js'

/** No relay at all: what Fastify, @fastify/websocket and `ws` keep of a client for which there are three handlers. */

const app = Fastify({ logger: false })
await app.register(fastifyWebsocket, { options: { perMessageDeflate: false } })
app.get('/signaling', { websocket: true }, (socket) => {
  socket.on('message', (data, binary) => socket.send(data, { binary }))
  socket.on('error', () => socket.terminate())
  socket.on('close', () => {})
})
await app.listen({ port: 0, host: '127.0.0.1', backlog: BACKLOG })
serveCrowd((app.server.address() as AddressInfo).port)
