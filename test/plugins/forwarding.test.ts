import t from 'tap'
import { FakeClient, fakeFrame } from '../../lib/testing/index.js'
import { calls, startApp, startMediaServer } from '../support.js'

for (const encoding of ['protobuf', 'json'] as const) {
  t.test(`${encoding}: events pass both ways, verbatim and in order, each to its own peer`, async (t) => {
    const server = await startMediaServer(t, { echo: true })
    const { app, join } = await startApp(t, { ...server.options, encoding })
    const clients = await Promise.all(Array.from({ length: 20 }, async (_, i) => await join({ roomId: `room ${i % 3}`, peerId: `peer ${i}` })))
    const events = (i: number): Array<string | Buffer> => [`{"from":${i}}`, Buffer.from([0, i, 255]), '', 'ünïcode \u2028 \ud83d\ude00', Buffer.alloc(0), '\ufeffmark', 'x'.repeat(70_000)]
    for (const [i, client] of clients.entries()) for (const event of events(i)) client.send(event)
    for (const [i, client] of clients.entries()) {
      for (const event of events(i)) {
        const { data, binary } = await client.receive()
        t.ok(data.equals(Buffer.from(event)))
        t.equal(binary, typeof event !== 'string')
      }
    }
    t.equal(server.accepted, 1, 'one trunk for all')
    t.equal(server.trunks[0]?.subprotocol, encoding === 'json' ? 'trunkline.v1.json' : 'trunkline.v1')
    const stats = app.trunkline.stats()
    t.match(stats, { peers: 20, rooms: 3, links: 20, uplink: 140, downlink: 140, trunk: { state: 'up', sockets: 1 } })
  })
}

t.test('a media server that knows only JSON is spoken to in JSON', async (t) => {
  const server = await startMediaServer(t, { echo: true, subprotocols: ['trunkline.v1.json'] })
  const { join } = await startApp(t, server.options)
  const client = await join()
  client.send('hello')
  t.equal(await client.receiveText(), 'hello')
})

t.test('the media server is told who it is, and what the app said of them', async (t) => {
  const server = await startMediaServer(t)
  const { join } = await startApp(t, server.options)
  await join({ roomId: 'r', peerId: 'p', metadata: { name: 'Ada' } })
  const { peerId, body } = await server.receive('open')
  t.equal(peerId, 'p')
  t.match(body, { roomId: 'r', metadata: '{"name":"Ada"}', key: '', id: 1 })

  await join({ roomId: 'r' })
  const minted = await server.receive('open')
  t.match(minted.peerId, /^[0-9a-f-]{36}$/)
  t.equal(minted.body.metadata, 'null')
})

t.test('what a client sends before the media server has accepted it waits, and is not lost', async (t) => {
  const server = await startMediaServer(t, { onOpen: 'ignore' })
  const { join } = await startApp(t, server.options)
  const client = await join()
  const open = await server.receive('open')
  for (let i = 0; i < 100; i++) client.send(`event ${i}`)
  server.send(server.answer(open))
  for (let i = 0; i < 100; i++) t.equal((await server.receive('text')).body.toString(), `event ${i}`)
})

t.test('frames for nobody, or of an older attachment, are dropped and counted', async (t) => {
  const server = await startMediaServer(t)
  const { app, join } = await startApp(t, server.options)
  const client = await join({ roomId: 'r', peerId: 'p' })
  client.send('x')
  const { epoch } = await server.receive('text')
  server.send(
    fakeFrame('text', Buffer.from('for nobody'), 'q', epoch),
    fakeFrame('text', Buffer.from('too old'), 'p', epoch - 1),
    fakeFrame('close', { code: 4410, reason: 'too old', id: 0 }, 'p', epoch - 1),
    fakeFrame('close', { code: 4410, reason: 'nobody', id: 0 }, 'q', epoch),
    fakeFrame('detach', null, 'p', epoch),
    fakeFrame('opened', { id: 99, key: '', resumed: false, received: 0, windowBytes: 0, recordings: [] }, 'p', epoch + 1),
    fakeFrame('refused', { id: 99, code: 4403, reason: '' }, 'p', epoch),
    fakeFrame('error', { id: 0, code: 1, reason: 'for the log' }, 'p', epoch),
    fakeFrame('text', Buffer.from('in time'), 'p', epoch)
  )
  t.equal(await client.receiveText(), 'in time')
  t.same(app.trunkline.stats().trunk.dropped, { 'unknown peer': 2, 'old epoch': 2, 'unexpected detach': 1, 'late answer': 2 })
})

