import fastifyWebsocket from '@fastify/websocket'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { FakeClient } from '../../lib/testing/index.js'
import trunkline from '../../plugins/trunkline.js'
import type { Trunkline, TrunklineOptions } from '../../plugins/trunkline.js'
import { calls, startMediaServer } from '../support.js'

// Below a prefix, with @fastify/websocket at the root.

async function startRoot (t: Test, build: (app: FastifyInstance) => unknown): Promise<{ app: FastifyInstance, base: string }> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyWebsocket, { options: { maxPayload: 1024 } })
  await build(app)
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, base: address.replace('http:', 'ws:') }
}

async function connect (t: Test, url: string, headers: Record<string, string> = {}): Promise<FakeClient> {
  const client = await FakeClient.connect(url, { headers })
  t.teardown(() => client.cut())
  return client
}

t.test('in a child scope: its routes, its hooks, its decorator and its close code', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const joined = calls<[string]>(1)
  let within: FastifyInstance | null = null
  const { app, base } = await startRoot(t, (app) => {
    app.register(async (scope) => {
      within = scope
      scope.addHook('onRequest', async (request, reply) => {
        if (request.headers['x-user'] === undefined) return await reply.code(401).send({})
      })
      await scope.register(trunkline, { mediaServer: server.options, authenticate: () => ({ roomId: 'r', peerId: 'p' }) })
      scope.trunkline.addHook('onPeerJoin', (peer) => { joined.fn(peer.id) })
      scope.get('/who', async () => [...scope.trunkline.peers].map(({ id }) => id))
    }, { prefix: '/calls' })
    app.get('/who', async () => app.hasDecorator('trunkline'))
    app.register(async (scope) => { scope.get('/own', { websocket: true }, (socket) => { socket.on('message', (data) => socket.send(`own ${String(data)}`)) }) })
  })
  t.notOk(app.hasDecorator('trunkline'), 'not on the root')
  t.ok(within!.hasDecorator('trunkline'))

  await t.rejects(FakeClient.connect(`${base}/signaling?token=x`), { message: /404/ })
  await t.rejects(FakeClient.connect(`${base}/calls/signaling?token=x`), { message: /401/ })
  const clients = [
    await connect(t, `${base}/calls/signaling?token=x`, { 'x-user': 'ada' }),
    await connect(t, `${base}/calls/socket/peer/websocket`, { 'x-user': 'bob' })
  ]
  clients[0]!.send('x')
  t.equal(await clients[0]!.receiveText(), 'x')
  t.same(await joined.seen, [['p']])
  t.same((await app.inject({ url: '/calls/who', headers: { 'x-user': 'ada' } })).json(), ['p'])
  t.equal((await app.inject('/who')).body, 'false')
  const own = await connect(t, `${base}/own`)
  own.send('x')
  t.equal(await own.receiveText(), 'own x')

  await app.close()
  for (const client of clients) t.same(await client.closed, { code: 1012, reason: 'restarting' })
  t.equal((await own.closed).code, 1005)
})

t.test('one in each of two child scopes, each with its own trunk; one name for both will do', async (t) => {
  const servers = [await startMediaServer(t, { echo: true }), await startMediaServer(t)]
  const scopes: FastifyInstance[] = []
  const { app, base } = await startRoot(t, (app) => {
    for (const [index, prefix] of ['/a', '/b'].entries()) {
      app.register(async (scope) => {
        scopes.push(scope)
        await scope.register(trunkline, { mediaServer: servers[index]!.options, authenticate: () => ({ roomId: prefix.slice(1) }) })
      }, { prefix })
    }
  })
  const [a, b] = [await connect(t, `${base}/a/signaling?token=x`), await connect(t, `${base}/b/signaling?token=x`)]
  a.send('x')
  t.equal(await a.receiveText(), 'x')
  b.send('y')
  t.equal((await servers[1]!.receive('text')).body.toString(), 'y')
  t.same(scopes.map((scope) => [...scope.trunkline.peers.inRoom('a')].length), [1, 0])
  await app.close()
  for (const client of [a, b]) t.same(await client.closed, { code: 1012, reason: 'restarting' })
})

t.test('two in one scope, by name; and one on the root beside one below', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const options: TrunklineOptions = { mediaServer: server.options, authenticate: () => ({ roomId: 'r' }) }
  const { app, base } = await startRoot(t, async (app) => {
    await app.register(trunkline, options)
    await app.register(trunkline, { ...options, namespace: 'trunkline2', path: '/signaling2', dialects: ['trunkline'] })
    app.register(async (scope) => { await scope.register(trunkline, { ...options, namespace: 'trunkline3' }) }, { prefix: '/below' })
  })
  const clients = []
  for (const path of ['/signaling', '/signaling2', '/below/signaling']) {
    const client = await connect(t, `${base}${path}?token=x`)
    client.send('x')
    t.equal(await client.receiveText(), 'x', path)
    clients.push(client)
  }
  t.equal(app.trunkline.peers.size, 1)
  t.equal(app.getDecorator<Trunkline>('trunkline2').peers.size, 1)
  t.notOk(app.hasDecorator('trunkline3'))
  await app.close()
  for (const client of clients) t.same(await client.closed, { code: 1012, reason: 'restarting' })
})

t.test('brought by the first, used by the second: a plugin that registers us for the app', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const options: TrunklineOptions = { mediaServer: server.options, authenticate: () => ({ roomId: 'r' }) }
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(trunkline, options)
  app.register(async (scope) => { await scope.register(trunkline, { ...options, namespace: 'second' }) }, { prefix: '/below' })
  const base = (await app.listen({ port: 0, host: '127.0.0.1' })).replace('http:', 'ws:')
  const [one, two] = [await connect(t, `${base}/signaling?token=x`), await connect(t, `${base}/below/signaling?token=x`)]
  for (const client of [one, two]) {
    client.send('x')
    t.equal(await client.receiveText(), 'x')
  }
  await app.close()
  for (const client of [one, two]) t.equal((await client.closed).code, 1012)
})
