import fastifyWebsocket from '@fastify/websocket'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import t from 'tap'
import { FakeClient } from '../../lib/testing/index.js'
import trunkline from '../../plugins/trunkline.js'
import { calls, startApp, startMediaServer } from '../support.js'

// What else an app may have, beside us: it goes on working, and so do we.

const status = async (url: string, headers: Record<string, string> = {}): Promise<number> =>
  await FakeClient.connect(url, { headers }).then(async (client) => {
    await client.cut()
    return 101
  }, (error: { statusCode: number }) => error.statusCode)

/** A WebSocket route of the app's own that echoes, in a scope, so that it comes after whatever is being registered. */
function ownRoute (app: FastifyInstance, url: string): void {
  app.register(async (scope) => {
    scope.get(url, { websocket: true }, (socket) => { socket.on('message', (data) => socket.send(`own ${String(data)}`)) })
  })
}

t.test('clients of the app\'s own are left alone by us until it closes, and then are closed as they would be without us', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const closedByApp = calls(1)
  const setUps = {
    'brought by us': { after: (app: FastifyInstance) => ownRoute(app, '/own') },
    'brought by the app': {
      before: async (app: FastifyInstance) => {
        await app.register(fastifyWebsocket, { options: { maxPayload: 1024 } })
        ownRoute(app, '/own')
      },
      after: (app: FastifyInstance) => ownRoute(app, '/later')
    },
    'closed by the app': {
      before: async (app: FastifyInstance) => {
        await app.register(fastifyWebsocket, {
          options: { maxPayload: 1024 },
          preClose: (done) => {
            closedByApp.fn()
            for (const client of app.websocketServer.clients) client.close(4999, 'see you')
            done()
          }
        })
        ownRoute(app, '/own')
      }
    }
  }
  for (const [name, setUp] of Object.entries(setUps)) {
    const { app, base, join } = await startApp(t, server.options, setUp)
    const own = await FakeClient.connect(`${base}/own`)
    const ours = await join({ roomId: 'room', peerId: name })
    ours.send('x')
    t.equal(await ours.receiveText(), 'x', name)
    // Whatever ends ours does not end theirs.
    app.trunkline.kick(name)
    t.equal((await ours.closed).code, 4410)
    own.send('x')
    t.equal(await own.receiveText(), 'own x')
    if (name === 'brought by the app') {
      const later = await FakeClient.connect(`${base}/later`)
      later.send('x')
      t.equal(await later.receiveText(), 'own x')
    }
    const second = await join()
    await app.close()
    t.same(await second.closed, { code: 1012, reason: 'restarting' }, name)
    t.equal((await own.closed).code, name === 'closed by the app' ? 4999 : 1005, name)
  }
  await closedByApp.seen
})

t.test('a client of the app\'s own that does not answer holds up the closing for no longer than its bounds say', async (t) => {
  const server = await startMediaServer(t)
  const byUs = await startApp(t, server.options, { limits: { closeMs: 200 }, after: (app) => ownRoute(app, '/own') })
  const byApp = await startApp(t, server.options, {
    // The types of ws do not know closeTimeout yet.
    before: async (app) => await app.register(fastifyWebsocket, { options: { maxPayload: 1024, closeTimeout: 200 } as object }),
    after: (app) => ownRoute(app, '/own')
  })
  for (const { app, base } of [byUs, byApp]) {
    const own = await FakeClient.connect(`${base}/own`)
    t.teardown(() => own.cut())
    own.socket.pause()
    const started = Date.now()
    await app.close()
    const took = Date.now() - started
    t.ok(took >= 190 && took < 2_000, `${took} ms`)
  }
})

