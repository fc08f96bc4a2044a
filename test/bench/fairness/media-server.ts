import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createEndpoint } from '../../../lib/trunk/endpoint.js'
import { given, serve } from '../child.js'
import { Part } from './part.js'

export interface MediaServerOptions {
  sessions: boolean
  bounds: { windowBytes?: number, sessionBytes?: number }
}

/** The endpoint as it comes, with or without sessions. It heeds what `send` answers where it floods, and does not where it is to be too much. */

const { sessions, bounds } = given<MediaServerOptions>()
const part = new Part()
const endpoint = createEndpoint({
  token: 'bench',
  ...bounds,
  ...(sessions ? {} : { resumeWindowMs: 0 }),
  onPeer (peer) {
    part.joined(peer.id, (text) => peer.send(text))
    peer.on('mediaEvent', (data) => part.event(peer.id, data))
    peer.on('drain', () => part.relieved(peer.id))
    peer.on('close', () => part.left(peer.id))
  }
})
const server = createServer()
server.on('upgrade', (request, socket, head) => { void endpoint.handleUpgrade(request, socket, head) })
server.listen(0, '127.0.0.1', () => serve({ port: (server.address() as AddressInfo).port }, part.answers))
