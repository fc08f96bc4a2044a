import { randomBytes } from 'node:crypto'
import t from 'tap'
import { FakeClient, ManualClock, fakeFrame } from '../../lib/testing/index.js'
import type { EndpointPeer } from '../../lib/trunk/endpoint.js'
import { startEndpoint } from '../endpoint-server.js'
import { LinkClient, joinLink } from '../link-client.js'
import { calls, startApp, startMediaServer, trunkState } from '../support.js'

/** Sends back what it gets, marked, and counts. */
const echo = (peer: EndpointPeer): void => { peer.on('mediaEvent', (data, binary) => peer.send(binary ? data : `echo ${data.toString()}`)) }

const closed = async (peer: EndpointPeer): Promise<{ code: number }> => await new Promise((resolve) => peer.once('close', resolve))

t.test('a client with a session joins, speaks and leaves', async (t) => {
  const server = await startEndpoint(t, { onPeer: (peer) => { echo(peer) } })
  const app = await startApp(t, server.options)
  const { link, joined } = await joinLink(t, app, { roomId: 'room', peerId: 'p', metadata: { a: 1 } })
  t.match(joined, { id: 1, peerId: 'p', roomId: 'room', resumed: false, received: 0, windowBytes: 256 * 1024, heartbeatMs: 10_000, resumeWindowMs: 30_000 })
  t.match(joined.key, /^[\w-]{22,}$/)
  link.event('one')
  t.equal(await link.text(), 'echo one')
  link.client.send(Buffer.from([1, 0, 255]))
  t.same(await link.next(), { kind: 'event', data: Buffer.from([0, 255]), binary: true })
  const peer = server.endpoint.peer('p')!
  t.same(peer.metadata, { a: 1 })
  const over = closed(peer)
  link.control({ type: 'leave' })
  t.match(await over, { code: 1000 })
  t.equal((await link.closed).code, 1000)
  t.equal(app.app.trunkline.peers.size, 0)
})

t.test('a session outlives its link: nothing is lost, repeated or reordered', async (t) => {
  const server = await startEndpoint(t, {})
  const left = calls(1)
  const joins = calls(1)
  const app = await startApp(t, server.options, { hooks: { onPeerLeave: left.fn, onPeerJoin: joins.fn } })
  const { link, joined } = await joinLink(t, app)
  const peer = await server.peers.take()
  const heard: string[] = []
  peer.on('mediaEvent', (data) => heard.push(data.toString()))
  link.event('1')
  link.event('2')
  peer.send('a')
  peer.send('b')
  t.equal(await link.text(), 'a')
  t.equal(await link.text(), 'b')
  const detached = new Promise<void>((resolve) => peer.once('detach', resolve))
  await link.client.cut()
  await detached
  t.equal(app.app.trunkline.peers.get(joined.peerId)?.state, 'detached')
  t.match(app.app.trunkline.stats(), { peers: 1, detached: 1 })
  t.equal(peer.isAttached, false)
  t.equal(peer.send('c'), false, 'it waits')

  // The client has lost the second event of the media server, and the media server has both of the client's.
  const again = await joinLink(t, app, { roomId: 'room' }, { peerId: joined.peerId, key: joined.key, received: 1 })
  t.match(again.joined, { peerId: joined.peerId, key: joined.key, resumed: true, received: 2 })
  t.equal(await again.link.text(), 'b')
  t.equal(await again.link.text(), 'c')
  again.link.event('3')
  while (heard.length < 3) await new Promise((resolve) => peer.once('mediaEvent', resolve))
  t.same(heard, ['1', '2', '3'])
  t.match(app.app.trunkline.stats(), { peers: 1, detached: 0, resumed: 1, reset: 0 })
  t.equal(server.endpoint.stats().peers, 1)
  again.link.control({ type: 'leave' })
  t.match((await left.seen)[0]![1], { cause: 'client' })
  t.equal((await joins.seen).length, 1, 'for the app it was one peer')
})

