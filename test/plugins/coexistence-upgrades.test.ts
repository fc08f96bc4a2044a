import fastifyHttpProxy from '@fastify/http-proxy'
import fastifyWebsocket from '@fastify/websocket'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import { createServer } from 'node:http'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocketServer } from 'ws'
import { FakeClient } from '../../lib/testing/index.js'
import trunkline from '../../plugins/trunkline.js'
import { startApp, startMediaServer } from '../support.js'
import type { TestOptions } from '../support.js'

// Several that take upgrades of one server: @fastify/websocket alone answers each, and so does @fastify/http-proxy.

/** What is proxied to: says what it was asked for, and echoes. */
async function startUpstream (t: Test): Promise<string> {
  const server = createServer((request, response) => response.end(`page ${String(request.url)}`))
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket, request) => socket.on('message', (data) => socket.send(`${String(request.url)} ${String(data)}`)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    for (const client of sockets.clients) client.terminate()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function echoOf (t: Test, url: string): Promise<{ text: string, client: FakeClient }> {
  const client = await FakeClient.connect(url)
  t.teardown(() => client.cut())
  client.send('x')
  return { text: await client.receiveText(), client }
}

t.test('@fastify/http-proxy with websocket: true, before us and after us', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const upstream = await startUpstream(t)
  const proxy = async (app: FastifyInstance): Promise<void> => { await app.register(fastifyHttpProxy, { upstream, prefix: '/proxied', websocket: true }) }
  const slowly = (app: FastifyInstance): void => { app.addHook('onRequest', async () => { for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve)) }) }
  const setUps: Record<string, TestOptions> = {
    'proxy, trunkline': { before: proxy },
    'trunkline, proxy': { after: proxy },
    'trunkline, proxy, with hooks that take their time': { before: slowly, after: proxy },
    'proxy, trunkline, with hooks that take their time': {
      before: async (app) => {
        slowly(app)
        await proxy(app)
      }
    },
    'proxy, @fastify/websocket, trunkline': {
      before: async (app) => {
        await proxy(app)
        await app.register(fastifyWebsocket, { options: { maxPayload: 1024 } })
      }
    }
  }
  for (const [name, setUp] of Object.entries(setUps)) {
    const after = async (app: FastifyInstance): Promise<void> => {
      await setUp.after?.(app)
      app.register(async (scope) => { scope.get('/own', { websocket: true }, (socket) => { socket.on('message', (data) => socket.send(`own ${String(data)}`)) }) })
    }
    const { app, base, host, join, log } = await startApp(t, server.options, { ...setUp, after })
    const proxied = await echoOf(t, `${base}/proxied/a?b=1`)
    t.equal(proxied.text, '/a?b=1 x', name)
    t.equal((await echoOf(t, `${base}/own`)).text, 'own x', name)
    const ours = await join()
    ours.send('x')
    t.equal(await ours.receiveText(), 'x', name)
    t.equal(await (await fetch(`http://${host}/proxied/b`)).text(), 'page /b', name)
    await t.rejects(FakeClient.connect(`${base}/nowhere`), { message: /404/ })
    const warnings = log.filter(({ level }) => Number(level) >= 40).map(({ msg }) => msg)
    // Where the app brings @fastify/websocket, it tries each proxied upgrade too, in vain.
    t.same(warnings, name.includes('@') ? ['websocket upgrade failed'] : [], name)
    await app.close()
    t.same(await ours.closed, { code: 1012, reason: 'restarting' }, name)
    t.equal((await proxied.client.closed).code, 1005, name)
  }
})

t.test('@fastify/http-proxy after an @fastify/websocket of the app\'s own would end the process: refused at start', async (t) => {
  const server = await startMediaServer(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyWebsocket, { options: { maxPayload: 1024 } })
  app.register(trunkline, { mediaServer: server.options, authenticate: () => ({ roomId: 'r' }) })
  app.register(fastifyHttpProxy, { upstream: 'http://127.0.0.1:1', prefix: '/proxied', websocket: true })
  await t.rejects(async () => await app.ready(), { code: 'TRK_ERR_PROXY_ORDER', message: /register the proxy before it/ })

  const harmless = Fastify()
  t.teardown(() => harmless.close())
  await harmless.register(fastifyWebsocket, { options: { maxPayload: 1024 } })
  harmless.register(trunkline, { mediaServer: server.options, authenticate: () => ({ roomId: 'r' }) })
  harmless.register(fastifyHttpProxy, { upstream: 'http://127.0.0.1:1', prefix: '/proxied' })
  await t.resolves(async () => await harmless.ready())
})

t.test('@fastify/http-proxy that takes the upgrades of our routes is refused at start', async (t) => {
  const server = await startMediaServer(t)
  const attempt = async (prefix: string, order: 'first' | 'last', options: object = {}): Promise<void> => {
    const app = Fastify()
    t.teardown(() => app.close())
    const proxy = (): void => { app.register(fastifyHttpProxy, { upstream: 'http://127.0.0.1:1', prefix, websocket: true }) }
    if (order === 'first') proxy()
    app.register(trunkline, { mediaServer: server.options, authenticate: () => ({ roomId: 'r' }), ...options })
    if (order === 'last') proxy()
    await app.ready()
  }
  for (const order of ['first', 'last'] as const) {
    await t.rejects(attempt('/', order), { code: 'TRK_ERR_PROXY_PREFIX', message: /'\/'.* at \/signaling/ })
    await t.rejects(attempt('', order), { code: 'TRK_ERR_PROXY_PREFIX' })
    await t.rejects(attempt('/socket', order), { code: 'TRK_ERR_PROXY_PREFIX', message: /\/socket\/peer\/websocket/ })
    await t.rejects(attempt('/socket/', order), { code: 'TRK_ERR_PROXY_PREFIX' })
    await t.rejects(attempt('/calls', order, { path: '/calls/signaling' }), { code: 'TRK_ERR_PROXY_PREFIX', message: /at \/calls\/signaling/ })
    await t.rejects(attempt('/signaling', order), { code: order === 'first' ? 'TRK_ERR_ROUTE_TAKEN' : 'FST_ERR_DUPLICATED_ROUTE' })
    await t.resolves(attempt('/socket', order, { dialects: ['trunkline'] }))
    await t.resolves(attempt('/signal', order))
  }
})

