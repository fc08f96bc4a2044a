import t from 'tap'
import { fakeFrame } from '../../lib/testing/index.js'
import { startEndpoint } from '../endpoint-server.js'
import { joinLink } from '../link-client.js'
import { startApp, startMediaServer } from '../support.js'
import type { TestApp } from '../support.js'

const BOUND = 200_000

async function until (isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
}

const stateOf = ({ app }: TestApp, peerId: string): string | undefined => app.trunkline.peers.get(peerId)?.state

t.test('all buffers together: at the bound nobody goes, above it whoever has most', async (t) => {
  const server = await startMediaServer(t)
  // Hooks that take their time hold what comes.
  const app = await startApp(t, server.options, { limits: { bufferedBytes: BOUND }, hooks: { onDownlink: async () => await new Promise(() => {}) } })
  const clients = new Map<string, Awaited<ReturnType<TestApp['join']>>>()
  const epochs = new Map<string, number>()
  for (const peerId of ['small', 'large']) {
    clients.set(peerId, await app.join({ roomId: 'r', peerId }))
    await until(() => stateOf(app, peerId) === 'joined')
    epochs.set(peerId, server.epoch)
  }
  const send = async (peerId: string, bytes: number, of: number): Promise<void> => {
    const { received } = counted()
    for (let i = 0; i < of; i++) server.send(fakeFrame('binary', Buffer.alloc(bytes), peerId, epochs.get(peerId)!))
    await until(() => app.app.trunkline.stats().shed > 0 || app.app.trunkline.stats().bufferedBytes >= received + of * (bytes + 64))
  }
  const counted = (): { received: number } => ({ received: app.app.trunkline.stats().bufferedBytes })
  // One that the hook has already is not counted.
  for (const peerId of ['small', 'large']) server.send(fakeFrame('binary', Buffer.alloc(1), peerId, epochs.get(peerId)!))
  await send('small', 936, 80)
  await send('large', 936, 120)
  t.equal(app.app.trunkline.stats().bufferedBytes, BOUND)
  t.same([stateOf(app, 'small'), stateOf(app, 'large')], ['joined', 'joined'])
  // Enough to be looked at again, and more than the bound.
  await send('small', 936, 4)
  t.match(await clients.get('large')!.closed, { code: 4008 })
  t.equal(stateOf(app, 'small'), 'joined')
  t.equal(app.app.trunkline.stats().shed, 1)
})

t.test('a session that waits for its client goes before anybody who is here', async (t) => {
  const server = await startMediaServer(t)
  const app = await startApp(t, server.options, { limits: { bufferedBytes: BOUND } })
  const { link, joined } = await joinLink(t, app, { roomId: 'r', peerId: 'away' })
  const away = server.epoch
  const here = await joinLink(t, app, { roomId: 'r', peerId: 'here' })
  await link.client.cut()
  await until(() => stateOf(app, 'away') === 'detached')
  server.send(...Array.from({ length: 250 }, () => fakeFrame('binary', Buffer.alloc(1_000), 'away', away)))
  await until(() => stateOf(app, 'away') === undefined)
  t.equal(stateOf(app, 'here'), 'joined')
  t.equal(app.app.trunkline.stats().bufferedBytes, 0)
  // The media server has been told, and whoever comes back begins anew.
  t.match(await server.receive('close', ({ peerId }) => peerId === 'away'), { body: { code: 4008 } })
  t.equal((await joinLink(t, app, { roomId: 'r', peerId: 'away' }, { peerId: 'away', key: joined.key, received: 0 })).joined.resumed, false)
  t.equal(here.joined.resumed, false)
})

t.test('what clients say while the trunk is down counts too', async (t) => {
  const server = await startMediaServer(t, { welcome: { resumeWindowMs: 30_000 }, windowBytes: 256 * 1024 })
  const app = await startApp(t, { ...server.options, retry: { baseMs: 60_000, maxMs: 60_000 } }, { limits: { bufferedBytes: BOUND, uplinkQueueBytes: BOUND } })
  const quiet = await app.join({ roomId: 'r', peerId: 'quiet' })
  const loud = await app.join({ roomId: 'r', peerId: 'loud' })
  await until(() => stateOf(app, 'quiet') === 'joined' && stateOf(app, 'loud') === 'joined')
  server.cut()
  await until(() => app.app.trunkline.trunk.state === 'down')
  quiet.send(Buffer.alloc(20_000))
  for (let i = 0; i < 190; i++) loud.send(Buffer.alloc(936))
  t.match(await loud.closed, { code: 4008, reason: 'too much is buffered' })
  t.equal(stateOf(app, 'quiet'), 'waiting')
})

t.test('the media server has such a bound too', async (t) => {
  const server = await startEndpoint(t, { bufferedBytes: BOUND })
  const app = await startApp(t, server.options)
  const { link } = await joinLink(t, app, { roomId: 'r', peerId: 'away' })
  const away = await server.peers.take()
  await joinLink(t, app, { roomId: 'r', peerId: 'here' })
  const here = await server.peers.take()
  await link.client.cut()
  await new Promise((resolve) => away.once('detach', () => resolve(null)))
  const size = 936
  while (server.endpoint.stats().bufferedBytes + size + 64 <= BOUND) away.send(Buffer.alloc(size))
  t.equal(server.endpoint.stats().bufferedBytes, BOUND)
  t.equal(away.isOver, false)
  for (let i = 0; i < 4; i++) here.send(Buffer.alloc(size))
  t.equal(away.isOver, true)
  t.equal(here.isOver, false)
  t.equal(server.endpoint.stats().shed, 1)
})