t.test('a link that comes while the old one seems alive fences it: what it still says reaches nobody, and its end nothing', async (t) => {
  const server = await startEndpoint(t)
  const app = await startApp(t, server.options)
  const { link, joined } = await joinLink(t, app)
  const peer = await server.peers.take()
  const heard: string[] = []
  peer.on('mediaEvent', (data) => heard.push(data.toString()))
  const again = await joinLink(t, app, { roomId: 'room' }, { peerId: joined.peerId, key: joined.key, received: 0 })
  t.equal(again.joined.resumed, true)
  link.event('late')
  t.equal((await link.closed).code, 4409)
  again.link.event('in time')
  while (heard.length < 1) await new Promise((resolve) => peer.once('mediaEvent', resolve))
  t.same(heard, ['in time'])
  t.equal(app.app.trunkline.peers.get(joined.peerId)?.state, 'joined')
})

t.test('the session moves to another backend, and the old one is told', async (t) => {
  const server = await startEndpoint(t)
  const left = calls(1)
  const one = await startApp(t, server.options, { hooks: { onPeerLeave: left.fn } })
  const two = await startApp(t, server.options)
  const { link, joined } = await joinLink(t, one)
  const peer = await server.peers.take()
  const moved = await joinLink(t, two, { roomId: 'room' }, { peerId: joined.peerId, key: joined.key, received: 0 })
  t.match(moved.joined, { resumed: true, peerId: joined.peerId, key: joined.key })
  t.equal((await link.closed).code, 4409)
  t.match((await left.seen)[0]![1], { cause: 'replaced' })
  t.equal(server.endpoint.peer(joined.peerId), peer)
  peer.send('here')
  t.equal(await moved.link.text(), 'here')
  t.equal(one.app.trunkline.peers.size, 0)
})

t.test('a lost trunk: the client is asked to join again on its link, and the session goes on', async (t) => {
  const server = await startEndpoint(t)
  const app = await startApp(t, server.options)
  const { link, joined } = await joinLink(t, app)
  const peer = await server.peers.take()
  const heard: string[] = []
  peer.on('mediaEvent', (data) => heard.push(data.toString()))
  const down = trunkState(app.app, 'down')
  for (const trunk of trunksOf(server)) trunk.terminate('cut')
  await down
  t.match(await link.heard('trunk'), { state: 'down' })
  // Not to be passed on: its end keeps it.
  link.event('1')
  peer.send('a')
  t.match(await link.heard('rejoin'), { reason: 'trunk' })
  const again = await link.join({ roomId: 'room' }, { peerId: joined.peerId, key: joined.key, received: 0 })
  t.match(again, { id: 2, resumed: true, received: 0, peerId: joined.peerId })
  t.equal(await link.text(), 'a')
  link.event('1')
  while (heard.length < 1) await new Promise((resolve) => peer.once('mediaEvent', resolve))
  t.same(heard, ['1'])
})

t.test('the window of a session that nobody comes back to ends: the media server is told, and the app', async (t) => {
  const clock = new ManualClock()
  const server = await startEndpoint(t)
  const left = calls(1)
  const app = await startApp(t, server.options, { clock, resume: { windowMs: 5_000 }, hooks: { onPeerLeave: left.fn } })
  const { link, joined } = await joinLink(t, app)
  t.equal(joined.resumeWindowMs, 5_000)
  const peer = await server.peers.take()
  const detached = new Promise<void>((resolve) => peer.once('detach', resolve))
  const over = closed(peer)
  await link.client.cut()
  await detached
  clock.advance(4_999)
  t.equal(app.app.trunkline.peers.size, 1)
  clock.advance(1)
  t.match((await left.seen)[0]![1], { cause: 'link lost' })
  t.match(await over, { code: 1006 })
  t.equal(app.app.trunkline.peers.size, 0)

  // With the key of what is gone, and an id that the app has not given, nobody is let in under it.
  const late = await LinkClient.connect(app)
  t.teardown(() => late.client.cut())
  late.ask({ roomId: 'room' }, { peerId: joined.peerId, key: joined.key, received: 0 })
  t.equal((await late.closed).code, 4001)
  // With an id of the app's own it is a new session.
  const own = await joinLink(t, app, { roomId: 'room', peerId: 'own' }, { peerId: 'own', key: 'gone', received: 7 })
  t.match(own.joined, { resumed: false, received: 0, peerId: 'own' })
  t.match(app.app.trunkline.stats(), { reset: 1 })
})

