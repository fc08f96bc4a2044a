import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { serve } from '../child.js'

/** Says back every byte, and with them the ids. */

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('data', (bytes) => socket.write(bytes))
  socket.on('error', () => socket.destroy())
})
server.listen(0, '127.0.0.1', () => serve({ port: (server.address() as AddressInfo).port }))
