import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import dns from 'node:dns'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { WebSocket } from 'ws'
import { Link } from '../../lib/client/index.js'
import type { SocketConstructor } from '../../lib/client/options.js'
import { CONTROL, LINK_SUBPROTOCOL, readMessage } from '../../lib/session/messages.js'
import { ChaosProxy, FakeClient, Inbox, ManualClock } from '../../lib/testing/index.js'
import type { UpgradeRefused } from '../../lib/testing/index.js'
import trunkline, { CloseCode, Refusal } from '../../plugins/trunkline.js'
import { selfSigned } from '../certificate.js'
import { startEndpoint } from '../endpoint-server.js'
import { LinkClient, joinLink } from '../link-client.js'
import { authenticate, calls, startApp, startMediaServer } from '../support.js'

t.test('a refusal that says when to come back says so to a client with a session, before the close', async (t) => {
  const server = await startMediaServer(t)
  let refusal: Refusal | null = null
  const app = await startApp(t, server.options, {
    authenticate: () => {
      if (refusal !== null) throw refusal
      return { roomId: 'room' }
    }
  })
  const refused = async (given: Refusal): Promise<unknown[]> => {
    refusal = given
    const link = await LinkClient.connect(app)
    link.ask({})
    const { code } = await link.closed
    refusal = null
    return [...link.rest().map((heard) => heard.kind === 'control' ? heard.control : heard), code]
  }
  const busy = (afterMs?: number | null): Refusal => new Refusal(CloseCode.tryAgainLater, 503, 'later', undefined, afterMs)
  t.same(await refused(busy(1_234)), [{ type: 'draining', afterMs: 1_234 }, 1013])
  t.same(await refused(busy(0)), [{ type: 'draining', afterMs: 0 }, 1013])
  t.same(await refused(busy(null)), [1013])
  t.same(await refused(busy()), [1013])
  t.same(await refused(new Refusal(CloseCode.forbidden, 403, 'no', undefined, 5)), [4403], 'who is not to come back needs no time')

  const { link } = await joinLink(t, app)
  refusal = busy(77)
  link.ask({ roomId: 'room' })
  t.same(await link.heard('draining'), { type: 'draining', afterMs: 77 }, 'also one that asks again on the link that it has')
  t.equal((await link.closed).code, 1013)
})

t.test('closing: the listeners go first, so that a successor listens while clients are still here', async (t) => {
  const server = await startEndpoint(t)
  // A machine of two addresses, so that Fastify listens on a second server for the other one.
  const { lookup } = dns
  t.teardown(() => { dns.lookup = lookup })
  dns.lookup = Object.assign((hostname: string, options: { all?: boolean }, callback: (error: null, addresses: unknown) => void): void => {
    if (hostname === 'localhost' && options.all === true) callback(null, ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 })))
    else lookup(hostname, options, callback as never)
  }, { __promisify__: lookup.__promisify__ }) as typeof lookup
  for (const host of ['127.0.0.1', 'localhost']) {
    const never = new Promise<void>(() => {})
    let reached = (): void => {}
    const held = new Promise<void>((resolve) => { reached = resolve })
    const app = Fastify()
    await app.register(trunkline, {
      mediaServer: server.options, authenticate, drain: { deadlineMs: 400 }, limits: { closeMs: 100 }, hooks: { onUplink: async () => { reached(); await never } }
    })
    await app.listen({ port: 0, host })
    const { port } = app.server.address() as AddressInfo
    const listeners = app.addresses().length
    t.equal(listeners, host === 'localhost' ? 2 : 1)
    const client = await FakeClient.connect(`ws://127.0.0.1:${port}/signaling?token=${encodeURIComponent('{"roomId":"r"}')}`)
    t.teardown(() => client.cut())
    let gone = false
    void client.closed.then(() => { gone = true })
    client.send('held')
    await held
    const closed = app.close()
    while (app.server.listening) await new Promise((resolve) => setImmediate(resolve))
    const successor = Fastify()
    t.teardown(() => successor.close())
    await successor.listen({ port, host })
    t.equal(successor.addresses().length, listeners, host)
    t.equal(gone, false, 'the client is here still')
    t.same(await client.closed, { code: 1012, reason: 'restarting' })
    await closed
  }
})

