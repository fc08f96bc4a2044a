import t from 'tap'
import { FakeMediaServer, ManualClock, fakeFrame } from '../../lib/testing/index.js'
import { calls, startApp, startMediaServer, trunkState } from '../support.js'

const quickly = { retry: { baseMs: 1, maxMs: 1 } }

t.test('after a lost trunk a peer whose session has lost nothing goes on, opened anew with its key', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const { app, join } = await startApp(t, { ...server.options, ...quickly })
  const joined = calls(1)
  app.trunkline.addHook('onPeerJoin', joined.fn)
  const client = await join({ roomId: 'r', peerId: 'p' })
  const first = await server.receive('open')
  await joined.seen
  server.cut()
  const second = await server.receive('open')
  t.equal(first.body.key, '')
  t.match(second.body.key, /^key-/)
  t.ok(second.body.id > first.body.id)
  client.send('hello')
  t.equal(await client.receiveText(), 'hello')
  t.equal(app.trunkline.stats().uplink, 1)
})

t.test('a session that the media server has forgotten ends with 4001, so that its client comes back', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const { app, join } = await startApp(t, { ...server.options, ...quickly })
  const left = calls<[unknown, { cause: string }]>(1)
  app.trunkline.addHook('onPeerLeave', (peer, reason) => left.fn(peer, reason))
  const client = await join()
  client.send('x')
  await client.receive()
  server.cut()
  t.same(await client.closed, { code: 4001, reason: 'the media server has forgotten the session' })
  t.equal((await left.seen)[0]?.[1].cause, 'media server reset')
  await server.receive('close')
})

t.test('a session that the media server still has goes on as if nothing had been', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const { join } = await startApp(t, { ...server.options, ...quickly })
  const client = await join()
  client.send('before')
  t.equal(await client.receiveText(), 'before')
  server.onOpen = (open, trunk) => trunk.send(server.answer(open, { resumed: true }))
  server.cut()
  await server.receive('open', ({ body }) => body.key !== '')
  client.send('after')
  t.equal(await client.receiveText(), 'after')
})

t.test('an event that a hook is busy with when the trunk is lost comes again when it is back, and reaches the media server once', async (t) => {
  const server = await startMediaServer(t, { windowBytes: 64 * 1024 })
  let release = (): void => {}
  const held = new Promise<void>((resolve) => { release = resolve })
  const started = calls(1)
  let seen = 0
  const { app, join } = await startApp(t, { ...server.options, ...quickly }, {
    hooks: {
      onUplink: async (event) => {
        if (event.text() !== '1') return event.text() + '!'
        seen++
        started.fn()
        await held
        return '1!'
      }
    }
  })
  const client = await join()
  client.send('1')
  client.send('2')
  await started.seen
  server.onOpen = 'ignore'
  const down = trunkState(app, 'down')
  server.cut()
  await down
  release()
  const again = await server.receive('open', ({ body }) => body.key !== '')
  server.send(server.answer(again, { resumed: true }))
  t.equal((await server.receive('text')).body.toString(), '1!')
  t.equal((await server.receive('text')).body.toString(), '2!')
  t.equal(seen, 2, 'the hook has seen it twice')
})

t.test('joins wait for a trunk that is down, and are let in when it is up', async (t) => {
  const server = await startMediaServer(t)
  const { port } = server
  await server.close()
  const { app, join } = await startApp(t, { url: `ws://127.0.0.1:${port}/trunk`, token: 'secret', ...quickly })
  const client = await join()
  client.send('early')
  t.equal(app.trunkline.peers.size, 1)
  const back = await FakeMediaServer.listen({ port, echo: true })
  t.teardown(() => back.close())
  t.equal(await client.receiveText(), 'early')
})

t.test('who waits for the trunk too long is sent away: 1013 for a join, 4000 for a peer that had joined', async (t) => {
  const clock = new ManualClock()
  const server = await startMediaServer(t, { echo: true })
  const { app, join } = await startApp(t, server.options, { clock, heartbeat: { clientMs: 1_000_000, trunkMs: 1_000_000 } })
  const joined = await join({ roomId: 'r', peerId: 'joined' })
  joined.send('x')
  await joined.receive()
  const down = trunkState(app, 'down')
  await server.close()
  await down
  clock.advance(10_000)
  const late = await join({ roomId: 'r', peerId: 'late' })
  clock.advance(19_999)
  t.equal(app.trunkline.peers.size, 2)
  clock.advance(1)
  t.same(await joined.closed, { code: 4000, reason: 'the trunk was lost' })
  t.equal(app.trunkline.peers.size, 1)
  clock.advance(10_000)
  t.same(await late.closed, { code: 1013, reason: 'the media server cannot be reached' })
})

