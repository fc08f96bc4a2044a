import fastifyWebsocket from '@fastify/websocket'
import Fastify from 'fastify'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { FakeClient, ManualClock, fakeFrame } from '../../lib/testing/index.js'
import type { UpgradeRefused } from '../../lib/testing/index.js'
import trunkline from '../../plugins/trunkline.js'
import { calls, startApp, startMediaServer } from '../support.js'

// Each of these is something that an app on @fastify/websocket gets wrong sooner or later.

t.test('clients are told 1012 when the app closes, whoever registered @fastify/websocket', async (t) => {
  const server = await startMediaServer(t)
  const bringing = await startApp(t, server.options)
  const using = await startApp(t, server.options, {
    before: async (app) => await app.register(fastifyWebsocket, { options: { maxPayload: 1024 } })
  })
  for (const { app, join } of [bringing, using]) {
    const [one, two] = [await join(), await join()]
    await app.close()
    t.same(await one.closed, { code: 1012, reason: 'restarting' })
    t.same(await two.closed, { code: 1012, reason: 'restarting' })
    t.equal(app.trunkline.trunk.state, 'closed')
  }
})

t.test('routes of the app\'s own go on working beside it, also after it', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const { app, base, join } = await startApp(t, server.options, {
    after: async (app) => {
      app.register(async (scope) => {
        scope.get('/own', { websocket: true }, (socket) => { socket.on('message', (data) => socket.send(`own ${String(data)}`)) })
      })
    }
  })
  const own = await FakeClient.connect(`${base}/own`)
  t.teardown(() => own.cut())
  own.send('x')
  t.equal(await own.receiveText(), 'own x')
  const client = await join()
  client.send('y')
  t.equal(await client.receiveText(), 'y')
  await t.rejects(FakeClient.connect(`${base}/nowhere`), { name: 'UpgradeRefused', message: /404/ })
  await app.close()
  t.equal((await client.closed).code, 1012)
})

t.test('an app that cannot be bounded is refused at start, and is told what to change', async (t) => {
  const server = await startMediaServer(t)
  const attempt = async (options: object, limits: object = {}): Promise<void> => {
    const app = Fastify()
    try {
      await app.register(fastifyWebsocket, { options })
      await app.register(trunkline, { mediaServer: server.options, authenticate: () => ({ roomId: 'r' }), limits })
    } finally {
      await app.close()
    }
  }
  await t.rejects(attempt({}), { code: 'TRK_ERR_MAX_PAYLOAD', message: /maxPayload: 131072/ })
  await t.rejects(attempt({ maxPayload: 131_073 }), { code: 'TRK_ERR_MAX_PAYLOAD' })
  await t.rejects(attempt({ maxPayload: 1000, perMessageDeflate: true }), { code: 'TRK_ERR_COMPRESSION' })
  await t.resolves(attempt({ maxPayload: 131_072 }))
  await t.resolves(attempt({ perMessageDeflate: true }, { allowLargerPayload: true }))
})

t.test('with larger payloads allowed, ours are bounded all the same', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const { join } = await startApp(t, server.options, {
    limits: { allowLargerPayload: true, messageBytes: 1000 }, before: async (app) => await app.register(fastifyWebsocket, {})
  })
  const client = await join()
  client.send(Buffer.alloc(1000))
  t.equal((await client.receive()).data.length, 1000)
  client.send(Buffer.alloc(1001))
  t.equal((await client.closed).code, 1009)
})

t.test('in a child scope it is refused, since the rest of the app would break', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const options = { mediaServer: server.options, authenticate: () => ({ roomId: 'r' }) }
  const refused = Fastify()
  t.teardown(() => refused.close())
  refused.register(async (scope) => await scope.register(trunkline, options))
  await t.rejects(async () => await refused.ready(), { code: 'TRK_ERR_NOT_AT_ROOT', message: /root instance/ })

  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyWebsocket, { options: { maxPayload: 1000 } })
  app.register(async (scope) => await scope.register(trunkline, options), { prefix: '/calls' })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = await FakeClient.connect(`ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/calls/signaling?token=x`)
  t.teardown(() => client.cut())
  client.send('x')
  t.equal(await client.receiveText(), 'x')
})

t.test('messages that come while the app is thinking are not lost', async (t) => {
  const server = await startMediaServer(t, { echo: true, onOpen: 'ignore' })
  const { host } = await startApp(t, server.options, {
    authenticate: async () => {
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
      return { roomId: 'r', peerId: 'p' }
    }
  })
  // The request and the first messages in one packet, before there can be an answer.
  const socket = net.connect(Number(host.split(':')[1]), '127.0.0.1')
  t.teardown(() => socket.destroy())
  const message = (text: string): Buffer => Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)])
  socket.write(Buffer.concat([
    Buffer.from(`GET /signaling?token=x HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`),
    message('one'), message('two'), message('three')
  ]))
  const open = await server.receive('open')
  server.echo = false
  server.send(server.answer(open))
  for (const text of ['one', 'two', 'three']) t.equal((await server.receive('text')).body.toString(), text)
})