t.test('a client that leaves is told to the media server, whatever became of it', async (t) => {
  const server = await startMediaServer(t)
  const { app, join } = await startApp(t, server.options)
  for (const leave of ['close', 'cut'] as const) {
    const client = await join({ roomId: 'r', peerId: leave })
    client.send('x')
    const { epoch } = await server.receive('text')
    await client[leave]()
    t.equal((await server.receive('close', ({ peerId }) => peerId === leave)).epoch, epoch)
  }
  t.equal(app.trunkline.peers.size, 0)
})

t.test('a client that leaves before the media server has answered is closed there after all', async (t) => {
  const server = await startMediaServer(t, { onOpen: 'ignore' })
  const { app, join } = await startApp(t, server.options)
  const left = calls<[{ id: string }, unknown]>(1)
  const client = await join({ roomId: 'r', peerId: 'p' })
  const open = await server.receive('open')
  app.trunkline.addHook('onPeerLeave', left.fn)
  await client.cut()
  while (app.trunkline.peers.size > 0) await new Promise((resolve) => setImmediate(resolve))
  const answer = server.answer(open)
  server.send(answer)
  t.equal((await server.receive('close')).epoch, answer.epoch)
  server.onOpen = 'accept'
  await (await join({ roomId: 'r', peerId: 'q' })).cut()
  t.equal((await left.seen)[0]?.[0].id, 'q', 'who never joined does not leave')
})

t.test('the media server ends a peer with the code that it wants, and the others stay', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const { join } = await startApp(t, server.options)
  const stays = await join({ roomId: 'r', peerId: 'stays' })
  for (const [code, seen] of [[4404, 4404], [1013, 1013], [0, 4410], [1006, 4410], [1000, 4410]] as const) {
    const client = await join({ roomId: 'r', peerId: 'goes' })
    let epoch = 0
    server.echo = false
    client.send('x')
    epoch = (await server.receive('text')).epoch
    server.send(fakeFrame('close', { code, reason: 'because', id: 0 }, 'goes', epoch))
    t.same(await client.closed, { code: seen, reason: 'because' })
  }
  server.echo = true
  stays.send('still here')
  t.equal(await stays.receiveText(), 'still here')
})

t.test('a second link under a peer id replaces the first, or is refused', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const replacing = await startApp(t, server.options)
  const first = await replacing.join({ roomId: 'r', peerId: 'p' })
  first.send('1')
  await first.receiveText()
  const second = await replacing.join({ roomId: 'r', peerId: 'p' })
  t.same(await first.closed, { code: 4409, reason: 'replaced by a newer link' })
  second.send('2')
  t.equal(await second.receiveText(), '2')
  t.equal(replacing.app.trunkline.peers.size, 1)

  const refusing = await startApp(t, server.options, { duplicate: 'refuse' })
  const stays = await refusing.join({ roomId: 'r', peerId: 'p' })
  const late = await refusing.join({ roomId: 'r', peerId: 'p' })
  t.same(await late.closed, { code: 4409, reason: 'another link has this peer' })
  stays.send('3')
  t.equal(await stays.receiveText(), '3')
})

t.test('kick', async (t) => {
  const server = await startMediaServer(t)
  const { app, join } = await startApp(t, server.options)
  const client = await join({ roomId: 'r', peerId: 'p' })
  await server.receive('open')
  t.equal(app.trunkline.kick('nobody'), false)
  t.equal(app.trunkline.kick('p', 'you know why'), true)
  t.same(await client.closed, { code: 4410, reason: 'you know why' })
})

t.test('two namespaces are two relays, each with a trunk of its own', async (t) => {
  const [one, two] = [await startMediaServer(t, { echo: true }), await startMediaServer(t, { echo: true })]
  const { join, base } = await startApp(t, one.options, {
    before: async (app) => {
      const { default: trunkline } = await import('../../plugins/trunkline.js')
      await app.register(trunkline, { mediaServer: two.options, authenticate: () => ({ roomId: 'r' }), namespace: 'trunkline2', path: '/second', dialects: ['trunkline'] })
    }
  })
  const first = await join()
  const second = await FakeClient.connect(`${base}/second?token=x`)
  t.teardown(() => second.cut())
  first.send('1')
  second.send('2')
  t.equal(await first.receiveText(), '1')
  t.equal(await second.receiveText(), '2')
  t.same([one.accepted, two.accepted], [1, 1])
})
