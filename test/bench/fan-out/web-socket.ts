import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { BACKLOG } from '../crowd/meter.js'
import { serveSender } from './sender.js'

/** The media server behind a proxy: a connection for each client. */

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false, backlog: BACKLOG })
server.on('connection', (socket) => {
  socket.on('message', (data, binary) => socket.send(data, { binary }))
  socket.on('error', () => socket.terminate())
})
server.on('listening', () => serveSender((server.address() as AddressInfo).port, (event) => {
  // A copy: what a socket has not written yet is kept as it is.
  const data = Buffer.from(event)
  for (const socket of server.clients) socket.send(data, { binary: false })
}))
