import t from 'tap'
import WebSocket from 'ws'
import { Link, LinkError } from '../../../lib/client/index.js'
import { LINK_SUBPROTOCOL } from '../../../lib/session/messages.js'
import { admit, asked, joinedMemoryLink, memoryLink, memorySockets, settled } from './memory-socket.js'
import { FakeBackend, TestLink, answerTo, joinedLink, linkTo } from './support.js'

t.test('a link asks, is answered, and knows who it is', async (t) => {
  const backend = await FakeBackend.listen(t)
  const link = linkTo(t, backend, { token: 'secret' })
  t.same([link.state, link.peerId, link.roomId], ['idle', null, null])
  link.join()
  t.equal(link.state, 'initializing')
  const far = await backend.link()
  const join = await far.join()
  t.match(join.client, /^[a-z0-9]{16,32}$/)
  t.same(join, { type: 'join', id: 1, version: 1, client: join.client, token: 'secret' })
  t.same(backend.offered, [[LINK_SUBPROTOCOL]])
  far.control(answerTo({ type: 'join', id: 1, version: 1 }, { peerId: 'p', roomId: 'r' }))
  t.same(await link.hears('joined'), [{ peerId: 'p', roomId: 'r', resumed: false }])
  t.same([link.state, link.peerId, link.roomId], ['joined', 'p', 'r'])
  t.same(link.told.takeAll(), [['state', 'initializing', 'idle'], ['state', 'joined', 'initializing']])
})

t.test('join does nothing where it is under way, and begins anew after leave, with a session of its own', async (t) => {
  const { link, sockets, socket, network } = joinedMemoryLink(t)
  link.join()
  socket.control({ type: 'rejoin', reason: 'trunk' })
  link.join()
  admit(socket)
  network.turn(false)
  t.equal(link.state, 'waitingNetwork')
  link.join()
  t.equal(link.state, 'waitingNetwork')
  network.turn(true)
  admit(sockets[1])
  await link.leave()
  t.same([link.state, link.peerId, link.roomId], ['leaved', null, null])
  link.told.takeAll()
  link.join()
  t.equal(sockets.length, 3)
  const join = admit(sockets[2])
  t.equal(join.id, 4, 'ids go on for the life of the link')
  t.equal(join.resume, undefined)
  t.same(link.told.takeAll().map(([name]) => name), ['state', 'state', 'joined'], 'and no reset, since nothing was lost')
})

t.test('only the answer to the latest asking counts, and once', async (t) => {
  const { link, sockets } = memoryLink(t)
  link.join()
  const socket = sockets[0]!
  socket.opens()
  const first = asked(socket)
  socket.control({ type: 'rejoin', reason: 'trunk' })
  const second = asked(socket)
  t.equal(second.id, first.id + 1)
  socket.control(answerTo(first, { peerId: 'old' }))
  t.equal(link.state, 'initializing')
  socket.control(answerTo(second, { peerId: 'new' }))
  t.same([link.state, link.peerId], ['joined', 'new'])
  socket.control(answerTo(second, { peerId: 'again' }))
  t.equal(link.peerId, 'new')
})

t.test('the address: a path of the page, http for ws, no fragment', async (t) => {
  const open = (url: string): string => {
    const { sockets, WebSocket } = memorySockets()
    const link = new Link({ url, WebSocket })
    link.join()
    link.destroy()
    return sockets[0]!.url
  }
  t.equal(open('ws://host:1/signaling?a=b'), 'ws://host:1/signaling?a=b')
  t.equal(open('https://host/signaling#part'), 'wss://host/signaling')
  t.equal(open('http://host:8080/signaling'), 'ws://host:8080/signaling')
  t.throws(() => open('/signaling'), TypeError, 'there is no page that it could be a path of')
  const page = globalThis as { location?: { href: string } }
  t.teardown(() => { delete page.location })
  page.location = { href: 'https://app.example/call/1?x#y' }
  t.equal(open('/signaling'), 'wss://app.example/signaling')
})

