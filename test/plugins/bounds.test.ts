import { once } from 'node:events'
import t from 'tap'
import { Reader, Writer } from '../../lib/protobuf.js'
import { controlMessage } from '../../lib/session/messages.js'
import { FakeClient, ManualClock, fakeFrame } from '../../lib/testing/index.js'
import type { UpgradeRefused } from '../../lib/testing/index.js'
import type { Frame } from '../../lib/trunk/schema.js'
import { startEndpoint } from '../endpoint-server.js'
import { LinkClient, joinLink } from '../link-client.js'
import { calls, startApp, startMediaServer, trunkState } from '../support.js'
import type { TestApp } from '../support.js'

// Of each: what happens at the bound, and one above it.

/** Beats that no test lives to see. */
const NEVER = { clientMs: 2 ** 31 - 1, trunkMs: 2 ** 31 - 1 }
/** One message a second, and three at once: so slow that every message counts. */
const slowly = { messagesPerSecond: 1, messageBurst: 3, pausedMs: 2_000 }

const turn = async (): Promise<void> => { await new Promise((resolve) => setImmediate(resolve)) }

async function until (isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn()
}

const stats = ({ app }: TestApp): ReturnType<typeof app.trunkline.stats> => app.trunkline.stats()

t.test('messages: the burst passes, one more is read and then the client is not until it has paid for it', async (t) => {
  const server = await startMediaServer(t)
  const clock = new ManualClock()
  const app = await startApp(t, server.options, { clock, heartbeat: NEVER, limits: slowly })
  const client = await app.join()
  const heard = async (): Promise<string> => (await server.receive('text')).body.toString()
  for (const event of ['1', '2', '3']) client.send(event)
  t.same([await heard(), await heard(), await heard()], ['1', '2', '3'])
  t.match(stats(app), { links: 1, throttled: 0, throttles: 0 })
  client.send('4')
  t.equal(await heard(), '4', 'what was read is not lost')
  t.match(stats(app), { throttled: 1, throttles: 1 })
  client.send('5')
  clock.advance(1_999)
  const [socket] = app.sockets
  t.equal(socket!.isPaused(), true)
  clock.advance(1)
  t.equal(await heard(), '5')
  t.equal(socket!.isPaused(), false)
  t.match(stats(app), { throttled: 0, throttles: 1 })
})

t.test('messages: nothing of a flood is lost, and it passes at the rate', async (t) => {
  const server = await startMediaServer(t)
  const clock = new ManualClock()
  const app = await startApp(t, server.options, { clock, heartbeat: NEVER, limits: { messagesPerSecond: 100, messageBurst: 10, pausedMs: 60_000 } })
  const client = await app.join()
  const began = clock.now()
  for (let i = 0; i < 1_000; i++) client.send(String(i))
  const heard: string[] = []
  const all = (async () => { while (heard.length < 1_000) heard.push((await server.receive('text')).body.toString()) })()
  while (heard.length < 1_000) {
    if (stats(app).throttled > 0) clock.advance(10)
    await turn()
  }
  await all
  t.same(heard, Array.from({ length: 1_000 }, (_, i) => String(i)))
  // What came in one read passed as it was, and is being paid for.
  while (stats(app).throttled > 0) clock.advance(10)
  t.ok(clock.now() - began >= 9_900, `${clock.now() - began} ms`)
})

