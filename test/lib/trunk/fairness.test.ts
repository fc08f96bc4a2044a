import t from 'tap'
import { fakeFrame } from '../../../lib/testing/index.js'
import { protobufCodec } from '../../../lib/trunk/frames.js'
import { frame } from '../../../lib/trunk/schema.js'
import { startApp, startMediaServer } from '../../support.js'
import { serve } from './hand-driven.js'
import type { Backend } from './hand-driven.js'

const KiB = 1024
const WINDOW = 64 * KiB

const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve))

t.test('the media server sends a backend no more than it gives credit for, and each peer its share', async (t) => {
  const { backend, peers } = await serve(t, { trunkWindowBytes: 256 * KiB })
  const it = await backend({ windowBytes: WINDOW })
  const read = bytesRead(it)
  await it.open('flooded')
  const flooded = await peers.take()
  await it.open('other')
  const other = await peers.take()
  let sent = 0
  while (flooded.send(Buffer.alloc(2_000, sent))) sent++
  for (let i = 0; i < 30; i++) flooded.send(Buffer.alloc(2_000, sent++))
  await turn()
  other.send('hello')
  while (read() < WINDOW) t.equal((await it.receive('binary')).peerId, 'flooded')
  it.rest()
  it.send(frame('credit', 16 * KiB))
  t.equal((await it.receive('text')).peerId, 'other')
  t.ok(it.rest().length <= 8, 'not behind what was there before it')
  t.ok(read() <= WINDOW + 16 * KiB + 2_100, `${read()} bytes`)
})

t.test('the backend sends a media server no more than it gives credit for, and each peer its share', async (t) => {
  const server = await startMediaServer(t, { welcome: { windowBytes: WINDOW } })
  const { app, join } = await startApp(t, server.options, { limits: { messagesPerSecond: 100_000, messageBurst: 100_000 } })
  const trunk = await server.nextTrunk()
  const flooder = await join({ roomId: 'r', peerId: 'flooder' })
  const other = await join({ roomId: 'r', peerId: 'other' })
  for (let i = 0; i < 200; i++) flooder.send(Buffer.alloc(2_000))
  const { trunk: stats } = app.trunkline.stats()
  t.equal(stats.windowBytes, WINDOW)
  while (app.trunkline.stats().trunk.waitingBytes < 64 * KiB) await turn()
  t.ok(app.trunkline.stats().trunk.underWayBytes <= WINDOW + 2_100)
  other.send('hello')
  while (app.trunkline.stats().trunk.waitingPeers < 2) await turn()
  const before = server.takeAll()
  t.ok(before.length <= WINDOW / 2_000 + 4)
  // From now on it takes everything in; what was sent before stays under way.
  const order: string[] = []
  trunk.socket.on('message', (data) => {
    order.push(...protobufCodec.decode(data as Buffer).map(({ peerId }) => peerId))
    trunk.send(fakeFrame('credit', (data as Buffer).length))
  })
  trunk.send(fakeFrame('credit', 16 * KiB))
  t.equal((await server.receive('text')).peerId, 'other')
  const meanwhile = server.takeAll()
  t.ok(order.indexOf('other') <= 8, 'not behind what was there before it')
  // And the flooder, who was not read meanwhile, loses nothing.
  const isEvent = ({ kind }: { kind: string }): boolean => kind === 'binary'
  for (let n = [...before, ...meanwhile].filter(isEvent).length; n < 200; n++) await server.receive('binary')
  t.equal(app.trunkline.stats().trunk.waitingBytes, 0)
})

t.test('credit for more than was sent closes the trunk, on either side', async (t) => {
  const { backend } = await serve(t)
  const it = await backend({ windowBytes: WINDOW })
  it.send(frame('credit', 1_000_000))
  t.same(await it.closed, { code: 1002, reason: 'credit for more than was sent' })

  const server = await startMediaServer(t, { welcome: { windowBytes: WINDOW } })
  await startApp(t, server.options)
  const trunk = await server.nextTrunk()
  trunk.send(fakeFrame('credit', 1_000_000))
  t.same(await trunk.closed, { code: 1002, reason: 'credit for more than was sent' })
})

t.test('a side that gives no credit is sent everything, and one with a window that is too small is given a larger one', async (t) => {
  for (const windowBytes of [0, 1]) {
    const { backend, peers } = await serve(t)
    const it = await backend({ windowBytes })
    await it.open('p')
    const peer = await peers.take()
    for (let i = 0; i < 60; i++) peer.send(Buffer.alloc(1_000))
    for (let i = 0; i < 60; i++) await it.receive('binary')
    t.equal(peer.isAttached, true)
  }
})

function bytesRead (backend: Backend): () => number {
  let bytes = 0
  backend.socket.on('message', (data) => { bytes += (data as Buffer).length })
  return () => bytes
}

t.test('where more waits for a trunk than it may, what is sent stays in its session: nothing is lost or counted as sent', async (t) => {
  const { backend, peers } = await serve(t, { queueBytes: 50_000 })
  const it = await backend({ windowBytes: WINDOW })
  let owed = 0
  let gives = false
  const give = (): void => {
    if (gives && owed > 0) it.send(frame('credit', owed))
    if (gives) owed = 0
  }
  it.socket.on('message', (data) => {
    owed += (data as Buffer).length
    give()
  })
  for (let i = 0; i < 20; i++) await it.open(`p${i}`, { id: i + 1 })
  const all = await Promise.all(Array.from({ length: 20 }, async () => await peers.take()))
  for (const peer of all) for (const text of ['one', 'two']) peer.send(text.padEnd(30_000, '.'))
  // Far more than four times the bound: the rest has been waiting in the sessions.
  gives = true
  give()
  const heard = new Map<string, string[]>()
  for (let n = 0; n < 40; n++) {
    const { peerId, body } = await it.receive('text')
    heard.set(peerId, [...heard.get(peerId) ?? [], body.toString().replaceAll('.', '')])
  }
  t.equal(heard.size, 20)
  t.ok([...heard.values()].every((texts) => texts.join() === 'one,two'))
})
