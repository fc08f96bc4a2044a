import t from 'tap'
import { ACK_EVENTS } from '../../../lib/session/end.js'
import { admit, asked, joinedMemoryLink, memoryLink, settled } from './memory-socket.js'
import { FakeBackend, answerTo, joinedLink } from './support.js'
import type { Join } from './support.js'

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values)
const events = (said: Array<{ type: string, event?: unknown }>): unknown[] => said.filter(({ type }) => type === 'event').map(({ event }) => event)

t.test('media events travel as they are, both ways, in order', async (t) => {
  const backend = await FakeBackend.listen(t)
  const { link, far } = await joinedLink(t, backend)
  const all = ['', 'text', '\u0000 \ud83d\ude00 \ufeff', bytes(), bytes(0, 1, 2, 255), '{"type":"offer"}']
  for (const event of all) link.send(event)
  for (const event of all) t.same(await far.event(), event)
  for (const event of all) far.send(event)
  for (const event of all) {
    const [heard] = await link.hears('mediaEvent')
    t.equal(typeof heard, typeof event)
    t.same(typeof heard === 'string' ? heard : [...heard], typeof event === 'string' ? event : [...event])
  }
})

t.test('what is sent before the link is joined goes out when it is, in order', async (t) => {
  const { link, sockets } = memoryLink(t)
  link.send('idle')
  link.join()
  link.send('initializing')
  sockets[0]!.opens()
  link.send('opened')
  t.same(events(sockets[0]!.said), [])
  sockets[0]!.control(answerTo(asked(sockets[0])))
  link.send('joined')
  t.same(events(sockets[0]!.said), ['idle', 'initializing', 'opened', 'joined'])
})

t.test('what listeners of joined send comes after what was sent before', async (t) => {
  const { link, sockets } = memoryLink(t)
  link.on('state', (state) => { if (state === 'joined') link.send('at state') })
  link.on('joined', () => link.send('at joined'))
  link.send('before')
  link.join()
  sockets[0]!.opens()
  sockets[0]!.control(answerTo(asked(sockets[0])))
  t.same(events(sockets[0]!.said), ['before', 'at state', 'at joined'])
})

t.test('bytes are copied: the app may use its own again', async (t) => {
  const { link, sockets } = memoryLink(t)
  const mine = bytes(1, 2, 3)
  link.send(mine)
  mine.fill(9)
  link.join()
  sockets[0]!.opens()
  sockets[0]!.control(answerTo(asked(sockets[0])))
  t.same(events(sockets[0]!.said), [bytes(1, 2, 3)])
})

t.test('a string that cannot be text is refused', async (t) => {
  const { link, socket } = joinedMemoryLink(t)
  for (const text of ['\ud800', 'a\udfff', '\ude00\ud83d']) t.throws(() => link.send(text), { code: 'TRK_LINK_TEXT', message: /Uint8Array/ })
  link.send('\ud83d\ude00')
  t.same(events(socket.said), ['\ud83d\ude00'])
})

t.test('what is kept is bounded, and what has no room is not taken', async (t) => {
  const { link, socket } = joinedMemoryLink(t, { limits: { keptEvents: 3 } })
  for (const event of ['a', 'b', 'c']) link.send(event)
  t.throws(() => link.send('d'), { code: 'TRK_LINK_FULL', message: /not taken/ })
  socket.control({ type: 'rejoin', reason: 'trunk' })
  t.throws(() => link.send('d'), { code: 'TRK_LINK_FULL' })
  admit(socket, { received: 2 })
  link.send('e')
  link.send('f')
  t.throws(() => link.send('g'), { code: 'TRK_LINK_FULL' })

  // A character counts as many bytes as it has on the wire.
  const { link: small } = memoryLink(t, { limits: { keptBytes: 64 + 6 } })
  t.throws(() => small.send('\u20ac\u20ac\u20ac'), { code: 'TRK_LINK_FULL' })
  small.send('\u20ac\u20ac')
})

t.test('no more is under way than the window holds, and an acknowledgement makes room', async (t) => {
  const { link, socket } = joinedMemoryLink(t, {}, { windowBytes: 2 * (64 + 10) })
  for (const event of ['a', 'b', 'c', 'd']) link.send(event.repeat(10))
  t.same(events(socket.said), ['a'.repeat(10), 'b'.repeat(10)])
  socket.brings(bytes(2, 1))
  t.equal(events(socket.said).length, 3)
  socket.brings(bytes(2, 0))
  t.equal(link.state, 'joined', 'an old one is passed over')
  socket.brings(bytes(2, 3))
  t.equal(events(socket.said).length, 4)
})

