import { once } from 'node:events'
import t from 'tap'
import { fakeFrame } from '../../lib/testing/index.js'
import { startEndpoint } from '../endpoint-server.js'
import { LinkClient, joinLink } from '../link-client.js'
import { calls, startApp, startMediaServer, trunkState } from '../support.js'
import type { TestApp } from '../support.js'

// Of what sessions may keep: what happens at the bound, and one above it.

/** Beats that no test lives to see. */
const NEVER = { clientMs: 2 ** 31 - 1, trunkMs: 2 ** 31 - 1 }

const turn = async (): Promise<void> => { await new Promise((resolve) => setImmediate(resolve)) }

async function until (isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn()
}

/** Nobody else's sessions count with it. */
const SUBJECT = { roomId: 'room', subject: 'user' }

const stats = ({ app }: TestApp): ReturnType<typeof app.trunkline.stats> => app.trunkline.stats()

for (const kind of ['holds sessions', 'leaves them to the backend'] as const) {
  t.test(`detached sessions, where the media server ${kind}: three of one subject are held, for a fourth the oldest ends`, async (t) => {
    const server = kind === 'holds sessions' ? await startEndpoint(t) : await startMediaServer(t)
    const left = calls(1)
    const app = await startApp(t, server.options, { heartbeat: NEVER, hooks: { onPeerLeave: left.fn } })
    const lost = async (identity: unknown, count: number) => {
      const { link, joined } = await joinLink(t, app, identity)
      await link.client.cut()
      await until(() => stats(app).detached === count)
      return joined
    }
    const first = await lost(SUBJECT, 1)
    const second = await lost(SUBJECT, 2)
    await lost(SUBJECT, 3)
    await lost({ roomId: 'room', subject: 'somebody else' }, 4)
    t.match(stats(app), { peers: 4, detached: 4, evicted: 0 })
    const { link } = await joinLink(t, app, SUBJECT)
    t.match(stats(app), { peers: 5, detached: 4, evicted: 0 }, 'who has a link is not counted')
    await link.client.cut()
    t.match(await left.seen, [[{ id: first.peerId }, { code: 4410, cause: 'too many' }]])
    t.match(stats(app), { peers: 4, detached: 4, evicted: 1 })
    if ('endpoint' in server) await until(() => server.endpoint.peer(first.peerId) === undefined)
    else t.match(await server.receive('close'), { peerId: first.peerId, body: { code: 4410 } })

    // Its client is told to begin anew; the others go on, and make room.
    const back = await LinkClient.connect(app)
    back.ask(SUBJECT, { peerId: first.peerId, key: first.key, received: 0 })
    t.equal((await back.closed).code, 4001)
    const again = await joinLink(t, app, SUBJECT, { peerId: second.peerId, key: second.key, received: 0 })
    t.equal(again.joined.resumed, true)
    t.match(stats(app), { detached: 3, evicted: 1 })
    await lost(SUBJECT, 4)
    t.match(stats(app), { detached: 4, evicted: 1 })
  })
}

t.test('detached sessions: those of one subject count together, whatever was shown', async (t) => {
  const server = await startEndpoint(t)
  const app = await startApp(t, server.options, { heartbeat: NEVER, limits: { detachedPeers: 1 } })
  for (const shown of ['one', 'two']) {
    const { link } = await joinLink(t, app, { roomId: 'room', subject: 'user', shown })
    await link.client.cut()
    await until(() => stats(app).detached === 1 && [...app.app.trunkline.peers].every(({ state }) => state === 'detached'))
  }
  t.match(stats(app), { peers: 1, evicted: 1 })
})

t.test('detached sessions: where the app does not say whose they are, all are held, since all of a room may share a token', async (t) => {
  const server = await startEndpoint(t)
  const app = await startApp(t, server.options, { heartbeat: NEVER, limits: { detachedPeers: 1 } })
  for (let n = 1; n <= 5; n++) {
    const { link } = await joinLink(t, app)
    await link.client.cut()
    await until(() => stats(app).detached === n)
  }
  t.match(stats(app), { peers: 5, evicted: 0 })
})