t.test('an error handler of the app\'s own gets the errors of its own routes', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const { base, join } = await startApp(t, server.options, {
    before: async (app) => {
      await app.register(fastifyWebsocket, {
        options: { maxPayload: 1024 }, errorHandler: (error, socket) => socket.close(4998, error.message)
      })
      app.register(async (scope) => { scope.get('/broken', { websocket: true }, () => { throw new Error('broken') }) })
    }
  })
  const own = await FakeClient.connect(`${base}/broken`)
  t.same(await own.closed, { code: 4998, reason: 'broken' })
  const ours = await join()
  ours.send('x')
  t.equal(await ours.receiveText(), 'x')
  // A frame that is not masked: the close that ws makes of it arrives, whoever else handles the error.
  const raw = (ours.socket as unknown as { _socket: net.Socket })._socket
  raw.write(Buffer.from([0x81, 0x01, 0x78]))
  t.equal((await ours.closed).code, 1002)
})

t.test('where larger payloads and compression are allowed, routes of the app\'s own have them; ours do without', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const { base, join } = await startApp(t, server.options, {
    limits: { allowLargerPayload: true, messageBytes: 1000 },
    before: async (app) => await app.register(fastifyWebsocket, { options: { perMessageDeflate: { threshold: 0 } } }),
    after: (app) => ownRoute(app, '/own')
  })
  const { WebSocket } = await import('ws')
  for (const path of ['/own', `/signaling?token=${encodeURIComponent('{"roomId":"r"}')}`]) {
    const socket = new WebSocket(base + path)
    t.teardown(() => socket.terminate())
    await new Promise((resolve) => socket.once('open', resolve))
    t.equal(socket.extensions, 'permessage-deflate')
    const answer = new Promise((resolve) => socket.once('message', (data) => resolve(String(data))))
    socket.send('x')
    t.equal(await answer, path === '/own' ? 'own x' : 'x')
  }
  const own = await FakeClient.connect(`${base}/own`)
  t.teardown(() => own.cut())
  own.send('x'.repeat(2000))
  t.equal((await own.receiveText()).length, 2004)
  const ours = await join()
  ours.send('x'.repeat(1001))
  t.equal((await ours.closed).code, 1009)
})

t.test('a hook of the app\'s own may refuse who comes, and authenticate sees what it found out', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  let asked = 0
  const { base } = await startApp(t, server.options, {
    before: (app) => {
      app.decorateRequest('user', '')
      app.addHook('onRequest', async (request, reply) => {
        if (request.headers['x-user'] === undefined) return await reply.code(401).send({ error: 'who are you?' })
        ;(request as FastifyRequest & { user: unknown }).user = request.headers['x-user']
      })
    },
    authenticate: async (request) => {
      asked++
      return { roomId: String((request as FastifyRequest & { user: unknown }).user) }
    },
    hooks: { onPeerJoin: (peer) => { joined.fn(peer.roomId) } }
  })
  const joined = calls<[string]>(1)
  t.equal(await status(`${base}/signaling?token=x`), 401)
  t.equal(asked, 0)
  const client = await FakeClient.connect(`${base}/signaling?token=x`, { headers: { 'x-user': 'ada' } })
  t.teardown(() => client.cut())
  t.same(await joined.seen, [['ada']])
})

t.test('a route that takes every path takes no client of ours, whoever came first', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const everything = (app: FastifyInstance): void => { app.get('/*', async () => 'a page') }
  for (const when of ['before', 'after']) {
    const { app, base, join } = await startApp(t, server.options, { [when]: everything })
    const client = await join()
    client.send('x')
    t.equal(await client.receiveText(), 'x', when)
    t.equal(await status(`${base}/socket/peer/websocket`), 101)
    t.equal((await app.inject('/anything')).body, 'a page')
    t.equal((await app.inject('/signaling?token=x')).statusCode, 426)
    await app.close()
    t.equal((await client.closed).code, 1012)
  }
})

t.test('paths as lenient as the app wants them', async (t) => {
  const server = await startMediaServer(t)
  const token = `?token=${encodeURIComponent('{"roomId":"r"}')}`
  const lenient = await startApp(t, server.options, { fastify: { routerOptions: { ignoreTrailingSlash: true, caseSensitive: false, ignoreDuplicateSlashes: true } } })
  for (const path of ['/signaling', '/signaling/', '/Signaling', '//signaling']) t.equal(await status(lenient.base + path + token), 101, path)
  const strict = await startApp(t, server.options)
  for (const path of ['/signaling/', '/Signaling', '//signaling']) t.equal(await status(strict.base + path + token), 404, path)
})