t.test('only who lost its link is waited for: who closes it is gone at once', async (t) => {
  const server = await startEndpoint(t)
  const app = await startApp(t, server.options)
  for (const code of [1000, 1001, 3000]) {
    const { link } = await joinLink(t, app)
    const peer = await server.peers.take()
    const over = closed(peer)
    await link.client.close(code)
    t.match(await over, { code })
  }
  const { link } = await joinLink(t, app)
  const peer = await server.peers.take()
  const detached = new Promise<void>((resolve) => peer.once('detach', resolve))
  await link.client.close(4005)
  await detached
  t.pass('4005: it comes back on another link')
})

t.test('resume with a wrong, foreign or guessed key, or for another room or identity, harms nobody', async (t) => {
  const server = await startEndpoint(t)
  const app = await startApp(t, server.options)
  const other = await startApp(t, server.options)
  const { link, joined } = await joinLink(t, app, { roomId: 'room', peerId: 'victim' })
  const foreign = await joinLink(t, app, { roomId: 'room', peerId: 'attacker' })
  const tries: Array<[typeof app, unknown, string, number]> = [
    [app, { roomId: 'room' }, randomBytes(18).toString('base64url'), 4001],
    [app, { roomId: 'room' }, foreign.joined.key, 4001],
    [app, { roomId: 'room', peerId: 'victim' }, 'old', 4409],
    [app, { roomId: 'another' }, joined.key, 4403],
    [app, { roomId: 'room', peerId: 'attacker' }, joined.key, 4403],
    [other, { roomId: 'room' }, 'guessed', 4001],
    [other, { roomId: 'another' }, joined.key, 4403],
    [other, { roomId: 'room', peerId: 'attacker' }, joined.key, 4403]
  ]
  for (const [where, identity, key, code] of tries) {
    const it = await LinkClient.connect(where)
    it.ask(identity, { peerId: 'victim', key, received: 0 })
    t.equal((await it.closed).code, code, JSON.stringify(identity))
  }
  const peer = server.endpoint.peer('victim')!
  peer.send('still here')
  t.equal(await link.text(), 'still here')
  t.equal(other.app.trunkline.peers.size, 0)
})

t.test('an id that is but claimed is in nobody\'s way, and nobody sees it', async (t) => {
  const server = await startMediaServer(t, { welcome: { resumeWindowMs: 30_000 }, onOpen: 'ignore' })
  const app = await startApp(t, server.options)
  const claims = await Promise.all(['one', 'two', 'two'].map(async (key) => {
    const link = await LinkClient.connect(app)
    link.ask({ roomId: 'room' }, { peerId: 'p', key, received: 0 })
    const open = await server.receive('open')
    t.match(open.body, { resumeOnly: true, key })
    return { link, open }
  }))
  t.equal(app.app.trunkline.peers.size, 0)
  // Whom the app calls so is let in all the same, and the claims come to nothing.
  server.onOpen = 'accept'
  const rightful = await joinLink(t, app, { roomId: 'room', peerId: 'p' })
  t.match(rightful.joined, { resumed: false, peerId: 'p' })
  for (const { link, open } of claims) {
    server.send(fakeFrame('refused', { id: open.body.id, code: 4001, reason: 'gone' }, 'p'))
    t.equal((await link.closed).code, 4001)
  }
  t.equal(app.app.trunkline.peers.get('p')?.state, 'joined')
})

t.test('a session that is claimed, and proven, is its; the media server hears of no other', async (t) => {
  const server = await startEndpoint(t)
  const [one, two] = [await startApp(t, server.options), await startApp(t, server.options)]
  const { link, joined } = await joinLink(t, one)
  await server.peers.take()
  const guesses = await Promise.all(['a', 'b', 'c'].map(async (key) => {
    const guess = await LinkClient.connect(two)
    guess.ask({ roomId: 'room' }, { peerId: joined.peerId, key, received: 0 })
    return guess
  }))
  const moved = await joinLink(t, two, { roomId: 'room' }, { peerId: joined.peerId, key: joined.key, received: 0 })
  t.equal(moved.joined.resumed, true)
  t.equal((await link.closed).code, 4409)
  for (const guess of guesses) t.equal((await guess.closed).code, 4001)
  const nobody = await LinkClient.connect(two)
  nobody.ask({ roomId: 'room' }, { peerId: 'admin', key: 'x', received: 0 })
  t.equal((await nobody.closed).code, 4001)
  t.equal(server.peers.length, 0, 'it was asked to make no other')
  t.equal(two.app.trunkline.peers.get(joined.peerId)?.state, 'joined')
})

