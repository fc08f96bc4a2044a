import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { serve } from '../child.js'
import { BACKLOG } from './meter.js'

/** A media server that says back what it hears, on each client's own connection, of which thousands may come at once. */

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false, backlog: BACKLOG })
server.on('connection', (socket) => {
  socket.on('message', (data, binary) => socket.send(data, { binary }))
  socket.on('error', () => socket.terminate())
})
server.on('listening', () => serve({ port: (server.address() as AddressInfo).port }))
