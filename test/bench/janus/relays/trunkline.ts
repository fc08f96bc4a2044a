import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import { janus } from '../../../../lib/media-servers/janus.js'
import trunkline from '../../../../plugins/trunkline.js'
import { given } from '../../child.js'
import { serveRelay } from '../../relays/meter.js'
import { WINDOW_BYTES } from '../../variants.js'
import type { JanusUpstream } from '../upstream.js'

/** The plugin as it comes, with its driver for Janus: its own limits, checks and heartbeats. */

const { port, apiSecret } = given<JanusUpstream>()
const app = Fastify({ logger: false })
await app.register(trunkline, {
  mediaServer: janus({ url: `ws://127.0.0.1:${port}`, apiSecret }),
  authenticate: () => ({ roomId: 'bench' }),
  dialects: ['trunkline'],
  // What it costs, not what it allows: each client sends as fast as it can.
  limits: { messagesPerSecond: 1_000_000, messageBurst: 1_000_000, trunkWindowBytes: WINDOW_BYTES }
})
await app.listen({ port: 0, host: '127.0.0.1' })
serveRelay((app.server.address() as AddressInfo).port)
