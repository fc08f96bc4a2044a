import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import trunkline from '../../plugins/trunkline.js'
import type { MediaEvent, TrunklineStats } from '../../plugins/trunkline.js'
import { given, serve } from '../bench/child.js'
import { listenAgain } from './listen.js'
import { heapBytes } from './memory.js'

/** A backend process: an app with hooks that look at everything, take their time with some of it, and change nothing. */

export interface BackendSettings {
  port: number
  /** Where the trunk leads to. */
  trunkPort: number
}

export interface BackendState {
  stats: TrunklineStats
  heapBytes: number
}

/** What clients show as their token. */
export interface Identity {
  roomId: string
  peerId?: string
  subject?: string
}

const { port, trunkPort } = given<BackendSettings>()
const app = Fastify({ logger: false })

await app.register(trunkline, {
  mediaServer: { url: `ws://127.0.0.1:${trunkPort}`, token: 'chaos', retry: { baseMs: 50, maxMs: 500 } },
  dialects: ['trunkline'],
  // Clients that have been away send all at once what they kept: nobody is to be sent away for that.
  // And few enough at once that a drain takes a while.
  limits: { messagesPerSecond: 10_000, messageBurst: 10_000, authPerSecond: 100 },
  heartbeat: { clientMs: 1_000, trunkMs: 1_000 },
  authenticate: async (_request, { token }) => {
    await sleep(1)
    return JSON.parse(token) as Identity
  },
  hooks: {
    onPeerJoin: async () => { await sleep(2) },
    onPeerLeave: async () => { await sleep(2) },
    onUplink: look,
    onDownlink: look
  }
})

/** By the size of the event, so that it is treated alike each time that it comes by. */
function look (event: MediaEvent): undefined | string | Buffer | Promise<undefined> {
  switch (event.data.length % 8) {
    case 0: return new Promise((resolve) => { setImmediate(resolve, undefined) })
    case 1: return event.data.length % 5 === 0 ? sleep(2, undefined) : undefined
    case 2: return event.binary ? Buffer.from(event.data) : event.text()
    default: return undefined
  }
}

await listenAgain(port, (at) => app.listen({ port: at, host: '127.0.0.1' }))
serve({ port: (app.server.address() as AddressInfo).port }, {
  state: async (): Promise<BackendState> => ({ stats: app.trunkline.stats(), heapBytes: await heapBytes() }),
  /** Answers as soon as somebody else can have the port. */
  close: async () => {
    void app.close().then(() => process.exit(0))
    while (app.server.listening) await new Promise((resolve) => { setImmediate(resolve) })
    return 'closing'
  }
})
