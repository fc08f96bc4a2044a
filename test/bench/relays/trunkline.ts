import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import trunkline from '../../../plugins/trunkline.js'
import { given } from '../child.js'
import type { Upstream } from '../child.js'
import { serveRelay } from './meter.js'

/** The plugin as it comes: every client ends here, one trunk to the media server. */

const { port } = given<Upstream>()
const app = Fastify({ logger: false })
await app.register(trunkline, {
  mediaServer: { url: `ws://127.0.0.1:${port}`, token: 'bench' },
  authenticate: () => ({ roomId: 'bench' }),
  dialects: ['trunkline'],
  // What it costs, not what it allows: each client sends as fast as it can.
  limits: { messagesPerSecond: 1_000_000, messageBurst: 1_000_000 }
})
await app.listen({ port: 0, host: '127.0.0.1' })
serveRelay((app.server.address() as AddressInfo).port)
