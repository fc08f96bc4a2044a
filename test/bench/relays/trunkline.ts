import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import trunkline from '../../../plugins/trunkline.js'
import type { TrunklineOptions } from '../../../plugins/trunkline.js'
import { given } from '../child.js'
import type { RelayOptions } from '../run.js'
import { WINDOW_BYTES } from '../variants.js'
import type { HookKind } from '../variants.js'
import { serveRelay } from './meter.js'

/** The plugin as it comes: every client ends here, one trunk to the media server. */

/** What an app does that looks at each event and lets it pass. */
const HOOKS: Record<HookKind, NonNullable<TrunklineOptions['hooks']>> = {
  none: {},
  sync: { onUplink: ({ data }) => data.length > 0 ? undefined : false },
  async: { onUplink: async ({ data }) => data.length > 0 ? undefined : false }
}

const { port, hook } = given<RelayOptions>()
const app = Fastify({ logger: false })
await app.register(trunkline, {
  mediaServer: { url: `ws://127.0.0.1:${port}`, token: 'bench' },
  authenticate: () => ({ roomId: 'bench' }),
  dialects: ['trunkline'],
  hooks: HOOKS[hook],
  // What it costs, not what it allows: each client sends as fast as it can.
  limits: { messagesPerSecond: 1_000_000, messageBurst: 1_000_000, trunkWindowBytes: WINDOW_BYTES }
})
await app.listen({ port: 0, host: '127.0.0.1' })
serveRelay((app.server.address() as AddressInfo).port)