t.test('without a WebSocket there is no link', async (t) => {
  const page = globalThis as { WebSocket?: unknown }
  const before = page.WebSocket
  t.teardown(() => { page.WebSocket = before })
  delete page.WebSocket
  const link = new Link({ url: 'ws://host' })
  t.throws(() => link.join(), { code: 'TRK_LINK_NO_WEBSOCKET', message: /options\.WebSocket/ })
  t.equal(link.state, 'idle')
  page.WebSocket = WebSocket
  link.join()
  t.equal(link.state, 'initializing', 'the global one is used where there is one')
  link.destroy()
})

t.test('a server that picks no subprotocol, or another, is no backend', async (t) => {
  for (const protocol of ['', 'another']) {
    const { link, sockets, clock } = memoryLink(t)
    link.join()
    sockets[0]!.opens(protocol)
    t.same(link.told.takeAll().at(-1), ['failed', { code: 1002, reason: 'the server does not speak trunkline.link.v1' }])
    t.same(sockets[0]!.said, [], 'nothing is said to it')
    t.ok(sockets[0]!.closedWith)
    t.equal(clock.timers, 0)
  }
  // Sockets that are as strict as the standard never open, and tell as little as of a server that is not there.
  const plain = await FakeBackend.listen(t, false)
  let tries = 0
  const link = linkTo(t, plain, { reconnect: { delayMs: () => ++tries < 3 ? 0 : null } })
  link.join()
  t.match(await link.hears('failed'), [{ code: 1006 }])
})

t.test('a socket that cannot even be made is one that was lost', async (t) => {
  class Throwing {
    constructor () {
      throw new Error('forbidden here')
    }
  }
  const link = new TestLink({ url: 'ws://host', WebSocket: Throwing as never, reconnect: { delayMs: (attempt) => attempt < 2 ? 0 : null } })
  link.join()
  t.same(await link.hears('failed'), [{ code: 1006, reason: 'Error: forbidden here' }])
})

t.test('a token function is asked when there is no token yet, and not again while it lasts', async (t) => {
  const backend = await FakeBackend.listen(t)
  let asked = 0
  const { link, far } = await joinedLink(t, backend, { token: async () => `token ${++asked}` })
  far.cut()
  const again = await backend.link()
  t.equal((await again.admit()).token, 'token 1')
  await link.hears('joined')
  again.control({ type: 'rejoin', reason: 'trunk' })
  t.equal((await again.admit()).token, 'token 1')
  await link.hears('joined')
  again.control({ type: 'rejoin', reason: 'token' })
  t.equal((await again.admit()).token, 'token 2')
  await link.hears('joined')
  t.equal(asked, 2)
})

t.test('a token of the app\'s own is said again when a newer one is wanted', async (t) => {
  const { socket } = joinedMemoryLink(t, { token: 'mine' })
  socket.control({ type: 'rejoin', reason: 'token' })
  t.equal(asked(socket).token, 'mine')
})

t.test('4401: a token that was not asked for just now is renewed once, and one that was is refused for good', async (t) => {
  const backend = await FakeBackend.listen(t)
  let asked = 0
  const { link, far } = await joinedLink(t, backend, { token: () => `token ${++asked}` })
  far.close(4401, 'expired token')
  const second = await backend.link()
  t.equal((await second.join()).token, 'token 2')
  second.close(4401, 'who are you')
  t.same(await link.hears('failed'), [{ code: 4401, reason: 'who are you' }])
  t.equal(asked, 2)
})

t.test('4401: a fresh token is as old as any once it was accepted, or a later attempt used it again', async (t) => {
  const { link, sockets, clock } = memoryLink(t, { token: () => 'token' })
  link.join()
  await settled()
  sockets[0]!.opens()
  sockets[0]!.closes(1006)
  clock.advance(100)
  sockets[1]!.opens()
  sockets[1]!.closes(4401)
  t.equal(link.state, 'initializing')
  clock.advance(100)
  await settled()
  admit(sockets[2])
  sockets[2]!.closes(4401)
  t.equal(link.state, 'reinitializing')
  clock.advance(100)
  await settled()
  sockets[3]!.opens()
  sockets[3]!.closes(4401)
  t.equal(link.state, 'failed')
})