t.test('detached sessions: of one that ends while the trunk is down the media server is told when it is back', async (t) => {
  const server = await startMediaServer(t, { welcome: { resumeWindowMs: 30_000 }, windowBytes: 1_000 })
  const app = await startApp(t, { ...server.options, retry: { baseMs: 300, maxMs: 300 } }, { heartbeat: NEVER, limits: { detachedPeers: 1 } })
  const one = await joinLink(t, app, SUBJECT)
  const two = await joinLink(t, app, SUBJECT)
  const down = trunkState(app.app, 'down')
  server.cut()
  await down
  await one.link.client.cut()
  await until(() => stats(app).detached === 1)
  await two.link.client.cut()
  await until(() => stats(app).evicted === 1)
  t.match(await server.receive('leave'), { peerId: one.joined.peerId, body: { key: one.joined.key, code: 4410 } })
})

// An event counts for its bytes and 64 more.
const windows = [
  { resume: { windowBytes: 3 * 164 }, of: 'bytes', fit: 3 },
  { resume: { windowBytes: 3 * 164 - 1 }, of: 'bytes', fit: 2 },
  { resume: { windowEvents: 3 }, of: 'events', fit: 3 },
  { resume: { windowEvents: 2 }, of: 'events', fit: 2 }
]

for (const { resume, fit } of windows) {
  t.test(`a session that is held here, ${JSON.stringify(resume)}: ${fit} of 100 bytes are under way, and the rest waits`, async (t) => {
    const server = await startMediaServer(t)
    const app = await startApp(t, server.options, { heartbeat: NEVER, resume })
    const { link, joined } = await joinLink(t, app, { roomId: 'room', peerId: 'p' })
    t.equal(joined.windowBytes, resume.windowBytes ?? 256 * 1024)
    const events = ['1', '2', '3', '4']
    server.send(...events.map((event) => fakeFrame('text', Buffer.from(event.padEnd(100)), 'p', server.epoch)))
    for (const event of events.slice(0, fit)) t.equal((await link.text()).trim(), event)
    await nothingMore(t, link)
    link.ack(1)
    t.equal((await link.text()).trim(), events[fit])
    link.ack(fit + 1)
    for (const event of events.slice(fit + 1)) t.equal((await link.text()).trim(), event)
  })
}

for (const { resume, of, fit } of windows) {
  t.test(`a client without an end of its own, ${JSON.stringify(resume)}: ${of === 'events' ? fit : 'what the media server allows'} is under way, and the rest waits`, async (t) => {
    const windowBytes = resume.windowBytes ?? 100_000
    const server = await startMediaServer(t, { welcome: { resumeWindowMs: 30_000 }, windowBytes })
    const app = await startApp(t, server.options, { heartbeat: NEVER, resume })
    const client = await app.join({ roomId: 'room', peerId: 'p' })
    const events = ['1', '2', '3', '4']
    for (const event of events) client.send(event.padEnd(100))
    const heard = async (): Promise<string> => (await server.receive('text')).body.toString().trim()
    for (const event of events.slice(0, fit)) t.equal(await heard(), event)
    // It has something for all the others: what the media server is told of one who comes now, is behind all that was sent.
    const other = await app.join({ roomId: 'room', peerId: 'other' })
    await server.receive('open', ({ peerId }) => peerId === 'other')
    t.same(server.takeAll().filter(({ kind }) => kind === 'text'), [])
    server.send(fakeFrame('ack', 1, 'p', server.epoch - 1))
    t.equal(await heard(), events[fit])
    await other.cut()
  })
}

t.test('a client without an end of its own waits where its end has no room for all that the media server allows', async (t) => {
  const server = await startMediaServer(t, { welcome: { resumeWindowMs: 30_000 }, windowBytes: 64 * 1024 * 1024 })
  const app = await startApp(t, server.options, { heartbeat: NEVER })
  const client = await app.join({ roomId: 'room', peerId: 'p' })
  const events = Array.from({ length: 40 }, (_, i) => String(i).padEnd(100_000))
  for (const event of events) client.send(event)
  for (const [i, event] of events.entries()) {
    t.equal((await server.receive('text')).body.toString(), event)
    if (i % 5 === 4) server.send(fakeFrame('ack', i + 1, 'p', server.epoch))
  }
})

/** What was written to a client before its pong, it has heard by then. */
async function nothingMore (t: { same (found: unknown, wanted: unknown): boolean }, link: LinkClient): Promise<void> {
  const { socket } = link.client
  const pong = once(socket, 'pong')
  socket.ping()
  await pong
  t.same(link.rest().filter(({ kind }) => kind === 'event'), [])
}
