import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createEndpoint } from '../../../lib/trunk/endpoint.js'
import type { EndpointPeer } from '../../../lib/trunk/endpoint.js'
import { serveSender } from './sender.js'

/** The media server at the other end of a trunk: a frame for each peer, all of them on one connection. */

const peers = new Set<EndpointPeer>()
const endpoint = createEndpoint({
  token: 'bench',
  onPeer (peer) {
    peers.add(peer)
    peer.on('mediaEvent', (data, binary) => peer.send(binary ? data : data.toString()))
    peer.on('close', () => peers.delete(peer))
  }
})
const server = createServer()
server.on('upgrade', (request, socket, head) => { void endpoint.handleUpgrade(request, socket, head) })
server.listen(0, '127.0.0.1', () => serveSender((server.address() as AddressInfo).port, (event) => {
  const text = event.toString()
  for (const peer of peers) peer.send(text)
}))
