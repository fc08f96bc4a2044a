import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Clock } from '../../../lib/client/index.js'
import { CloseCode, Link, mayReconnect } from '../../../lib/client/index.js'
import { ManualClock } from '../../../lib/testing/index.js'
import { admit, asked, joinedMemoryLink, memoryLink, memorySockets } from './memory-socket.js'
import { FakeBackend, FakeNetwork, linkTo } from './support.js'

t.test('every close code is acted upon as its range advises', async (t) => {
  const all = [...Object.values(CloseCode), 1003, 1005, 1006, 1008, 3000, 4002, 4399, 4400, 4999].filter((code) => code !== CloseCode.mediaServerReset)
  for (const code of all) {
    const { link, sockets, socket, clock } = joinedMemoryLink(t, { token: 'mine' })
    socket.closes(code, 'because')
    if (mayReconnect(code)) {
      t.equal(link.state, 'reinitializing', `${code}`)
      clock.advance(100)
      t.ok(admit(sockets[1]).resume)
      t.equal(link.state, 'joined')
    } else {
      t.same(link.told.takeAll(), [['state', 'failed', 'joined'], ['failed', { code, reason: 'because' }]])
      t.equal(clock.timers, 0)
      clock.advance(100_000)
      t.equal(sockets.length, 1)
      t.throws(() => link.join(), { code: 'TRK_LINK_OVER' })
      t.throws(() => link.send('x'), { code: 'TRK_LINK_OVER' })
      t.same([link.peerId, link.roomId], [null, null])
    }
  }
})

t.test('a first attempt that fails is tried again, with growing patience that starts anew once joined', async (t) => {
  const attempts: number[] = []
  const { link, sockets, clock } = memoryLink(t, { reconnect: { delayMs: (attempt) => { attempts.push(attempt); return attempt < 4 ? 1000 : null } } })
  link.join()
  for (let i = 0; i < 3; i++) {
    sockets[i]!.closes(1006)
    t.equal(link.state, 'initializing')
    clock.advance(999)
    t.equal(sockets.length, i + 1)
    clock.advance(1)
    t.equal(sockets.length, i + 2)
  }
  t.equal(admit(sockets[3]).id, 4, 'each asking has a number of its own')
  sockets[3]!.closes(1012)
  t.same(attempts, [0, 1, 2, 0])
  for (let i = 4; i < 8; i++) {
    clock.advance(1000)
    sockets[i]!.closes(1013, 'try again later')
  }
  t.same(attempts, [0, 1, 2, 0, 1, 2, 3, 4])
  t.same(link.told.takeAll().at(-1), ['failed', { code: 1013, reason: 'try again later' }])
})

t.test('by default it comes back for as long as it takes, within 5 s', async (t) => {
  const { sockets, WebSocket } = memorySockets()
  const clock = new ManualClock()
  const link = new Link({ url: 'ws://host', clock, WebSocket, network: new FakeNetwork() })
  t.teardown(() => link.destroy())
  link.join()
  for (let i = 0; i < 40; i++) {
    sockets[i]!.closes(1006)
    clock.advance(5_000)
    t.equal(sockets.length, i + 2)
  }
})

t.test('an answer that does not come in time costs the attempt', async (t) => {
  const { link, sockets, clock } = memoryLink(t, { answerMs: 3_000 })
  link.join()
  clock.advance(3_000)
  t.equal(sockets[0]!.closedWith?.code, 4005, 'one that does not even open is let go')
  clock.advance(100)
  sockets[1]!.opens()
  sockets[1]!.control({ type: 'ping' })
  clock.advance(2_999)
  t.equal(sockets[1]!.closedWith, null)
  clock.advance(1)
  t.equal(sockets[1]!.closedWith?.code, 4005)
  clock.advance(100)
  admit(sockets[2])
  clock.advance(9_000)
  t.equal(link.state, 'joined', 'the deadline is over once answered')
  sockets[2]!.control({ type: 'rejoin', reason: 'trunk' })
  clock.advance(2_000)
  sockets[2]!.control({ type: 'rejoin', reason: 'trunk' })
  clock.advance(2_999)
  t.equal(sockets[2]!.closedWith, null, 'each asking has the whole time')
  clock.advance(1)
  t.equal(sockets[2]!.closedWith?.code, 4005)
  t.equal(link.state, 'reinitializing')
})

t.test('silence of two beats and a half: the link is dead', async (t) => {
  const { link, sockets, socket, clock } = joinedMemoryLink(t, {}, { heartbeatMs: 1_000 })
  for (const life of [() => socket.control({ type: 'ping' }), () => socket.brings('text'), () => socket.brings(new Uint8Array([3])), () => socket.brings(new Uint8Array([77]))]) {
    clock.advance(2_499)
    life()
  }
  clock.advance(2_499)
  t.equal(link.state, 'joined')
  clock.advance(1)
  t.equal(link.state, 'reinitializing')
  t.equal(socket.closedWith?.code, 4005)
  t.equal(sockets.length, 1)
  clock.advance(100)
  t.ok(admit(sockets[1], { heartbeatMs: 0 }).resume)
  clock.advance(1_000_000)
  t.equal(link.state, 'joined', 'a backend that promises no beat is not held to one')
})

t.test('a beat that is slower than any timer does not make one that never rests', async (t) => {
  let now = 0
  let longest = 0
  const { link } = joinedMemoryLink(t, {
    clock: { now: () => now++, after: (ms) => { longest = Math.max(longest, ms); return { cancel () {} } }, every: () => ({ cancel () {} }) }
  }, { heartbeatMs: Number.MAX_SAFE_INTEGER })
  t.equal(link.state, 'joined')
  t.ok(longest > 10_000 && longest < 2 ** 31)
})

