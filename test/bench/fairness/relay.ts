import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import trunkline from '../../../plugins/trunkline.js'
import { given, serve } from '../child.js'
import type { Upstream } from '../child.js'
import { HEARTBEAT_MS } from './scenarios.js'
import type { Ended } from './scenarios.js'

/** The plugin with its bounds as they come, but for the rate of a client: what is left of a flood then is no flood. */

const ANY = 1_000_000_000

const { port } = given<Upstream>()
const ended: Ended[] = []
const app = Fastify({ logger: false })
await app.register(trunkline, {
  mediaServer: { url: `ws://127.0.0.1:${port}`, token: 'bench' },
  authenticate: (_request, { token }) => ({ roomId: 'bench', peerId: token }),
  dialects: ['trunkline'],
  limits: { messagesPerSecond: ANY, messageBurst: ANY },
  heartbeat: { clientMs: HEARTBEAT_MS },
  hooks: {
    onPeerLeave (peer, { code, cause }) { ended.push({ peerId: peer.id, code, cause }) }
  }
})
await app.listen({ port: 0, host: '127.0.0.1' })
serve({ port: (app.server.address() as AddressInfo).port }, { ended: () => ended })