t.test('names that the trunk could not carry are refused at the link', async (t) => {
  const server = await startEndpoint(t)
  const app = await startApp(t, server.options)
  const bystander = await joinLink(t, app)
  for (const wrong of [{ resume: { peerId: '€'.repeat(128), key: 'x', received: 0 } }, { resume: { peerId: '\ud800', key: 'x', received: 0 } }, { resume: { peerId: 'p', key: '€'.repeat(100), received: 0 } }, { client: '€'.repeat(100) }, { client: '' }]) {
    const it = await LinkClient.connect(app)
    it.control({ type: 'join', id: 1, version: 1, token: '{"roomId":"r"}', ...wrong })
    t.equal((await it.closed).code, 1002, JSON.stringify(wrong).slice(0, 40))
  }
  t.equal(app.app.trunkline.peers.get(bystander.joined.peerId)?.state, 'joined')
  t.match(app.app.trunkline.stats(), { reset: 0, resumed: 0 })
})

t.test('whatever subprotocols a page of another site names, it is not let in', async (t) => {
  const server = await startEndpoint(t)
  const app = await startApp(t, server.options, { cookie: 'sid' })
  const headers = { origin: 'https://elsewhere.example', cookie: `sid=${encodeURIComponent('{"roomId":"r"}')}` }
  for (const protocols of [[], ['foo'], ['foo', 'trunkline.link.v1']]) await t.rejects(FakeClient.connect(`${app.base}/signaling`, { headers, protocols }), { message: /403/ })
  const first = await FakeClient.connect(`${app.base}/signaling`, { headers, protocols: ['trunkline.link.v1', 'foo'] })
  t.equal((await first.closed).code, 4403)
  t.equal(app.app.trunkline.peers.size, 0)
})

t.test('an asking that is refused leaves nobody behind at the media server', async (t) => {
  const server = await startEndpoint(t)
  const app = await startApp(t, server.options)
  const { link, joined } = await joinLink(t, app)
  const peer = await server.peers.take()
  peer.send('x')
  t.equal(await link.text(), 'x')
  link.ack(1)
  link.event('y')
  await new Promise((resolve) => peer.once('mediaEvent', resolve))
  const detached = new Promise<void>((resolve) => peer.once('detach', resolve))
  link.ask({ roomId: 'room' }, { peerId: joined.peerId, key: joined.key, received: 0 })
  t.equal((await link.closed).code, 4409)
  await detached
  t.equal(peer.isAttached, false)
})

t.test('of two joins on one link the later one is answered, however long the judging takes', async (t) => {
  const server = await startEndpoint(t)
  const judged: Array<() => void> = []
  const app = await startApp(t, server.options, {
    authenticate: async () => {
      await new Promise<void>((resolve) => judged.push(resolve))
      return { roomId: 'room' }
    }
  })
  const link = await LinkClient.connect(app)
  t.teardown(() => link.client.cut())
  link.ask({})
  link.ask({})
  while (judged.length < 1) await new Promise((resolve) => setImmediate(resolve))
  link.ask({})
  await new Promise((resolve) => link.client.socket.ping(undefined, undefined, () => link.client.socket.once('pong', resolve)))
  judged[0]!()
  while (judged.length < 2) await new Promise((resolve) => setImmediate(resolve))
  judged[1]!()
  t.match(await link.heard('joined'), { id: 3 })
  const leaving = await LinkClient.connect(app)
  leaving.ask({})
  leaving.control({ type: 'leave' })
  while (judged.length < 3) await new Promise((resolve) => setImmediate(resolve))
  judged[2]!()
  t.equal((await leaving.closed).code, 1000)
  t.equal(app.app.trunkline.peers.size, 1)
})

t.test('where a second link is refused, the same client comes back all the same when it has lost the answer', async (t) => {
  const server = await startEndpoint(t)
  const app = await startApp(t, server.options, { duplicate: 'refuse' })
  const ask = (link: LinkClient, id: number, client: string): void => link.control({ type: 'join', id, version: 1, client, token: '{"roomId":"room","peerId":"p"}' })
  const one = await LinkClient.connect(app)
  ask(one, 1, 'me')
  await one.heard('joined')
  const other = await LinkClient.connect(app)
  ask(other, 1, 'another')
  t.equal((await other.closed).code, 4409)
  const again = await LinkClient.connect(app)
  t.teardown(() => again.client.cut())
  ask(again, 2, 'me')
  t.match(await again.heard('joined'), { id: 2, peerId: 'p' })
  t.equal((await one.closed).code, 4409)
})