t.test('what comes in is acknowledged after so many events, or a quarter of the window', async (t) => {
  const { socket } = joinedMemoryLink(t)
  for (let i = 1; i < ACK_EVENTS; i++) socket.brings(i % 2 === 0 ? 'text' : bytes(1, 7))
  t.same(socket.said, [])
  socket.brings(bytes(3))
  t.same(socket.said, [{ type: 'ack', received: ACK_EVENTS }], 'a skip counts as an event does')
  socket.said.length = 0
  socket.brings('x'.repeat(40 * 1024))
  t.same(socket.said, [])
  socket.brings(bytes(1, ...new Uint8Array(30 * 1024)))
  t.same(socket.said, [{ type: 'ack', received: ACK_EVENTS + 2 }])
})

t.test('at the latest a second after the first of those that are not acknowledged', async (t) => {
  const { socket, clock } = joinedMemoryLink(t)
  socket.brings('a')
  clock.advance(900)
  socket.brings('b')
  t.same(socket.said, [])
  clock.advance(100)
  t.same(socket.said, [{ type: 'ack', received: 2 }])
  clock.advance(5_000)
  t.equal(socket.said.length, 1, 'nothing is owed')
  socket.brings('c')
  socket.control({ type: 'rejoin', reason: 'trunk' })
  t.equal(asked(socket).resume?.received, 3)
  socket.said.length = 0
  clock.advance(5_000)
  t.same(socket.said, [], 'while it asks it acknowledges nothing: the asking has said it')
})

t.test('where nothing is counted nothing is acknowledged', async (t) => {
  const { link, socket, clock } = joinedMemoryLink(t, {}, { windowBytes: 0 })
  for (let i = 0; i < 2 * ACK_EVENTS; i++) socket.brings('text')
  for (let i = 0; i < 2 * ACK_EVENTS; i++) link.send('text')
  clock.advance(9_000)
  t.equal(events(socket.said).length, socket.said.length)
  t.equal(socket.said.length, 2 * ACK_EVENTS)
})

t.test('a skip is counted and nobody is told', async (t) => {
  const { link, socket } = joinedMemoryLink(t)
  socket.brings('a')
  socket.brings(bytes(3))
  socket.brings('b')
  t.same(link.told.takeAll(), [['mediaEvent', 'a'], ['mediaEvent', 'b']])
  socket.control({ type: 'rejoin', reason: 'trunk' })
  t.equal(asked(socket).resume?.received, 3)
})

t.test('a lost link: each side goes on from what the other has', async (t) => {
  const backend = await FakeBackend.listen(t)
  const { link, far } = await joinedLink(t, backend)
  link.send('one')
  link.send(bytes(2))
  far.send('first')
  t.same([await far.event(), await far.event()], ['one', bytes(2)])
  t.same(await link.hears('mediaEvent'), ['first'])
  far.cut()
  await link.becomes('reinitializing')
  link.send('three')
  const again = await backend.link()
  t.match(await again.admit({ received: 1, key: 'newer' }), { id: 2, resume: { peerId: 'peer', key: 'key', received: 1 } })
  t.same([await again.event(), await again.event()], [bytes(2), 'three'], 'what did not arrive is sent again')
  t.same(await link.hears('joined'), [{ peerId: 'peer', roomId: 'room', resumed: true }])
  again.send('second')
  t.same(await link.hears('mediaEvent'), ['second'])
  again.cut()
  t.match(await (await backend.link()).join(), { id: 3, resume: { key: 'newer', received: 2 } })
  t.same(link.told.takeAll().filter(([name]) => name === 'reset'), [])
  t.equal(backend.most, 1, 'never two sockets at a time')
})

t.test('between asking and the answer nothing is sent, taken in or acknowledged', async (t) => {
  const { link, sockets, socket, clock } = joinedMemoryLink(t)
  link.send('one')
  socket.brings('first')
  socket.control({ type: 'rejoin', reason: 'trunk' })
  t.equal(link.state, 'reinitializing')
  socket.said.length = 0
  socket.brings('late')
  socket.brings(bytes(1, 1))
  socket.brings(bytes(3))
  socket.brings(bytes(2, 1))
  socket.brings(bytes(2, 100))
  link.send('two')
  clock.advance(2_000)
  t.same(socket.said, [])
  t.equal(sockets.length, 1, 'it asks on the socket that it has')
  link.told.takeAll()
  socket.control(answerTo({ type: 'join', id: 2, version: 1, resume: { peerId: 'peer', key: 'key', received: 1 } }))
  t.same(events(socket.said), ['one', 'two'], 'the late acknowledgement counted for nothing')
  socket.brings('late')
  t.same(link.told.takeAll().filter(([name]) => name === 'mediaEvent'), [['mediaEvent', 'late']])
})