t.test('messages: whoever has to wait for as long as there may be goes on, a millisecond longer is 4429 and the end of the session', async (t) => {
  const server = await startEndpoint(t)
  const clock = new ManualClock()
  const left = calls(1)
  const app = await startApp(t, server.options, { clock, heartbeat: NEVER, limits: slowly, hooks: { onPeerLeave: left.fn } })
  const { link } = await joinLink(t, app, { roomId: 'room', peerId: 'p' })
  const peer = await server.peers.take()
  const over = once(peer, 'close')
  let heard = 0
  peer.on('mediaEvent', () => heard++)
  // What it acknowledges counts, and what is passed over, as its events do.
  link.ack(0)
  link.control({ type: 'of a later version' })
  for (const event of ['1', '2']) link.event(event)
  await until(() => heard === 2)
  t.match(stats(app), { throttled: 1 })
  clock.advance(2_000)
  t.match(stats(app), { throttled: 0, peers: 1 }, 'two seconds within a minute')
  // There is one, and the next has to be waited for.
  link.event('3')
  link.event('4')
  await until(() => heard === 4)
  t.match(stats(app), { throttled: 1, peers: 1 })
  clock.advance(1)
  t.same(await link.closed, { code: 4429, reason: 'too many messages' })
  t.match(await left.seen, [[{ id: 'p' }, { code: 4429, cause: 'too many' }]])
  t.match(await over, [{ code: 4429 }])
  t.match(stats(app), { peers: 0, throttled: 0, throttles: 2, left: { 'too many': 1 } })
})

t.test('messages: a Fishjam client hears it in the words that it stops at', async (t) => {
  const server = await startMediaServer(t)
  const clock = new ManualClock()
  const app = await startApp(t, server.options, { clock, heartbeat: NEVER, limits: slowly })
  const client = await FakeClient.connect(`${app.base}/socket/peer/websocket`)
  t.teardown(() => client.cut())
  client.send(new Writer().bytes(2, new Writer().bytes(1, Buffer.from('{"roomId":"room"}')).finish()).finish())
  const authenticated = new Reader((await client.receive()).data)
  t.ok(authenticated.next() && authenticated.field === 1)
  // Reports, which nobody waits for, count too.
  for (let i = 0; i < 6; i++) client.send(new Writer().bytes(4, Buffer.from('{}')).finish())
  await until(() => stats(app).throttled === 1)
  clock.advance(2_001)
  t.same(await client.closed, { code: 1000, reason: 'peer not found' })
  t.match(await server.receive('close'), { body: { code: 4429 } })
})

t.test('messages: a client that waits for a hook is not kept waiting for its own sake', async (t) => {
  const server = await startMediaServer(t)
  const clock = new ManualClock()
  const releases: Array<() => void> = []
  const app = await startApp(t, server.options, {
    clock,
    heartbeat: NEVER,
    limits: { ...slowly, uplinkQueueBytes: 10, hookMs: 1_000_000 },
    hooks: { onUplink: async () => await new Promise<void>((resolve) => releases.push(resolve)) }
  })
  const client = await app.join()
  for (const event of ['1', '2', '3']) client.send(event)
  await until(() => releases.length === 1 && [...app.sockets].some((socket) => socket.isPaused()))
  clock.advance(20_000)
  t.match(stats(app), { links: 1, peers: 1, throttled: 0, throttles: 0 })
  for (let i = 0; i < 3; i++) {
    await until(() => releases.length === i + 1)
    releases[i]!()
  }
  for (const event of ['1', '2', '3']) t.equal((await server.receive('text')).body.toString(), event)
})

t.test('before it is let in: a join may come within its time, and in so many bytes', async (t) => {
  const server = await startMediaServer(t)
  const clock = new ManualClock()
  const app = await startApp(t, server.options, { clock, heartbeat: NEVER })
  const late = await LinkClient.connect(app)
  const tooLate = await LinkClient.connect(app)
  t.teardown(() => late.client.cut())
  clock.advance(4_999)
  await late.join()
  clock.advance(1)
  t.equal((await tooLate.closed).code, 1013)

  const join = { type: 'join', id: 1, version: 1, token: '{"roomId":"room"}', more: '' }
  const room = 16 * 1024 - controlMessage(join as { type: 'leave' }).length
  const largest = await LinkClient.connect(app)
  t.teardown(() => largest.client.cut())
  largest.control({ ...join, more: 'x'.repeat(room) })
  await largest.heard('joined')
  const larger = await LinkClient.connect(app)
  larger.control({ ...join, more: 'x'.repeat(room + 1) })
  t.equal((await larger.closed).code, 1009)
})

