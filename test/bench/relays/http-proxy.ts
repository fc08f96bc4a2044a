import type { AddressInfo } from 'node:net'
import httpProxy from '@fastify/http-proxy'
import Fastify from 'fastify'
import { given } from '../child.js'
import type { Upstream } from '../child.js'
import { serveRelay } from './meter.js'

/** What an app would use otherwise: for each client a connection of its own to the media server. */

const { port } = given<Upstream>()
const app = Fastify({ logger: false })
await app.register(httpProxy, {
  upstream: `http://127.0.0.1:${port}`,
  websocket: true,
  wsServerOptions: { perMessageDeflate: false },
  wsClientOptions: { perMessageDeflate: false }
})
await app.listen({ port: 0, host: '127.0.0.1' })
serveRelay((app.server.address() as AddressInfo).port)