t.test('a silent trunk is dead after three beats at the latest', async (t) => {
  const server = await startMediaServer(t, { welcome: { heartbeatMs: 20 } })
  const { app } = await startApp(t, { ...server.options, ...quickly })
  const trunk = await server.nextTrunk()
  const down = new Promise<unknown>((resolve) => app.trunkline.addHook('onTrunk', (state) => { if (state.state === 'down') resolve(state.cause) }))
  trunk.socket.pause()
  t.same(await down, { code: 1006, reason: 'heartbeat missed' })
  await server.nextTrunk()
})

t.test('what a media server may get wrong at the start of a trunk', async (t) => {
  const noError: unknown = 'no reason'
  const cause = async (options: Parameters<typeof startMediaServer>[1], driver: object = {}): Promise<string> => {
    const server = await startMediaServer(t, options)
    const { app } = await startApp(t, { ...server.options, retry: { baseMs: 60_000, maxMs: 60_000 }, ...driver })
    return await new Promise((resolve) => {
      const tell = (state: typeof app.trunkline.trunk): void => { if (state.state === 'down') resolve(state.cause.reason) }
      app.trunkline.addHook('onTrunk', tell)
      tell(app.trunkline.trunk)
    })
  }
  t.match(await cause({ token: 'another' }, { token: 'secret' }), /401/)
  t.match(await cause({ subprotocols: ['something'] }), /no subprotocol/)
  t.match(await cause({ welcome: { version: 2 } }), /version 2/)
  t.match(await cause({}, { token: () => { throw new Error('vault is sealed') } }), /no token: vault is sealed/)
  t.match(await cause({}, { token: () => { throw noError } }), /no token: no reason/)
  t.match(await cause({}, { token: 'with\nnewline' }), /invalid character/i)
  t.match(await cause({}, { url: 'ws://127.0.0.1:1' }), /ECONNREFUSED/)
})

t.test('a media server that does not welcome is left', async (t) => {
  const clock = new ManualClock()
  const server = await startMediaServer(t, { welcome: null })
  const { app } = await startApp(t, server.options, { clock })
  const trunk = await server.nextTrunk()
  const down = trunkState(app, 'down')
  clock.advance(10_000)
  t.match(await trunk.closed, { code: 1002, reason: /no welcome/ })
  await down
})

t.test('the first frame must be welcome', async (t) => {
  const server = await startMediaServer(t, { welcome: null })
  await startApp(t, server.options)
  const trunk = await server.nextTrunk()
  trunk.send(fakeFrame('ack', 1, 'p', 1))
  t.match(await trunk.closed, { code: 1002, reason: /must be welcome, not ack/ })
})

t.test('attempts are spread further and further, and start anew once a trunk has lived', async (t) => {
  const clock = new ManualClock()
  const server = await startMediaServer(t)
  const { app } = await startApp(t, { ...server.options, retry: { baseMs: 1000, maxMs: 8000 } }, { clock })
  const attempts: number[] = []
  app.trunkline.addHook('onTrunk', (state) => { if (state.state === 'connecting') attempts.push(state.attempt) })
  const drop = async (): Promise<void> => {
    await server.nextTrunk()
    await trunkState(app, 'up')
    const down = new Promise<void>((resolve) => app.trunkline.addHook('onTrunk', ({ state }) => { if (state === 'down') resolve() }))
    server.cut()
    await down
  }
  for (let i = 0; i < 5; i++) {
    await drop()
    clock.advance(8000)
  }
  await trunkState(app, 'up')
  t.same(attempts, [1, 2, 3, 4, 5])
  clock.advance(5_000)
  await drop()
  clock.advance(8000)
  await trunkState(app, 'up')
  t.equal(attempts.at(-1), 1)
})

t.test('the app closes in the middle of everything', async (t) => {
  const server = await startMediaServer(t, { onOpen: 'ignore' })
  const opening = await startApp(t, server.options)
  const client = await opening.join()
  await server.receive('open')
  await opening.app.close()
  t.equal((await client.closed).code, 1012)

  const connecting = await startApp(t, { url: 'ws://127.0.0.1:1', token: 'x' })
  const waiting = await connecting.join()
  await connecting.app.close()
  t.equal((await waiting.closed).code, 1012)

  const thinking = await startApp(t, { ...server.options, token: async () => await new Promise(() => {}) })
  await thinking.app.close()
  t.equal(thinking.app.trunkline.trunk.state, 'closed')
})