t.test('on a unix socket, where nobody has a port', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const folder = await mkdtemp(joinPath(tmpdir(), 'trunkline-'))
  const path = joinPath(folder, 'app.sock')
  const lines: string[] = []
  const app = Fastify({ logger: { stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(async () => {
    await app.close()
    await rm(folder, { recursive: true })
  })
  await app.register(trunkline, { mediaServer: server.options, authenticate: () => ({ roomId: 'r' }) })
  await app.listen({ path })
  const client = await FakeClient.connect(`ws+unix://${path}:/signaling?token=x`)
  t.teardown(() => client.cut())
  client.send('x')
  t.equal(await client.receiveText(), 'x')
  t.equal(await status(`ws+unix://${path}:/signaling`), 401)
  t.ok(lines.some((line) => line.includes('incoming request')))
  await app.close()
  t.same(await client.closed, { code: 1012, reason: 'restarting' })
})

t.test('an app that cuts its connections when it closes still tells our clients why', async (t) => {
  const server = await startMediaServer(t)
  for (const forceCloseConnections of [true, false, 'idle'] as const) {
    const { app, join } = await startApp(t, server.options, { fastify: { forceCloseConnections } })
    const client = await join()
    await app.close()
    t.same(await client.closed, { code: 1012, reason: 'restarting' }, String(forceCloseConnections))
  }
})

t.test('behind a proxy, the host is what the proxy was asked for, if it is trusted', async (t) => {
  const server = await startMediaServer(t)
  const forwarded = { 'x-forwarded-host': 'app.example', 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.9' }
  const token = `/signaling?token=${encodeURIComponent('{"roomId":"r"}')}`
  const trusting = await startApp(t, server.options, { fastify: { trustProxy: true } })
  t.equal(await status(trusting.base + token, { ...forwarded, origin: 'https://app.example' }), 101)
  t.equal(await status(trusting.base + token, { ...forwarded, origin: 'https://evil.example' }), 403)
  t.equal(await status(trusting.base + token, { ...forwarded, origin: `http://${trusting.host}` }), 403)
  t.ok(trusting.log.some(({ req }) => (req as { remoteAddress?: string } | undefined)?.remoteAddress === '203.0.113.9'))

  // Nobody is to be believed here.
  const bare = await startApp(t, server.options)
  for (const header of ['x-forwarded-host', 'forwarded', 'x-host', 'x-forwarded-server']) {
    const value = header === 'forwarded' ? 'host=evil.example;proto=https' : 'evil.example'
    t.equal(await status(bare.base + token, { [header]: value, 'x-forwarded-proto': 'https', origin: 'https://evil.example' }), 403, header)
  }
  t.equal(await status(bare.base + token, { ...forwarded, origin: `http://${bare.host}` }), 101)
  t.notOk(bare.log.some(({ req }) => (req as { remoteAddress?: string } | undefined)?.remoteAddress === '203.0.113.9'))

  // A proxy that is not the one that is trusted.
  const wary = await startApp(t, server.options, { fastify: { trustProxy: '192.0.2.1' } })
  t.equal(await status(wary.base + token, { ...forwarded, origin: 'https://app.example' }), 403)
})

t.test('app.inject and app.injectWS go on working, also for routes of the app\'s own', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const { app } = await startApp(t, server.options, {
    after: (app) => {
      ownRoute(app, '/own')
      app.get('/page', async () => 'a page')
    }
  })
  t.equal((await app.inject('/page')).body, 'a page')
  t.equal((await app.inject('/own')).statusCode, 404)
  for (const path of ['/own', `/signaling?token=${encodeURIComponent('{"roomId":"r"}')}`]) {
    const socket = await app.injectWS(path)
    const answer = new Promise((resolve) => socket.once('message', (data) => resolve(String(data))))
    socket.send('x')
    t.match(await answer, /x$/)
    socket.terminate()
  }
  await t.rejects(app.injectWS('/nowhere'), { message: /404/ })
  await t.rejects(app.injectWS('/signaling'), { message: /401/ })
})