t.test('closing an app that never listened, or that speaks HTTP/2, is closing', async (t) => {
  const server = await startMediaServer(t)
  for (const http2 of [false, true]) {
    for (const listens of [false, true]) {
      const app = http2 ? Fastify({ http2, https: { ...selfSigned(), allowHTTP1: true } }) as unknown as FastifyInstance : Fastify()
      await app.register(trunkline, { mediaServer: server.options, authenticate })
      if (listens) await app.listen({ port: 0 })
      else await app.ready()
      const states: string[] = []
      app.server.on('close', () => states.push('close'))
      await app.close()
      t.equal(app.server.listening, false)
      t.ok(states.length > 0)
    }
  }
})

t.test('drain(): nobody comes in, everybody goes, and the app still listens; closing goes on with it', async (t) => {
  const server = await startEndpoint(t)
  let release = (): void => {}
  const held = new Promise<void>((resolve) => { release = resolve })
  const app = await startApp(t, server.options, { hooks: { onPeerLeave: () => held } })
  const plain = await app.join()
  const { link } = await joinLink(t, app)
  await server.peers.take()
  await server.peers.take()
  t.match(app.app.trunkline.stats(), { draining: false, links: 2, closes: {} })
  let over = 0
  const drained = app.app.trunkline.drain().then(() => { over++ })
  t.same(await link.heard('draining'), { type: 'draining', afterMs: 0 })
  t.same(await link.closed, { code: 1012, reason: 'restarting' })
  t.same(await plain.closed, { code: 1012, reason: 'restarting' })
  const again = app.app.trunkline.drain().then(() => { over++ })

  const refused = async (client: Promise<unknown>): Promise<unknown> => await client.then(() => 'let in', ({ statusCode, headers }: UpgradeRefused) => [statusCode, headers['retry-after']])
  t.same(await refused(app.join()), [503, '1'])
  t.same(await refused(FakeClient.connect(`${app.base}/socket/peer/websocket`)), [503, '1'])
  const late = await FakeClient.connect(`${app.base}/signaling`, { protocols: [LINK_SUBPROTOCOL] })
  t.same(readMessage((await late.receive()).data), { kind: CONTROL, control: { type: 'draining', afterMs: 500 } })
  t.same(await late.closed, { code: 1012, reason: 'restarting' })
  t.equal(app.app.server.listening, true)
  const closed = Promise.all([app.app.close(), app.app.close()])
  while (app.app.server.listening) await new Promise((resolve) => setImmediate(resolve))
  t.equal(over, 0)
  t.match(app.app.trunkline.stats(), { draining: true, peers: 0 })
  release()
  await Promise.all([drained, again, closed])
  t.match(app.app.trunkline.stats(), { links: 0, closes: { 1012: 3 }, trunk: { state: 'closed' }, left: { restart: 2 } })
})