t.test('4401 with a token that nobody can renew is the end', async (t) => {
  const { link, sockets } = memoryLink(t, { token: 'mine' })
  link.join()
  sockets[0]!.opens()
  sockets[0]!.closes(4401, 'no')
  t.same(link.told.takeAll().at(-1), ['failed', { code: 4401, reason: 'no' }])
})

t.test('a token function that rejects, throws or takes too long costs an attempt, no more', async (t) => {
  const answers: Array<() => string | Promise<string>> = [
    async () => { throw new Error('offline') },
    () => { throw new Error('broken') },
    async () => await new Promise(() => {}),
    () => 'at last'
  ]
  const { link, sockets, clock } = memoryLink(t, { token: () => answers.shift()!(), tokenMs: 5_000 })
  link.join()
  for (let left = 3; left >= 2; left--) {
    await settled()
    t.equal(answers.length, left)
    clock.advance(100)
  }
  await settled()
  clock.advance(4_999)
  t.equal(answers.length, 1)
  clock.advance(1)
  clock.advance(100)
  await settled()
  t.equal(admit(sockets[0]).token, 'at last', 'and no socket is opened before there is a token')
  t.equal(link.state, 'joined')
})

t.test('where no newer token is to be had, the one of before is shown again on the link that there is', async (t) => {
  let asked = 0
  const { link, sockets } = memoryLink(t, { token: async () => { if (asked++ === 1) throw new Error('the service is down'); return `token ${asked}` } })
  link.join()
  await settled()
  admit(sockets[0])
  for (const token of ['token 1', 'token 3']) {
    sockets[0]!.control({ type: 'rejoin', reason: 'token' })
    await settled()
    t.equal(admit(sockets[0]).token, token)
    t.equal(link.state, 'joined')
  }
  t.equal(sockets.length, 1)
})

t.test('a link that is closed before it has read the newer token does not end it; one that refuses twice does', async (t) => {
  let asked = 0
  const { link, sockets, clock } = memoryLink(t, { token: async () => `token ${++asked}` })
  link.join()
  await settled()
  admit(sockets[0])
  sockets[0]!.control({ type: 'rejoin', reason: 'token' })
  await settled()
  sockets[0]!.closes(4401)
  clock.advance(100)
  await settled()
  t.equal(link.state, 'reinitializing')
  t.equal(sockets.length, 2)
  sockets[1]!.opens()
  sockets[1]!.closes(4401)
  t.equal(link.state, 'failed')
})

t.test('a policy that gives up tells why', async (t) => {
  const { link, clock } = memoryLink(t, { token: async () => { throw new Error('no') }, reconnect: { delayMs: () => null } })
  link.join()
  const [{ code, reason }] = await link.hears('failed')
  t.same([code, reason], [1013, 'no token: Error: no'])
  t.equal(clock.timers, 0)
})

t.test('a token that comes for an asking that is over is not used', async (t) => {
  const give: Array<(token: string) => void> = []
  const { link, sockets, clock } = memoryLink(t, { token: async () => await new Promise((resolve) => give.push(resolve)) })
  link.join()
  await settled()
  give[0]!('a')
  await settled()
  admit(sockets[0])
  sockets[0]!.control({ type: 'rejoin', reason: 'token' })
  await settled()
  t.equal(link.state, 'reinitializing')
  sockets[0]!.closes(1006)
  clock.advance(100)
  await settled()
  give[1]!('b')
  await settled()
  t.equal(sockets.length, 1, 'what was asked for the old socket says nothing of the new one')
  give[2]!('c')
  await settled()
  t.equal(admit(sockets[1]).token, 'c')
})

t.test('errors say what to do', async (t) => {
  const { link } = memoryLink(t)
  link.destroy()
  try {
    link.join()
    t.fail('it is over')
  } catch (error) {
    t.ok(error instanceof LinkError && error instanceof Error)
    t.match(error, { name: 'LinkError', code: 'TRK_LINK_OVER', message: /make a new one/ })
  }
})