t.test('counts that cannot be end the one session', async (t) => {
  const server = await startEndpoint(t)
  const app = await startApp(t, server.options)
  const bystander = await joinLink(t, app)
  const beyond = await joinLink(t, app)
  beyond.link.ack(1)
  t.equal((await beyond.link.closed).code, 1002)
  const first = await joinLink(t, app)
  await first.link.client.cut()
  const resumed = await LinkClient.connect(app)
  resumed.ask({ roomId: 'room' }, { peerId: first.joined.peerId, key: first.joined.key, received: 1 })
  t.equal((await resumed.closed).code, 1002)

  const backwards = await joinLink(t, app)
  const peer = server.endpoint.peer(backwards.joined.peerId)!
  for (const event of ['a', 'b', 'c']) peer.send(event)
  for (const event of ['a', 'b', 'c']) t.equal(await backwards.link.text(), event)
  backwards.link.ack(3)
  backwards.link.ack(1)
  backwards.link.event('still')
  t.equal((await new Promise<Buffer>((resolve) => peer.once('mediaEvent', resolve))).toString(), 'still')
  t.equal(app.app.trunkline.peers.get(bystander.joined.peerId)?.state, 'joined')
})

t.test('messages that break the protocol end the link with 1002, and those that are not known are passed over', async (t) => {
  const server = await startEndpoint(t)
  const app = await startApp(t, server.options)
  const control = (text: string): Buffer => Buffer.concat([Buffer.from([0]), Buffer.from(text)])
  const valid = { type: 'join', id: 1, version: 1, token: '{"roomId":"room"}' }
  const before: Array<Buffer | string> = ['an event', Buffer.alloc(0), Buffer.from([1, 2]), Buffer.from([9]), control(''), control('{'), control('null'), control('"join"'), control('{"type":"leave"}'),
    control('{"type":"join"}'), control(JSON.stringify({ ...valid, id: -1 })), control(JSON.stringify({ ...valid, id: 1.5 })), control(JSON.stringify({ ...valid, version: 2 })),
    control(JSON.stringify({ ...valid, token: 7 })), control(JSON.stringify({ ...valid, resume: {} })), control(JSON.stringify({ ...valid, resume: { peerId: '', key: 'k', received: 0 } })),
    control(JSON.stringify({ ...valid, resume: { peerId: 'p', key: 'k'.repeat(257), received: 0 } })), control(JSON.stringify({ ...valid, resume: { peerId: 'p', key: 'k', received: 2 ** 53 } })),
    Buffer.from([0, 0xff, 0xfe])]
  for (const message of before) {
    const it = await LinkClient.connect(app)
    it.client.send(message)
    t.equal((await it.closed).code, 1002, String(message))
  }
  const huge = await LinkClient.connect(app)
  huge.client.send(control(JSON.stringify({ ...valid, token: 'x'.repeat(20_000) })))
  t.equal((await huge.closed).code, 1009)
  for (const message of [Buffer.alloc(0), control('{'), Buffer.from([2]), Buffer.from([2, 0x80]), Buffer.from([2, ...Array<number>(9).fill(0xff), 1]), Buffer.from([3, 1]), control(JSON.stringify({ ...valid, version: 9 }))]) {
    const { link } = await joinLink(t, app)
    link.client.send(message)
    t.equal((await link.closed).code, 1002, String(message))
  }
  const { link, joined } = await joinLink(t, app)
  link.client.send(Buffer.from([77, 1, 2]))
  link.control({ type: 'of tomorrow' })
  link.event('fine')
  t.equal((await new Promise<Buffer>((resolve) => server.endpoint.peer(joined.peerId)!.once('mediaEvent', resolve))).toString(), 'fine')
})

