import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createEndpoint } from '../../../lib/trunk/endpoint.js'
import { serve } from '../child.js'
import { WINDOW_BYTES } from '../variants.js'

/** A media server that says back what it hears, over the trunk. */

const endpoint = createEndpoint({
  token: 'bench',
  trunkWindowBytes: WINDOW_BYTES,
  onPeer (peer) {
    peer.on('mediaEvent', (data, binary) => peer.send(data, binary))
  }
})
const server = createServer()
server.on('upgrade', (request, socket, head) => { void endpoint.handleUpgrade(request, socket, head) })
server.listen(0, '127.0.0.1', () => serve({ port: (server.address() as AddressInfo).port }))