t.test('nor is it while the token for the asking is fetched, and an older answer does not count', async (t) => {
  let asked = 0
  let give = (_token: string): void => {}
  const { link, sockets } = memoryLink(t, { token: () => asked++ === 0 ? 'first' : new Promise((resolve) => { give = resolve }) })
  link.join()
  await settled()
  const socket = sockets[0]!
  admit(socket)
  socket.control({ type: 'rejoin', reason: 'trunk' })
  const [older] = socket.said.splice(0)
  socket.control({ type: 'rejoin', reason: 'token' })
  await settled()
  link.send('kept')
  socket.control(answerTo(older as Join))
  socket.brings('late')
  t.equal(link.state, 'reinitializing')
  t.same(socket.said, [])
  t.notOk(link.told.takeAll().some(([name]) => name === 'mediaEvent'))
  give('second')
  await settled()
  const [join] = socket.said.splice(0)
  t.match(join, { type: 'join', id: 3, token: 'second', resume: { received: 0 } })
  socket.control(answerTo(join as Join))
  t.same(events(socket.said), ['kept'])
})

t.test('what is sent while the socket closes is kept, also where nothing is counted', async (t) => {
  const { link, sockets, socket, clock } = joinedMemoryLink(t, {}, { windowBytes: 0 })
  socket.readyState = 2
  link.send('kept')
  socket.closes(1006)
  clock.advance(100)
  sockets[1]!.opens()
  sockets[1]!.control(answerTo(asked(sockets[1]), { windowBytes: 0 }))
  t.same(events(sockets[1]!.said), ['kept'])
})

t.test('nothing is resumed that was not asked for', async (t) => {
  const { link, sockets, clock } = memoryLink(t)
  link.join()
  admit(sockets[0], { resumed: true })
  t.match(link.told.takeAll().at(-1), ['joined', { resumed: false }])
  sockets[0]!.closes(4001)
  clock.advance(100)
  admit(sockets[1], { resumed: true })
  t.match(link.told.takeAll().map(([name]) => name), ['state', 'reset', 'state', 'joined'])
})

t.test('while an answer is waited for it may be told to ask again', async (t) => {
  const { link, socket } = joinedMemoryLink(t)
  link.send('one')
  socket.said.length = 0
  for (let i = 0; i < 3; i++) socket.control({ type: 'rejoin', reason: 'trunk' })
  t.same(socket.said.map((said) => said.type === 'join' && said.id), [2, 3, 4])
  for (const said of [...socket.said]) {
    t.equal(link.state, 'reinitializing')
    if (said.type === 'join') socket.control(answerTo(said))
  }
  t.equal(link.state, 'joined')
  t.same(events(socket.said), ['one'])
})

t.test('the trunk: what is sent while it is down is kept, and up follows with the next answer', async (t) => {
  const { link, socket } = joinedMemoryLink(t)
  socket.control({ type: 'trunk', state: 'down' })
  socket.control({ type: 'trunk', state: 'down' })
  t.same(link.told.takeAll(), [['trunk', 'down']])
  t.equal(link.state, 'joined')
  link.send('kept')
  socket.brings('not counted')
  t.same(socket.said, [])
  socket.control({ type: 'rejoin', reason: 'trunk' })
  t.equal(admitted(socket), 0)
  t.same(link.told.takeAll().map(([name, what]) => [name, what]).filter(([name]) => name !== 'joined'), [['state', 'reinitializing'], ['state', 'joined'], ['trunk', 'up']])
  t.same(events(socket.said), ['kept'])
  socket.control({ type: 'rejoin', reason: 'trunk' })
  admit(socket)
  t.notOk(link.told.takeAll().some(([name]) => name === 'trunk'), 'it was not down this time')
})

/** Answers, and keeps what is said from then on; how many events the client said that it has. */
function admitted (socket: Parameters<typeof asked>[0]): number | undefined {
  const join = asked(socket)
  socket!.said.length = 0
  socket!.control(answerTo(join))
  return join.resume?.received
}

t.test('the trunk goes down while an answer is waited for: the answer counts all the same', async (t) => {
  const { link, sockets } = memoryLink(t)
  link.join()
  sockets[0]!.opens()
  sockets[0]!.control({ type: 'trunk', state: 'down' })
  admit(sockets[0])
  t.equal(link.state, 'joined')
  t.same(link.told.takeAll().filter(([name]) => name === 'trunk'), [['trunk', 'down'], ['trunk', 'up']])
})