t.test('who does not join in time is sent away; who may not come hears it by a code', async (t) => {
  const clock = new ManualClock()
  const server = await startEndpoint(t)
  const app = await startApp(t, server.options, { clock, cookie: 'session' })
  const silent = await LinkClient.connect(app)
  clock.advance(5_000)
  t.equal((await silent.closed).code, 1013)
  const nobody = await LinkClient.connect(app)
  nobody.control({ type: 'join', id: 1, version: 1 })
  t.equal((await nobody.closed).code, 4401)
  for (const [error, code] of [[{}, 4401], [{ statusCode: 403 }, 4403], [{ statusCode: 503 }, 1013]] as const) {
    const it = await LinkClient.connect(app)
    it.ask({ error })
    t.equal((await it.closed).code, code)
  }
  const foreign = await LinkClient.connect(app, { origin: 'https://elsewhere.example' })
  t.equal((await foreign.closed).code, 4403)
  // What came with the upgrade serves a join that brings no token.
  const withHeader = await LinkClient.connect(app, { authorization: 'Bearer {"roomId":"r"}' })
  t.teardown(() => withHeader.client.cut())
  withHeader.control({ type: 'join', id: 5, version: 1 })
  t.match(await withHeader.heard('joined'), { id: 5, roomId: 'r' })
})

t.test('each join is authenticated; one that fails on a live link ends the link, and a session that may not be its', async (t) => {
  const server = await startEndpoint(t)
  const app = await startApp(t, server.options)
  const one = await joinLink(t, app)
  const first = await server.peers.take()
  const held = new Promise<void>((resolve) => first.once('detach', resolve))
  one.link.ask({ error: {} }, { peerId: one.joined.peerId, key: one.joined.key, received: 0 })
  t.equal((await one.link.closed).code, 4401)
  await held
  const renewed = await joinLink(t, app, { roomId: 'room' }, { peerId: one.joined.peerId, key: one.joined.key, received: 0 })
  t.equal(renewed.joined.resumed, true, 'with a better token it goes on')
  const two = await joinLink(t, app)
  const peer = await server.peers.take()
  const detached = new Promise<void>((resolve) => peer.once('detach', resolve))
  two.link.ask({ error: { statusCode: 500 } }, { peerId: two.joined.peerId, key: two.joined.key, received: 0 })
  t.equal((await two.link.closed).code, 1013)
  await detached
  const three = await joinLink(t, app, { roomId: 'room', metadata: 'new' }, { peerId: two.joined.peerId, key: two.joined.key, received: 0 })
  t.equal(three.joined.resumed, true)
  t.equal(peer.metadata, 'new', 'the media server knows what it has shown last')
  for (const identity of [{ roomId: 'another' }, { roomId: 'room', peerId: 'another' }]) {
    const it = await joinLink(t, app)
    it.link.ask(identity, { peerId: it.joined.peerId, key: it.joined.key, received: 0 })
    t.equal((await it.link.closed).code, 4403)
  }
})

t.test('an answer that was lost may be asked for again with the key of before', async (t) => {
  const clock = new ManualClock()
  const before = await startEndpoint(t)
  const port = Number(new URL(before.options.url).port)
  const app = await startApp(t, before.options, { clock: undefined as never })
  const { link, joined } = await joinLink(t, app, { roomId: 'room', peerId: 'p' })
  await link.client.cut()
  await before.close()
  const after = await startEndpoint(t, { port, clock })
  // The media server has begun a new session, and its answer never arrives.
  const unlucky = await LinkClient.connect(app)
  unlucky.ask({ roomId: 'room', peerId: 'p' }, { peerId: 'p', key: joined.key, received: 0 })
  const first = await after.peers.take()
  await unlucky.client.cut()
  const lucky = await joinLink(t, app, { roomId: 'room', peerId: 'p' }, { peerId: 'p', key: joined.key, received: 0 })
  t.match(lucky.joined, { resumed: false, peerId: 'p' })
  t.not(lucky.joined.key, joined.key)
  t.equal(first.isOver, true)
  // Once it has spoken, the key of before is nobody's any more.
  lucky.link.event('hello')
  await new Promise((resolve) => after.endpoint.peer('p')!.once('mediaEvent', resolve))
  const twin = await LinkClient.connect(app)
  twin.ask({ roomId: 'room', peerId: 'p' }, { peerId: 'p', key: joined.key, received: 0 })
  t.equal((await twin.closed).code, 4409)
})