t.test('a page that is seen again looks back at once', async (t) => {
  const manual = new ManualClock()
  // Timers stand still while a computer sleeps, and time does not.
  let slept = 0
  const clock: Clock = { now: () => manual.now() + slept, after: (ms, fn) => manual.after(ms, fn), every: (ms, fn) => manual.every(ms, fn) }
  for (const sleep of [25_001, -3_600_000]) {
    slept = 0
    const { link, sockets, socket, network } = joinedMemoryLink(t, { clock, reconnect: { delayMs: () => 100_000 } }, { heartbeatMs: 10_000 })
    network.show()
    t.equal(link.state, 'joined')
    slept = sleep
    network.show()
    t.equal(link.state, 'reinitializing')
    t.equal(socket.closedWith?.code, 4005)
    t.equal(sockets.length, 2, 'and does not wait for the retry')
  }
})

t.test('a retry that waits is made at once when the page is seen or the network is back', async (t) => {
  const { link, sockets, socket, network, clock } = joinedMemoryLink(t, { reconnect: { delayMs: () => 60_000 } })
  socket.closes(1006)
  network.show()
  t.equal(sockets.length, 2)
  sockets[1]!.closes(1006)
  network.turn(true)
  t.equal(sockets.length, 3)
  network.show()
  t.equal(sockets.length, 3, 'one that is under way is left alone')
  admit(sockets[2])
  clock.advance(9_000)
  sockets[2]!.control({ type: 'ping' })
  clock.advance(60_000 - 9_000 - 36_001)
  t.equal(sockets.length, 3, 'and the retry that was waited for is not made a second time')
  t.equal(link.state, 'joined')
})

t.test('offline while joined: it waits for the network, and goes on with another socket', async (t) => {
  const { link, sockets, socket, network, clock } = joinedMemoryLink(t)
  link.send('one')
  network.turn(false)
  t.equal(link.state, 'waitingNetwork')
  t.equal(socket.closedWith?.code, 4005)
  link.send('two')
  clock.advance(1_000_000)
  network.show()
  t.equal(sockets.length, 1)
  t.equal(clock.timers, 0)
  network.turn(true)
  t.equal(link.state, 'reinitializing')
  sockets[1]!.opens()
  t.ok(asked(sockets[1]).resume)
  t.same(link.told.takeAll(), [['state', 'waitingNetwork', 'joined'], ['state', 'reinitializing', 'waitingNetwork']])
})

t.test('a socket that is lost where there is no network: it waits for that', async (t) => {
  const { link, sockets, socket, network, clock } = joinedMemoryLink(t)
  network.online = false
  socket.closes(1006)
  t.equal(link.state, 'waitingNetwork')
  t.equal(clock.timers, 0)
  network.turn(true)
  t.equal(sockets.length, 2)
})

t.test('offline while it asks only holds the next attempt back', async (t) => {
  const { link, sockets, network, clock } = memoryLink(t)
  network.online = false
  link.join()
  t.equal(link.state, 'initializing')
  clock.advance(100_000)
  t.equal(sockets.length, 0)
  network.turn(true)
  t.equal(sockets.length, 1)
  network.turn(false)
  t.equal(sockets[0]!.closedWith, null, 'the attempt that is under way may still come to something')
  sockets[0]!.closes(1006)
  clock.advance(100_000)
  network.show()
  t.equal(sockets.length, 1)
  t.equal(link.state, 'initializing')
  network.turn(true)
  t.equal(sockets.length, 2)
  admit(sockets[1])
  sockets[1]!.control({ type: 'rejoin', reason: 'trunk' })
  network.turn(false)
  t.equal(link.state, 'reinitializing')
  admit(sockets[1])
  t.equal(link.state, 'joined')
})

t.test('nothing late is heard from a socket that was let go', async (t) => {
  const { link, sockets, socket, network } = joinedMemoryLink(t)
  network.turn(false)
  network.turn(true)
  link.told.takeAll()
  const join = { type: 'join', id: 2, version: 1 } as const
  const late = (): void => {
    socket.brings('late')
    socket.brings(new Uint8Array([2, 200, 1]))
    socket.control({ ...join, type: 'joined' })
    socket.control({ type: 'rejoin', reason: 'trunk' })
    socket.closes(4403, 'late')
  }
  late()
  t.equal(link.state, 'reinitializing')
  admit(sockets[1])
  late()
  t.equal(link.state, 'joined')
  t.equal(sockets.length, 2)
  t.same(link.told.takeAll().map(([name]) => name), ['state', 'joined'])
})

t.test('a real socket that is let go while it opens disturbs nobody', async (t) => {
  // It takes connections and never answers the upgrade.
  const silent = createServer()
  const taken = new Promise<void>((resolve) => silent.on('connection', (socket) => {
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    resolve()
  }))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  t.teardown(() => silent.close())
  const clock = new ManualClock()
  const link = linkTo(t, { url: `ws://127.0.0.1:${(silent.address() as AddressInfo).port}` }, { clock, reconnect: { delayMs: () => 100 } })
  link.join()
  await taken
  clock.advance(10_000)
  t.equal(link.state, 'initializing')
  clock.advance(100)
  link.destroy()
  t.equal(clock.timers, 0)
  await new Promise((resolve) => setImmediate(resolve))
})

t.test('a backend that is not there yet is waited for', async (t) => {
  const backend = await FakeBackend.listen(t)
  const refused = await FakeBackend.listen(t)
  const { url } = refused
  await refused.close()
  let attempts = 0
  const link = linkTo(t, { url }, { reconnect: { delayMs: (attempt) => { attempts = attempt; return attempt < 3 ? 0 : null } } })
  link.join()
  t.match(await link.hears('failed'), [{ code: 1006 }])
  t.equal(attempts, 3)
  t.equal(backend.most, 0)
})