t.test('a peer that waited for room on a trunk that is then lost goes on when the session is resumed', async (t) => {
  const server = await startMediaServer(t)
  const { app, join } = await startApp(t, { ...server.options, ...quickly }, { limits: { trunkQueueBytes: 20_000, messageBurst: 10_000 } })
  const client = await join({ roomId: 'r', peerId: 'p' })
  const trunk = await server.nextTrunk()
  client.send('first')
  await server.receive('text')
  trunk.socket.pause()
  const event = Buffer.alloc(10_000)
  // More than the kernel takes on: the outbox fills, and the client is not read any more.
  for (let i = 0; i < 10_000 && client.socket.bufferedAmount < 1_000_000; i++) {
    client.send(event)
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.ok(app.trunkline.stats().trunk.waitingBytes >= 20_000)
  server.onOpen = (open, trunk) => trunk.send(server.answer(open, { resumed: true }))
  server.takeAll()
  trunk.socket.terminate()
  await server.receive('open', ({ body }) => body.key !== '')
  client.send('last')
  t.equal((await server.receive('text', ({ body }) => body.toString() === 'last')).peerId, 'p')
})

t.test('that peers are over is told also over a trunk that has no room for events', async (t) => {
  const server = await startMediaServer(t)
  const { app, join } = await startApp(t, server.options, { limits: { trunkQueueBytes: 10_000 } })
  const trunk = await server.nextTrunk()
  const clients = await Promise.all(Array.from({ length: 10 }, async (_, i) => await join({ roomId: 'r', peerId: `p${i}` })))
  for (const client of clients) client.send('x')
  for (const { length } of [clients]) for (let i = 0; i < length; i++) await server.receive('text')
  trunk.socket.pause()
  while (app.trunkline.stats().trunk.waitingBytes < 40_000) {
    for (const client of clients) client.send(Buffer.alloc(20_000))
    await new Promise((resolve) => setImmediate(resolve))
  }
  for (const { id } of [...app.trunkline.peers]) app.trunkline.kick(id, 'x'.repeat(2_000_000))
  trunk.socket.resume()
  const closed = new Set<string>()
  while (closed.size < 10) closed.add((await server.receive('close')).peerId)
  t.equal(closed.size, 10)
})

t.test('many peers at once are all opened', async (t) => {
  const server = await startMediaServer(t)
  const { port } = server
  await server.close()
  const { app, join } = await startApp(t, { url: `ws://127.0.0.1:${port}/trunk`, token: 'secret', ...quickly }, { limits: { trunkQueueBytes: 10_000 } })
  await Promise.all(Array.from({ length: 100 }, async (_, i) => await join({ roomId: 'r', peerId: `p${i}`, metadata: 'x'.repeat(15_000) })))
  const joined = calls(100)
  app.trunkline.addHook('onPeerJoin', joined.fn)
  const back = await FakeMediaServer.listen({ port })
  t.teardown(() => back.close())
  await joined.seen
  t.equal(app.trunkline.peers.size, 100)
})

t.test('metadata that is more than the media server takes', async (t) => {
  const server = await startMediaServer(t, { welcome: { maxMessageBytes: 2048 } })
  const { join } = await startApp(t, server.options)
  const client = await join({ roomId: 'r', metadata: 'x'.repeat(4096) })
  t.same(await client.closed, { code: 1011, reason: 'the metadata is larger than the media server takes' })
})

t.test('a token that never comes is given up, and asked for again', async (t) => {
  const clock = new ManualClock()
  const server = await startMediaServer(t)
  const asked = calls(2)
  let first = true
  const { app } = await startApp(t, {
    ...server.options,
    ...quickly,
    token: async () => {
      asked.fn()
      if (!first) return 'secret'
      first = false
      return await new Promise(() => {})
    }
  }, { clock })
  const down = new Promise<string>((resolve) => app.trunkline.addHook('onTrunk', (state) => { if (state.state === 'down') resolve(state.cause.reason) }))
  clock.advance(10_000)
  t.match(await down, /no token within/)
  clock.advance(1)
  await asked.seen
  await server.nextTrunk()
})

t.test('what carries no epoch before the media server has answered is of no attachment', async (t) => {
  const server = await startMediaServer(t, { onOpen: 'ignore' })
  const { app, join } = await startApp(t, server.options)
  const client = await join({ roomId: 'r', peerId: 'p' })
  const open = await server.receive('open')
  server.send(fakeFrame('text', Buffer.from('too early'), 'p', 0), fakeFrame('close', { code: 4410, reason: '', id: 0 }, 'p', 0))
  const answer = server.answer(open)
  server.send(answer, fakeFrame('text', Buffer.from('in time'), 'p', answer.epoch))
  t.equal(await client.receiveText(), 'in time')
  t.same(app.trunkline.stats().trunk.dropped, { 'unknown peer': 2 })
})