t.test('who leaves while the trunk is down is gone when it is back', async (t) => {
  const server = await startEndpoint(t)
  const app = await startApp(t, { ...server.options, retry: { baseMs: 50, maxMs: 50 } })
  const plain = await app.join({ roomId: 'room', peerId: 'plain' })
  const { link } = await joinLink(t, app, { roomId: 'room', peerId: 'session' })
  await joinLink(t, app, { roomId: 'room', peerId: 'kicked' })
  await joinLink(t, app, { roomId: 'room', peerId: 'stays' })
  const peers = [await server.peers.take(), await server.peers.take(), await server.peers.take(), await server.peers.take()]
  const overs = peers.filter(({ id }) => id !== 'stays').map(closed)
  const down = trunkState(app.app, 'down')
  for (const trunk of trunksOf(server)) trunk.terminate('cut')
  await down
  await plain.close()
  link.control({ type: 'leave' })
  await link.closed
  app.app.trunkline.kick('kicked')
  while (app.app.trunkline.peers.size > 1) await new Promise((resolve) => setImmediate(resolve))
  await Promise.all(overs)
  t.equal(server.endpoint.stats().peers, 1)
})

t.test('closing: sessions are left to the process that comes next', async (t) => {
  const server = await startEndpoint(t)
  const left = calls(1)
  const old = await startApp(t, server.options, { hooks: { onPeerLeave: left.fn } })
  const { link, joined } = await joinLink(t, old)
  const peer = await server.peers.take()
  const closing = old.app.close()
  t.equal((await link.closed).code, 1012)
  await closing
  t.match((await left.seen)[0]![1], { cause: 'restart' })
  t.equal(peer.isOver, false)
  peer.send('meanwhile')
  const successor = await startApp(t, server.options)
  const again = await joinLink(t, successor, { roomId: 'room' }, { peerId: joined.peerId, key: joined.key, received: 0 })
  t.equal(again.joined.resumed, true)
  t.equal(await again.link.text(), 'meanwhile')
})

/** The server's side of its trunks. */
function trunksOf ({ endpoint }: Awaited<ReturnType<typeof startEndpoint>>): Array<{ terminate (reason: string): void }> {
  return [...endpoint.channels]
}

t.test('a media server that keeps no sessions: the backend holds them over a lost link, and it never knows', async (t) => {
  const server = await startMediaServer(t)
  const app = await startApp(t, server.options)
  const { link, joined } = await joinLink(t, app, { roomId: 'room', peerId: 'p' })
  t.match(joined, { resumed: false, windowBytes: 256 * 1024, resumeWindowMs: 30_000 })
  const { epoch } = await server.receive('open').then(() => server)
  link.event('1')
  link.event('2')
  t.equal((await server.receive('text')).body.toString(), '1')
  t.equal((await server.receive('text')).body.toString(), '2')
  server.send(...['a', 'b'].map((text) => fakeFrame('text', Buffer.from(text), 'p', epoch)))
  t.equal(await link.text(), 'a')
  t.equal(await link.text(), 'b')
  await link.client.cut()
  while (app.app.trunkline.peers.get('p')?.state !== 'detached') await new Promise((resolve) => setImmediate(resolve))
  server.send(fakeFrame('text', Buffer.from('c'), 'p', epoch))
  const guess = await LinkClient.connect(app)
  guess.ask({ roomId: 'room' }, { peerId: 'p', key: 'guess', received: 0 })
  t.equal((await guess.closed).code, 4001)
  const again = await joinLink(t, app, { roomId: 'room' }, { peerId: 'p', key: joined.key, received: 1 })
  t.match(again.joined, { resumed: true, received: 2, key: joined.key })
  t.equal(await again.link.text(), 'b')
  t.equal(await again.link.text(), 'c')
  again.link.event('3')
  t.equal((await server.receive('text')).body.toString(), '3')
  t.same(server.takeAll().map(({ kind }) => kind), [], 'nothing else was said')

  // The trunk is what they cannot outlive.
  server.cut()
  t.match(await again.link.heard('rejoin'), { reason: 'trunk' })
  const anew = await again.link.join({ roomId: 'room' }, { peerId: 'p', key: joined.key, received: 3 })
  t.match(anew, { resumed: false, received: 0, peerId: 'p' })
  t.match(await server.receive('open'), { body: { key: '' } })
  again.link.control({ type: 'leave' })
  await server.receive('close')
  t.equal(app.app.trunkline.peers.size, 0)
})

