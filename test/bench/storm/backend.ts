import type { AddressInfo } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import trunkline from '../../../plugins/trunkline.js'
import type { TrunklineStats } from '../../../plugins/trunkline.js'
import { given, serve } from '../child.js'

/** The plugin as it comes, with an `authenticate` that asks a database. */

export interface BackendOptions {
  mediaPort: number
  /** 0: any that is free. */
  port: number
}

export interface BackendReport {
  stats: TrunklineStats
  peakRssMb: number
  /** The longest that the process did nothing else, in milliseconds. */
  longestPauseMs: number
}

/** How long the database takes, in milliseconds. */
const AUTHENTICATE_MS = 5
/** Connections that wait for this process to accept them; Node's own 511 are soon taken when thousands come. */
const BACKLOG = 4_096

const { mediaPort, port } = given<BackendOptions>()
const delay = monitorEventLoopDelay({ resolution: 5 })
delay.enable()

const app = Fastify({ logger: false })
await app.register(trunkline, {
  mediaServer: { url: `ws://127.0.0.1:${mediaPort}`, token: 'bench' },
  authenticate: async () => {
    await sleep(AUTHENTICATE_MS)
    return { roomId: 'storm' }
  }
})
await app.listen({ port, host: '127.0.0.1', backlog: BACKLOG })

serve({ port: (app.server.address() as AddressInfo).port }, {
  report: (): BackendReport => ({
    stats: app.trunkline.stats(),
    peakRssMb: process.resourceUsage().maxRSS / 1_024,
    longestPauseMs: delay.max / 1e6
  })
})