t.test('a proxy on another Fastify instance has its own upgrades', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const upstream = await startUpstream(t)
  const { join } = await startApp(t, server.options)
  const other = Fastify()
  t.teardown(() => other.close())
  await other.register(fastifyHttpProxy, { upstream, websocket: true })
  const base = (await other.listen({ port: 0, host: '127.0.0.1' })).replace('http:', 'ws:')
  t.equal((await echoOf(t, `${base}/signaling`)).text, '/signaling x')
  const ours = await join()
  ours.send('x')
  t.equal(await ours.receiveText(), 'x')
})

t.test('a ws server of the app\'s own on the same server, on another path, before us and after us', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  for (const when of ['before', 'after']) {
    const bare = new WebSocketServer({ noServer: true })
    const { app, base, join } = await startApp(t, server.options, {
      [when]: (app: FastifyInstance) => {
        app.server.on('upgrade', (request, socket, head) => {
          if (request.url !== '/bare') return
          bare.handleUpgrade(request, socket, head, (client) => client.on('message', (data) => client.send(`bare ${String(data)}`)))
        })
        app.addHook('preClose', async () => { for (const client of bare.clients) client.close(4997) })
      }
    })
    const { text, client } = await echoOf(t, `${base}/bare`)
    t.equal(text, 'bare x', when)
    const ours = await join()
    ours.send('x')
    t.equal(await ours.receiveText(), 'x', when)
    // Ours, after other requests on the same connection.
    const kept = net.connect(Number(base.split(':')[2]), '127.0.0.1')
    t.teardown(() => kept.destroy())
    kept.write('GET /signaling HTTP/1.1\r\nHost: a\r\n\r\n')
    t.match(String(await new Promise((resolve) => kept.once('data', resolve))), /^HTTP\/1\.1 426/)
    kept.write('GET /socket/peer/websocket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n')
    t.match(String(await new Promise((resolve) => kept.once('data', resolve))), /^HTTP\/1\.1 101/)
    kept.destroy()
    await t.rejects(FakeClient.connect(`${base}/nowhere`), { message: /404/ })
    await app.close()
    t.equal((await client.closed).code, 4997, when)
    t.equal((await ours.closed).code, 1012, when)
  }
})

t.test('who is answered by another listener of the app is not answered twice', async (t) => {
  const server = await startMediaServer(t)
  const { host } = await startApp(t, server.options, {
    after: (app) => {
      app.server.on('upgrade', (request, socket) => {
        if (request.url !== '/forbidden') return
        socket.write('HTTP/1.1 403 Forbidden\r\n\r\n')
        // Later than our turn.
        setImmediate(() => setImmediate(() => setImmediate(() => socket.end())))
      })
    }
  })
  const socket = net.connect(Number(host.split(':')[1]), '127.0.0.1')
  let heard = ''
  socket.on('data', (chunk) => { heard += String(chunk) })
  socket.write(`GET /forbidden HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`)
  await new Promise((resolve) => socket.once('close', resolve))
  t.equal(heard, 'HTTP/1.1 403 Forbidden\r\n\r\n')
})

t.test('an upgrade that breaks off before its turn comes, harms nobody', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const { app, join, log } = await startApp(t, server.options)
  const seen = new Promise<void>((resolve) => {
    app.server.once('upgrade', (_request, socket) => {
      socket.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
      setImmediate(resolve)
    })
  })
  await join().catch(() => {})
  await seen
  const ours = await join()
  ours.send('x')
  t.equal(await ours.receiveText(), 'x')
  t.equal(log.filter(({ msg }) => msg === 'incoming request').length, 1, 'nobody is asked about one that is gone')
})

t.test('who asks for an upgrade that no route can take is answered, and hung up', async (t) => {
  const server = await startMediaServer(t)
  for (const before of [undefined, async (app: FastifyInstance) => { await app.register(fastifyWebsocket, { options: { maxPayload: 1024 } }) }]) {
    const { app, host } = await startApp(t, server.options, { path: '/rooms/:room/signaling', ...(before === undefined ? {} : { before }) })
    for (const [status, path] of [[400, '/%zz'], [414, `/rooms/${'x'.repeat(101)}/signaling`], [404, '/nowhere'], [401, '/rooms/1/signaling']] as const) {
      const socket = net.connect({ port: Number(host.split(':')[1]), host: '127.0.0.1', allowHalfOpen: true })
      t.teardown(() => socket.destroy())
      let heard = ''
      socket.on('data', (chunk) => { heard += String(chunk) })
      const ended = new Promise((resolve) => socket.once('end', resolve))
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`)
      await ended
      t.match(heard, new RegExp(`^HTTP/1\\.1 ${status}`))
    }
    // It would wait for them.
    await app.close()
    t.equal(app.server.listening, false)
  }
})