t.test('sessions that the backend holds end with their window, and at their bounds', async (t) => {
  const clock = new ManualClock()
  const server = await startMediaServer(t)
  const app = await startApp(t, server.options, { clock, resume: { windowMs: 3_000 }, heartbeat: { clientMs: 2 ** 31 - 1 } })
  const one = await joinLink(t, app, { roomId: 'room', peerId: 'one' })
  await one.link.client.cut()
  while (app.app.trunkline.peers.get('one')?.state !== 'detached') await new Promise((resolve) => setImmediate(resolve))
  clock.advance(3_000)
  t.match(await server.receive('close'), { peerId: 'one' })
  await joinLink(t, app, { roomId: 'room', peerId: 'two' })
  // It reads all and acknowledges nothing, and the media server goes on and on.
  const event = Buffer.alloc(1024, 'x')
  for (let i = 0; i < 1_100; i++) server.send(fakeFrame('text', event, 'two', server.epoch))
  t.match(await server.receive('close', ({ peerId }) => peerId === 'two'), { body: { code: 4008 } })
  const three = await joinLink(t, app, { roomId: 'room', peerId: 'three' })
  three.link.ack(5)
  t.equal((await three.link.closed).code, 1002)
  const four = await joinLink(t, app, { roomId: 'room', peerId: 'four' })
  await four.link.client.cut()
  const foreign = await LinkClient.connect(app)
  foreign.ask({ roomId: 'room' }, { peerId: 'four', key: four.joined.key, received: 9 })
  t.equal((await foreign.closed).code, 1002)
})

t.test('nothing of a client moves before onPeerJoin has let it in, whatever room the trunk has meanwhile', async (t) => {
  const server = await startMediaServer(t, { windowBytes: 256 * 1024, welcome: { resumeWindowMs: 30_000 } })
  let refuse = (): void => {}
  const asked = new Promise<void>((resolve) => { refuse = resolve })
  // The least that may wait: whatever goes up presses, and relieves.
  const app = await startApp(t, server.options, { limits: { trunkQueueBytes: 1, uplinkQueueBytes: 1 }, hooks: { onPeerJoin: async () => { await asked; throw new Error('not you') } } })
  const { link } = await joinLink(t, app)
  link.event('hi')
  for (let i = 0; i < 10; i++) link.ack(0)
  link.control({ type: 'unknown' })
  await server.receive('ack')
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
  refuse()
  t.match(await link.closed, { code: 1011 })
  t.notOk(server.takeAll().some(({ kind }) => kind === 'text'))
})

t.test('one that is kicked while nobody knows whether its session goes on is over for the media server as soon as that answers', async (t) => {
  const server = await startMediaServer(t, { windowBytes: 256 * 1024, welcome: { resumeWindowMs: 30_000 } })
  const app = await startApp(t, server.options)
  const until = async (isSo: () => boolean): Promise<void> => { while (!isSo()) await new Promise((resolve) => setImmediate(resolve)) }
  const identity = { roomId: 'room', peerId: 'p' }
  const { link, joined } = await joinLink(t, app, identity)
  await link.client.cut()
  await until(() => app.app.trunkline.peers.get('p')?.state === 'detached')
  let answer = (): void => {}
  server.onOpen = (open, trunk) => { answer = () => trunk.send(server.answer(open, { key: joined.key, resumed: true })) }
  const again = await LinkClient.connect(app)
  again.ask(identity, { peerId: 'p', key: joined.key, received: 0 })
  await server.receive('open', ({ body }) => body.key !== '')
  await again.client.cut()
  await until(() => app.app.trunkline.peers.get('p')?.state === 'detached')
  app.app.trunkline.kick('p')
  answer()
  t.match(await server.receive('close'), { peerId: 'p', epoch: server.epoch, body: { code: 4410 } })
})

t.test('a media server that keeps no sessions hears at once of each client that a drain lets go', async (t) => {
  const server = await startMediaServer(t)
  const app = await startApp(t, server.options)
  const { link, joined } = await joinLink(t, app)
  const drained = app.app.trunkline.drain()
  t.match(await server.receive('close'), { peerId: joined.peerId, body: { code: 1012 } })
  t.match(await link.closed, { code: 1012 })
  await drained
})
