import type { AddressInfo } from 'node:net'
import httpProxy from '@fastify/http-proxy'
import Fastify from 'fastify'
import { given } from '../child.js'
import type { Upstream } from '../child.js'
import { BACKLOG, serveCrowd } from './meter.js'

/** For each client a connection of its own to the media server: two open files each. */

const { port } = given<Upstream>()
const app = Fastify({ logger: false })
await app.register(httpProxy, {
  upstream: `http://127.0.0.1:${port}`,
  websocket: true,
  wsServerOptions: { perMessageDeflate: false },
  wsClientOptions: { perMessageDeflate: false }
})
await app.listen({ port: 0, host: '127.0.0.1', backlog: BACKLOG })
serveCrowd((app.server.address() as AddressInfo).port)