t.test('a session that could not go on: reset, and both count from nothing', async (t) => {
  const { link, sockets, socket, clock } = joinedMemoryLink(t)
  link.on('reset', () => link.send('at reset'))
  link.send('lost')
  socket.brings('first')
  socket.closes(1006)
  link.send('lost too')
  clock.advance(100)
  sockets[1]!.opens()
  link.told.takeAll()
  sockets[1]!.control(answerTo(asked(sockets[1]), { resumed: false, peerId: 'other', key: 'k2' }))
  t.same(link.told.takeAll(), [['reset'], ['state', 'joined', 'reinitializing'], ['joined', { peerId: 'other', roomId: 'room', resumed: false }]])
  t.same(events(sockets[1]!.said), ['at reset'])
  sockets[1]!.control({ type: 'rejoin', reason: 'trunk' })
  t.same(asked(sockets[1]).resume, { peerId: 'other', key: 'k2', received: 0 })
})

t.test('4001: the media server has forgotten the session, so it is not asked for again', async (t) => {
  const { link, sockets, socket, clock } = joinedMemoryLink(t)
  link.send('lost')
  socket.closes(4001, 'reset')
  t.notOk(link.told.takeAll().some(([name]) => name === 'reset'))
  clock.advance(100)
  const join = admit(sockets[1])
  t.equal(join.resume, undefined)
  t.same(link.told.takeAll().map(([name]) => name), ['reset', 'state', 'joined'])
})

t.test('an answer with counts that cannot be: another session, on another socket', async (t) => {
  for (const received of [0, 4]) {
    const { link, sockets, socket, clock } = joinedMemoryLink(t)
    for (const event of ['a', 'b', 'c']) link.send(event)
    socket.brings(bytes(2, 2))
    socket.control({ type: 'rejoin', reason: 'trunk' })
    socket.control(answerTo(asked(socket), { received }))
    t.equal(socket.closedWith?.code, 4005)
    t.equal(link.state, 'reinitializing')
    clock.advance(100)
    t.equal(admit(sockets[1]).resume, undefined)
    t.ok(link.told.takeAll().some(([name]) => name === 'reset'))
    t.equal(link.state, 'joined')
  }
})

t.test('a new session with counts that cannot be: what was sent since is not lost', async (t) => {
  const { link, sockets, clock } = memoryLink(t)
  link.send('kept')
  link.join()
  admit(sockets[0], { received: 1 })
  t.equal(link.state, 'initializing')
  t.equal(link.peerId, null)
  clock.advance(100)
  sockets[1]!.opens()
  sockets[1]!.control(answerTo(asked(sockets[1])))
  t.same(events(sockets[1]!.said), ['kept'])
  t.notOk(link.told.takeAll().some(([name]) => name === 'reset'))
})

t.test('what breaks the protocol ends the link', async (t) => {
  const text = new TextEncoder()
  const joined = answerTo({ type: 'join', id: 1, version: 1 })
  const control = (value: unknown): Uint8Array => bytes(0, ...text.encode(JSON.stringify(value)))
  const broken: Array<Uint8Array> = [
    bytes(), bytes(0), bytes(0, 255), bytes(0, ...text.encode('{')), control(null), control(5), control({}), control({ type: 5 }),
    bytes(2), bytes(2, 128), bytes(2, 1), bytes(3, 0),
    control({ ...joined, received: -1 }), control({ ...joined, received: 1.5 }), control({ ...joined, windowBytes: '1' }),
    control({ ...joined, key: '' }), control({ ...joined, peerId: 1 }), control({ ...joined, heartbeatMs: null })
  ]
  for (const message of broken) {
    const { link, socket, clock } = joinedMemoryLink(t)
    socket.brings(message)
    t.equal(link.state, 'failed', `<${Buffer.from(message).toString('hex')}>`)
    t.match(link.told.takeAll().at(-1), ['failed', { code: 1002 }])
    t.equal(socket.closedWith?.code, 1000, 'a page may not say 1002')
    t.equal(clock.timers, 0)
  }
  const backend = await FakeBackend.listen(t)
  const { link, far } = await joinedLink(t, backend)
  far.acknowledge(1)
  t.match(await link.hears('failed'), [{ code: 1002, reason: /never sent/ }])
  t.match(await far.closed, { code: 1002, reason: /never sent/ })
})

t.test('what is not known is passed over', async (t) => {
  const { link, socket } = joinedMemoryLink(t)
  socket.brings(bytes(4, 1, 2))
  socket.brings(bytes(255))
  for (const type of ['ping', 'recording', 'message', 'error', 'leave', 'join', 'constructor', '']) socket.control({ type })
  socket.control({ type: 'trunk', state: 'sideways' } as { type: string })
  t.same(link.told.takeAll(), [])
  t.equal(link.state, 'joined')
  socket.brings('and on')
  t.same(link.told.takeAll(), [['mediaEvent', 'and on']])
})
