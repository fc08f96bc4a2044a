import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { WebSocket } from 'ws'
import { Link } from '../../lib/client/index.js'
import type { SocketConstructor } from '../../lib/client/options.js'
import { ChaosProxy } from '../../lib/testing/index.js'
import type { EndpointPeer } from '../../lib/trunk/endpoint.js'
import trunkline from '../../plugins/trunkline.js'
import { startEndpoint } from '../endpoint-server.js'

/** A deploy as clients see it, or rather do not: one process closes, another listens on its port, and the calls go on. */

const CLIENTS = 1_000
const DEADLINE_MS = 8_000
/** How often each side of each session speaks. */
const TICK_MS = 2_000
/** Events on their way at most, so that a slow machine is not given more than it can carry. */
const UNDER_WAY = 2 * CLIENTS
/** No machine is so slow that a test of order should fail for it: what is judged here takes no time, or has the drain's deadline. */
const PATIENCE_MS = 60_000

/** Numbered events that arrive, each once and in order. */
class Stream {
  sent = 0
  heard = 0
  wrong: string | null = null

  take (event: string): void {
    if (event !== String(++this.heard)) this.wrong ??= `${event} instead of ${this.heard}`
  }

  get isWhole (): boolean {
    return this.heard === this.sent
  }
}

class Client {
  readonly up = new Stream()
  readonly down = new Stream()
  readonly joins: Array<{ peerId: string, resumed: boolean }> = []
  resets = 0
  peer: EndpointPeer | null = null
  readonly #link: Link

  constructor (port: number, i: number) {
    this.#link = new Link({ url: `ws://127.0.0.1:${port}/signaling`, token: String(i), answerMs: PATIENCE_MS, WebSocket: WebSocket as unknown as SocketConstructor })
    this.#link.on('joined', ({ peerId, resumed }) => {
      this.joins.push({ peerId, resumed })
    })
    this.#link.on('reset', () => { this.resets++ })
    this.#link.on('mediaEvent', (event) => this.down.take(event as string))
    this.#link.join()
  }

  get isWhole (): boolean {
    return this.up.isWhole && this.down.isWhole
  }

  get underWay (): number {
    return this.up.sent - this.up.heard + this.down.sent - this.down.heard
  }

  speak (): void {
    this.#link.send(String(++this.up.sent))
    this.peer!.send(String(++this.down.sent))
  }

  end (): void {
    this.#link.destroy()
  }
}

t.setTimeout(150_000)

t.test('a thousand sessions move to the process that takes the place of theirs, and lose nothing', async (t) => {
  const clients: Client[] = []
  const server = await startEndpoint(t, {
    onPeer (peer) {
      const client = clients[(peer.metadata as { i: number }).i]!
      client.peer = peer
      peer.on('mediaEvent', (data) => client.up.take(String(data)))
    }
  })
  const make = async (): Promise<FastifyInstance> => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(trunkline, {
      mediaServer: server.options,
      authenticate: (_request, { token }) => ({ roomId: `room ${Number(token) % 50}`, metadata: { i: Number(token) } }),
      limits: { unauthenticatedLinks: 2 * CLIENTS, waitingAuth: 2 * CLIENTS, authMs: PATIENCE_MS, hookMs: PATIENCE_MS, openMs: PATIENCE_MS },
      heartbeat: { clientMs: PATIENCE_MS, trunkMs: PATIENCE_MS },
      drain: { deadlineMs: DEADLINE_MS },
      hooks: { onUplink: async () => {} }
    })
    return app
  }
  const app = await make()
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const proxy = await ChaosProxy.listen({ target: { port } })
  t.teardown(() => proxy.close())

  for (let i = 0; i < CLIENTS; i++) clients.push(new Client(i === 0 ? proxy.port : port, i))
  t.teardown(() => { for (const client of clients) client.end() })
  while (clients.some(({ joins }) => joins.length === 0)) await sleep(10)
  const [frozen, ...healthy] = clients as [Client, ...Client[]]

  let at = 0
  const speaking = setInterval(() => {
    if (healthy.reduce((sum, { underWay }) => sum + underWay, 0) > UNDER_WAY) return
    for (let n = 0; n < CLIENTS / 20; n++) healthy[at++ % healthy.length]!.speak()
  }, TICK_MS / 20)
  t.teardown(() => clearInterval(speaking))
  while (healthy.some(({ up }) => up.heard === 0)) await sleep(10)

  proxy.freeze()
  const successor = await make()
  await successor.ready()
  let closed = false
  const start = performance.now()
  const closing = app.close().then(() => {
    closed = true
    return performance.now() - start
  })
  for (let listening = false; !listening;) listening = await successor.listen({ port, host: '127.0.0.1' }).then(() => true, () => false)
  t.equal(closed, false, 'the successor listens while the clients are still with the other')
  t.ok(app.trunkline.stats().links > CLIENTS / 2, `${app.trunkline.stats().links} links`)

  const ms = await closing
  t.ok(ms < DEADLINE_MS + 1_000, `closed in ${Math.round(ms)} ms`)
  t.match(app.trunkline.stats(), { peers: 0, links: 0, closes: { 1012: CLIENTS } })
  while (healthy.some(({ joins }) => joins.length < 2)) await sleep(10)
  t.comment(`all back after ${Math.round(performance.now() - start)} ms`)
  clearInterval(speaking)
  while (!healthy.every(({ isWhole, up, down }) => isWhole || up.wrong !== null || down.wrong !== null)) await sleep(10)

  t.equal(frozen.joins.length, 1)
  t.ok(healthy.every(({ joins: [first, ...more] }) => more.every(({ resumed, peerId }) => resumed && peerId === first?.peerId)), 'each has come back to its session')
  t.equal(healthy.reduce((sum, { resets }) => sum + resets, 0), 0)
  t.same(healthy.flatMap(({ up, down }) => [up.wrong, down.wrong]).filter((wrong) => wrong !== null), [])
  const events = healthy.reduce((sum, { up, down }) => sum + up.heard + down.heard, 0)
  t.ok(events > 2 * CLIENTS, `${events} events, each once and in order`)
  t.match(successor.trunkline.stats(), { reset: 0, peers: CLIENTS - 1, links: CLIENTS - 1 })
})