t.test('what has come is delivered both ways before a link is closed; what comes after is left to the ends', async (t) => {
  const server = await startEndpoint(t)
  const some = calls(2)
  const gate = (): { open: () => void, hook: () => Promise<void> } => {
    let open = (): void => {}
    const opened = new Promise<void>((resolve) => { open = resolve })
    return { open, hook: async () => { some.fn(); await opened } }
  }
  const [up, down] = [gate(), gate()]
  const app = await startApp(t, server.options, { hooks: { onUplink: up.hook, onDownlink: down.hook } })
  const { link } = await joinLink(t, app, { roomId: 'room', peerId: 'sdk' })
  const sdk = await server.peers.take()
  const heard: string[] = []
  sdk.on('mediaEvent', (data) => heard.push(String(data)))
  const detached = new Promise<void>((resolve) => sdk.on('detach', resolve))
  for (const text of ['up 1', 'up 2', 'up 3']) link.event(text)
  for (const text of ['down 1', 'down 2']) sdk.send(text)
  await some.seen
  // That the others have come too is shown by what comes after them.
  await app.join().then(async (other) => await other.close())
  const drained = app.app.trunkline.drain()
  await link.heard('draining')
  up.open()
  while (heard.length < 3) await new Promise((resolve) => setImmediate(resolve))
  sdk.send('too late')
  // Time for it to come, were it taken in.
  for (let turns = 0; turns < 30; turns++) await new Promise((resolve) => setImmediate(resolve))
  down.open()
  t.equal(await link.text(), 'down 1')
  t.equal(await link.text(), 'down 2')
  t.same(await link.closed, { code: 1012, reason: 'restarting' })
  await detached
  await drained
  t.same(heard, ['up 1', 'up 2', 'up 3'])
  t.same(link.rest().filter(({ kind }) => kind === 'event'), [])
  t.equal(sdk.isOver, false, 'it is held for the successor')
})

t.test('a plain client is not read any more, and what it has said arrives before its end does', async (t) => {
  const server = await startMediaServer(t)
  let release = (): void => {}
  const held = new Promise<void>((resolve) => { release = resolve })
  const begun = calls(1)
  const app = await startApp(t, server.options, { hooks: { onUplink: async () => { begun.fn(); await held } } })
  const client = await app.join({ roomId: 'room', peerId: 'p' })
  for (let i = 0; i < 100; i++) client.send(String(i))
  await begun.seen
  const closed = app.app.close()
  release()
  t.same(await client.closed, { code: 1012, reason: 'restarting' })
  await closed
  const frames = server.takeAll().filter(({ peerId }) => peerId === 'p')
  const texts = frames.filter(({ kind }) => kind === 'text').map(({ body }) => String(body))
  t.ok(texts.length > 0)
  t.same(texts, texts.map((_, i) => String(i)), 'without a gap')
  t.equal(frames.at(-1)?.kind, 'close')
})

t.test('the deadline: a client that is frozen, a hook that never ends, and a media server that never reads', async (t) => {
  const server = await startMediaServer(t)
  const proxy = await ChaosProxy.listen({ target: { port: Number(new URL(server.options.url).port) } })
  t.teardown(() => proxy.close())
  const begun = calls(1)
  const options = { ...server.options, url: server.options.url.replace(/:\d+/, `:${proxy.port}`) }
  const deadlineMs = 500
  const { app, join, log } = await startApp(t, options, {
    drain: { deadlineMs }, limits: { closeMs: 60_000 }, hooks: { onUplink: async () => { begun.fn(); await new Promise(() => {}) } }
  })
  const frozen = await join({ roomId: 'room', peerId: 'frozen' })
  const hooked = await join({ roomId: 'room', peerId: 'hooked' })
  await server.receive('open', ({ peerId }) => peerId === 'frozen')
  frozen.socket.pause()
  hooked.send('x')
  await begun.seen
  proxy.freeze()
  const start = performance.now()
  await app.close()
  const ms = performance.now() - start
  t.ok(ms >= deadlineMs, `${ms} ms`)
  t.ok(ms < deadlineMs + 1_000, `${ms} ms`)
  t.equal((await hooked.closed).code, 1012, 'whoever listens still hears it')
  t.ok(log.some(({ msg, links }) => links === 1 && /without waiting/.test(String(msg))))
  t.match(app.trunkline.stats(), { peers: 0, links: 0, closes: { 1012: 2 } })
})