t.test('authenticate may take so long', async (t) => {
  const server = await startMediaServer(t)
  const clock = new ManualClock()
  const answers: Array<() => void> = []
  const app = await startApp(t, server.options, {
    clock,
    heartbeat: NEVER,
    authenticate: async () => {
      await new Promise<void>((resolve) => answers.push(resolve))
      return { roomId: 'room' }
    }
  })
  const outcome = app.join().then(() => 'in', ({ statusCode }: UpgradeRefused) => statusCode)
  await until(() => answers.length === 1)
  clock.advance(4_999)
  answers[0]!()
  t.equal(await outcome, 'in')
  const late = app.join().then(() => 'in', ({ statusCode }: UpgradeRefused) => statusCode)
  await until(() => answers.length === 2)
  clock.advance(5_000)
  answers[1]!()
  t.equal(await late, 503)
})

// What waits counts for its bytes and 64 more: two of 100 bytes fit.
const two = 2 * 164

t.test('what waits for a hook on its way up: at the bound the client is read on, beyond it is not', async (t) => {
  const server = await startMediaServer(t)
  const releases: Array<() => void> = []
  const app = await startApp(t, server.options, {
    heartbeat: NEVER,
    limits: { uplinkQueueBytes: two },
    hooks: { onUplink: async () => await new Promise<void>((resolve) => releases.push(resolve)) }
  })
  const client = await app.join()
  const [socket] = app.sockets
  client.send('the hook has it')
  await until(() => releases.length === 1)
  client.send('x'.repeat(100))
  client.send('x'.repeat(100))
  await isRead(client)
  t.equal(socket!.isPaused(), false)
  client.send('')
  await until(() => socket!.isPaused())
  for (let i = 0; i < 4; i++) {
    await until(() => releases.length === i + 1)
    releases[i]!()
  }
  await isRead(client)
  for (let i = 0; i < 4; i++) await server.receive('text')
})

t.test('what waits for a hook on its way down: at the bound the client stays, beyond it is 4008', async (t) => {
  const server = await startMediaServer(t)
  let release = (): void => {}
  const held = new Promise<void>((resolve) => { release = resolve })
  const app = await startApp(t, server.options, { heartbeat: NEVER, limits: { downlinkQueueBytes: two }, hooks: { onDownlink: async () => await held } })
  const client = await app.join({ roomId: 'room', peerId: 'p' })
  await until(() => app.app.trunkline.peers.get('p')?.state === 'joined')
  const event = (bytes: number): Frame => fakeFrame('binary', Buffer.alloc(bytes), 'p', server.epoch)
  server.send(event(1), event(100), event(100), fakeFrame('notification', notice, 'p'))
  await server.receive('done')
  t.match(stats(app), { peers: 1 })
  server.send(event(0))
  t.same(await client.closed, { code: 4008, reason: 'too slow' })
  release()
})

t.test('what waits for a trunk that is down: at the bound a plain client is read on, beyond it is not', async (t) => {
  const server = await startMediaServer(t, { welcome: { resumeWindowMs: 30_000 }, windowBytes: 100_000 })
  const app = await startApp(t, { ...server.options, retry: { baseMs: 300, maxMs: 300 } }, { heartbeat: NEVER, limits: { uplinkQueueBytes: two } })
  server.onOpen = (open, trunk) => trunk.send(server.answer(open, { resumed: open.body.key !== '', key: 'key' }))
  const client = await app.join({ roomId: 'room', peerId: 'p' })
  await until(() => app.app.trunkline.peers.get('p')?.state === 'joined')
  const [socket] = app.sockets
  const down = trunkState(app.app, 'down')
  server.cut()
  await down
  client.send('1'.repeat(100))
  client.send('2'.repeat(100))
  await isRead(client)
  t.equal(socket!.isPaused(), false)
  client.send('3')
  await until(() => socket!.isPaused())
  client.send('4')
  for (const event of ['1', '2', '3', '4']) t.equal((await server.receive('text')).body.toString()[0], event)
})

const notice = { id: 'n', roomId: 'room', peerId: '', type: 'behind', payload: 'null', atMs: 0, recording: null }

/** What it has sent before was read, once it hears its pong. */
async function isRead ({ socket }: FakeClient): Promise<void> {
  const pong = once(socket, 'pong')
  socket.ping()
  await pong
}