t.test('a client that does not answer holds the app\'s closing for no longer than limits.closeMs', async (t) => {
  const server = await startMediaServer(t)
  const { app, join } = await startApp(t, server.options, { limits: { closeMs: 200 } })
  const client = await join()
  await server.receive('open')
  client.socket.pause()
  const started = Date.now()
  await app.close()
  const took = Date.now() - started
  t.ok(took >= 190 && took < 2_000, `${took} ms`)
})

t.test('a browser that has vanished is found out by the heartbeat, and the media server is told', async (t) => {
  const server = await startMediaServer(t)
  const { app, join } = await startApp(t, server.options, { heartbeat: { clientMs: 50 } })
  const [alive, frozen] = [await join({ roomId: 'r', peerId: 'alive' }), await join({ roomId: 'r', peerId: 'frozen' })]
  frozen.socket.pause()
  t.equal((await server.receive('close')).peerId, 'frozen')
  t.ok(app.trunkline.peers.get('alive'))
  t.equal(alive.socket.readyState, 1)
  t.match(app.trunkline.stats().left, { 'link lost': 1 })
})

t.test('a client that reads too slowly is closed, and memory stays bounded', async (t) => {
  const server = await startMediaServer(t)
  const { app, join } = await startApp(t, server.options, { limits: { closeMs: 50 } })
  const client = await join({ roomId: 'r', peerId: 'p' })
  client.send('x')
  const { epoch } = await server.receive('text')
  client.socket.pause()
  const ended = new Promise<string>((resolve) => app.trunkline.addHook('onPeerLeave', (_peer, { cause, code }) => resolve(`${code} ${cause}`)))
  const event = Buffer.alloc(64 * 1024)
  let sent = 0
  while (app.trunkline.peers.size > 0 && sent < 64 * 1024 * 1024) {
    server.send(fakeFrame('binary', event, 'p', epoch))
    sent += event.length
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.equal(await ended, '4008 too slow')
  t.equal((await server.receive('close')).body.code, 4008)
})

t.test('a client that is being let in when the app closes is told so, and holds nothing up', async (t) => {
  const server = await startMediaServer(t)
  let answer = (): void => {}
  let asked = (): void => {}
  const thinking = new Promise<void>((resolve) => { asked = resolve })
  const { app, base } = await startApp(t, server.options, {
    authenticate: async () => {
      asked()
      await new Promise<void>((resolve) => { answer = resolve })
      return { roomId: 'r' }
    }
  })
  const silent = await FakeClient.connect(`${base}/socket/peer/websocket`)
  const plain = FakeClient.connect(`${base}/signaling?token=x`)
  await thinking
  const closed = app.close()
  answer()
  const outcome = await plain.then(async (client) => (await client.closed).code, (error: Error) => error.message)
  t.ok(outcome === 1012 || /503/.test(String(outcome)), String(outcome))
  t.same(await silent.closed, { code: 1012, reason: 'restarting' })
  await closed
})

t.test('an app that closes does not wait for all that it has been told', async (t) => {
  const server = await startMediaServer(t)
  let told = 0
  let first = (): void => {}
  const begun = new Promise<void>((resolve) => { first = resolve })
  const { app } = await startApp(t, server.options, {
    hooks: {
      onNotification: async () => {
        told++
        first()
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
  })
  await server.nextTrunk()
  for (let i = 0; i < 100; i++) server.send(fakeFrame('notification', { id: String(i), roomId: 'r', peerId: '', type: 'x', payload: '', atMs: 0, recording: null }))
  await begun
  await app.close()
  t.equal(told, 1)
})

for (const [hook, outcome] of [['onRequest', 503], ['preHandler', { code: 1012, reason: 'restarting' }]] as const) {
  t.test(`a client that the app's own ${hook} holds up until it closes is told so too`, async (t) => {
    const server = await startMediaServer(t)
    let release = (): void => {}
    let reached = (): void => {}
    const held = new Promise<void>((resolve) => { release = resolve })
    const waiting = new Promise<void>((resolve) => { reached = resolve })
    const { app, base, join } = await startApp(t, server.options, {
      before: (app) => {
        app.addHook(hook as 'preHandler', async (request) => {
          if (!request.url.startsWith('/socket')) return
          reached()
          await held
        })
      }
    })
    const first = await join()
    const client = FakeClient.connect(`${base}/socket/peer/websocket`).then(async ({ closed }) => await closed, ({ statusCode }: UpgradeRefused) => statusCode)
    await waiting
    const closed = app.close()
    // By now the others have been closed.
    await first.closed
    release()
    t.same(await client, outcome)
    await closed
  })
}

t.test('clients that come while the app closes do not hold it up', async (t) => {
  const server = await startMediaServer(t)
  let release = (): void => {}
  const held = new Promise<void>((resolve) => { release = resolve })
  const left = calls(1)
  const { app, base, host, join } = await startApp(t, server.options, {
    limits: { closeMs: 100 },
    path: '/rooms/:room/signaling',
    hooks: {
      onPeerLeave: async () => {
        left.fn()
        await held
      }
    }
  })
  const client = await join()
  client.send('x')
  await server.receive('text')
  // They have connected, have said the half of what they want, and will just stay.
  const slow = await Promise.all(['/rooms/1/signaling', '/nowhere'].map(async (path) => {
    const socket = net.connect(Number(host.split(':')[1]), '127.0.0.1')
    t.teardown(() => socket.destroy())
    const request = `GET ${path}?token=x HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`
    await new Promise<void>((resolve) => socket.write(request.slice(0, 30), () => resolve()))
    const answer = new Promise<string>((resolve) => socket.once('data', (data) => resolve(String(data))))
    return { rest: () => socket.write(request.slice(30)), answer }
  }))
  // They are known to the server by the time that it has answered somebody who came after them.
  await fetch(`http://${host}/`).then(async (response) => await response.text())
  const closed = app.close()
  await left.seen
  await t.rejects(FakeClient.connect(`${base}/rooms/1/signaling?token=x`), { message: /ECONNREFUSED/ }, 'nobody listens any more')
  for (const { rest, answer } of slow) {
    rest()
    t.match(await answer, /^HTTP\/1.1 503/)
  }
  release()
  await closed
  t.equal(app.server.listening, false)
})

t.test('closing does not wait for who is still being looked up, nor for those behind', async (t) => {
  const server = await startMediaServer(t)
  const asked = calls(1)
  const { app, base } = await startApp(t, server.options, {
    limits: { concurrentAuth: 1, hookMs: 60_000 },
    authenticate: async () => {
      asked.fn()
      return await new Promise(() => {})
    }
  })
  const clients = Array.from({ length: 4 }, async () => await FakeClient.connect(`${base}/signaling?token=x`).then(() => 'in', (error: Error) => error.message))
  await asked.seen
  await app.close()
  for (const outcome of await Promise.all(clients)) t.match(outcome, /503|ECONNRESET|ECONNREFUSED|hang up/)
})

t.test('closing waits for a hook no longer than eight seconds, and says so', async (t) => {
  const server = await startMediaServer(t)
  const clock = new ManualClock()
  const left = calls(1)
  const { app, join, log } = await startApp(t, server.options, {
    clock,
    limits: { hookMs: 60_000 },
    hooks: {
      onPeerLeave: async () => {
        left.fn()
        await new Promise(() => {})
      }
    }
  })
  const client = await join()
  client.send('x')
  await server.receive('text')
  const closed = app.close()
  await left.seen
  clock.advance(8_000)
  await closed
  t.ok(log.some(({ msg }) => /without waiting for hooks/.test(String(msg))))
})

t.test('a client that says goodbye and keeps the connection is gone all the same', async (t) => {
  const server = await startMediaServer(t)
  const { join } = await startApp(t, server.options, { limits: { closeMs: 50 } })
  const client = await join({ roomId: 'r', peerId: 'p' })
  client.send('x')
  await server.receive('text')
  // A close frame by hand, after which the client's end stays open.
  const raw = (client.socket as unknown as { _socket: net.Socket })._socket
  raw.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]))
  t.equal((await server.receive('close')).peerId, 'p')
})

t.test('one large event for a client that reads is no sign of slowness', async (t) => {
  const server = await startMediaServer(t)
  const { join } = await startApp(t, server.options, { limits: { downlinkBytes: 10_000 } })
  const client = await join({ roomId: 'r', peerId: 'p' })
  client.send('x')
  const { epoch } = await server.receive('text')
  for (let i = 0; i < 5; i++) {
    server.send(...Array.from({ length: 3 }, () => fakeFrame('binary', Buffer.alloc(200_000), 'p', epoch)))
    for (let j = 0; j < 3; j++) t.equal((await client.receive()).data.length, 200_000)
  }
})

t.test('app.injectWS works', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const { app } = await startApp(t, server.options)
  const socket = await app.injectWS(`/signaling?token=${encodeURIComponent('{"roomId":"r"}')}`)
  const answer = new Promise((resolve) => socket.once('message', (data) => resolve(String(data))))
  socket.send('hello')
  t.equal(await answer, 'hello')
  socket.terminate()
})