t.test('a link that has its age comes back with its session, and nobody is told that it left', async (t) => {
  const server = await startEndpoint(t)
  const clock = new ManualClock()
  const left: unknown[] = []
  const app = await startApp(t, server.options, {
    clock, drain: { maxConnectionAgeMs: 5_000 }, hooks: { onPeerLeave: (peer, reason) => { left.push([peer.id, reason]) } }
  })
  const plain = await app.join({ roomId: 'room', peerId: 'plain' })
  await server.peers.take()
  const token = JSON.stringify({ roomId: 'room' })
  // A backoff that never ends: only what it is told brings it back.
  const link = new Link({ url: `${app.base}/signaling`, token, WebSocket: WebSocket as unknown as SocketConstructor, reconnect: { delayMs: () => 2 ** 31 - 1 } })
  t.teardown(() => link.destroy())
  const joins = new Inbox<{ peerId: string, resumed: boolean }>()
  link.on('joined', (joined) => joins.push(joined))
  link.on('reset', () => t.fail('reset'))
  const down = new Inbox<string>()
  link.on('mediaEvent', (event) => down.push(String(event)))
  link.join()
  const { peerId } = await joins.take()
  const peer = await server.peers.take()
  const up = new Inbox<string>()
  peer.on('mediaEvent', (data) => up.push(String(data)))
  for (let round = 0; round < 3; round++) {
    link.send(`before ${round}`)
    peer.send(`before ${round}`)
    clock.advance(5_000)
    link.send(`after ${round}`)
    t.match(await joins.take(), { peerId, resumed: true })
    peer.send(`after ${round}`)
    for (const text of [`before ${round}`, `after ${round}`]) {
      t.equal(await up.take(), text)
      t.equal(await down.take(), text)
    }
  }
  t.same(await plain.closed, { code: 1012, reason: 'connected for long enough' })
  t.same(left, [['plain', { code: 1012, reason: 'connected for long enough', cause: 'restart' }]])
  t.same([up.takeAll(), down.takeAll()], [[], []])
  t.match(app.app.trunkline.stats(), { resumed: 3, reset: 0, closes: { 1012: 4 }, draining: false })
})

t.test('a deadline for which Fastify does not wait is refused, with what to do', async (t) => {
  const server = await startMediaServer(t)
  const start = async (deadlineMs: number | undefined, pluginTimeout?: number): Promise<void> => {
    const app = Fastify(pluginTimeout === undefined ? {} : { pluginTimeout })
    t.teardown(() => app.close())
    await app.register(trunkline, { mediaServer: server.options, authenticate, ...deadlineMs === undefined ? {} : { drain: { deadlineMs } } })
  }
  await start(8_999)
  await t.rejects(start(9_000), { code: 'TRK_ERR_OPTION', message: /drain\.deadlineMs.*pluginTimeout: 11000/ })
  await start(60_000, 0)
  await start(60_000, 61_001)
  await t.rejects(start(60_000, 61_000), { code: 'TRK_ERR_OPTION' })
  await t.rejects(start(undefined, 9_000), { code: 'TRK_ERR_OPTION' })
})

t.test('two registrations drain at the same time', async (t) => {
  const server = await startMediaServer(t)
  const deadlineMs = 600
  const begun = calls(2)
  const options = { mediaServer: server.options, authenticate, drain: { deadlineMs }, hooks: { onUplink: async () => { begun.fn(); await new Promise<void>(() => {}) } } }
  const { app, base, join } = await startApp(t, server.options, {
    ...options, after: (app) => app.register(trunkline, { ...options, namespace: 'second', path: '/second', dialects: ['trunkline'] })
  })
  const other = await FakeClient.connect(`${base}/second?token=${encodeURIComponent('{"roomId":"r"}')}`)
  const one = await join()
  for (const client of [one, other]) client.send('x')
  await begun.seen
  const start = performance.now()
  await app.close()
  t.ok(performance.now() - start < deadlineMs + 1_000)
  t.equal((await other.closed).code, 1012)
  t.equal((await one.closed).code, 1012)
})
