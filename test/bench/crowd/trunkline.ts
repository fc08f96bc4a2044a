import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import trunkline from '../../../plugins/trunkline.js'
import { given } from '../child.js'
import type { Upstream } from '../child.js'
import { BACKLOG, serveCrowd } from './meter.js'

/**
 * The plugin with its sessions, bounds and heartbeats; only those bounds are raised that would have a crowd come in one after
 * the other, or not all of it at once.
 */

/** Short, so that many beats fall into what is measured. Milliseconds. */
const HEARTBEAT_MS = 2_000
/** Clients of one room. */
const ROOM = 10

const { port } = given<Upstream>()
let admitted = 0

const app = Fastify({ logger: false })
await app.register(trunkline, {
  mediaServer: { url: `ws://127.0.0.1:${port}`, token: 'bench' },
  authenticate () {
    const userId = admitted++
    return { roomId: `room-${Math.floor(userId / ROOM)}`, metadata: { userId } }
  },
  dialects: ['trunkline'],
  heartbeat: { clientMs: HEARTBEAT_MS },
  limits: { concurrentAuth: 20_000, waitingAuth: 20_000, authPerSecond: 1_000_000, unauthenticatedLinks: 20_000, authMs: 15_000, openMs: 15_000 }
})
await app.listen({ port: 0, host: '127.0.0.1', backlog: BACKLOG })
serveCrowd((app.server.address() as AddressInfo).port)
