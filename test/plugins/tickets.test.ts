import { EventEmitter, once } from 'node:events'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import t from 'tap'
import { WebSocket } from 'ws'
import { Link } from '../../lib/client/index.js'
import { BYTES, Reader, Writer } from '../../lib/protobuf.js'
import { FakeClient, ManualClock } from '../../lib/testing/index.js'
import type { TicketStore } from '../../lib/tickets/store.js'
import trunkline, { tickets } from '../../plugins/trunkline.js'
import type { Tickets } from '../../plugins/trunkline.js'
import { startEndpoint } from '../endpoint-server.js'
import { LinkClient } from '../link-client.js'
import { startApp, startMediaServer } from '../support.js'
import type { TestApp, TestOptions } from '../support.js'

const SECRET = 'a secret of at least 32 bytes, for tests'
// Time is moved without giving pongs time to come.
const heartbeat = { clientMs: 2 ** 31 - 1, trunkMs: 2 ** 31 - 1 }

type Tap = Parameters<typeof startApp>[0]

async function startWithTickets (t: Tap, options: TestOptions = {}, auth: Tickets = tickets({ secret: SECRET })): Promise<TestApp & { trunkline: FastifyInstance['trunkline'] }> {
  const server = await startEndpoint(t, { heartbeatMs: heartbeat.trunkMs })
  const test = await startApp(t, server.options, { authenticate: auth, heartbeat, ...options })
  return { ...test, trunkline: test.app.trunkline }
}

async function plain (t: Tap, { base }: TestApp, token: string): Promise<FakeClient> {
  const client = await FakeClient.connect(`${base}/signaling?token=${token}`)
  t.teardown(() => client.cut())
  return client
}

const joined = async ({ app }: TestApp, peerId: string): Promise<void> => { while (app.trunkline.peers.get(peerId)?.state !== 'joined') await new Promise((resolve) => setImmediate(resolve)) }

/** A Fishjam client as far as its first answer: whether it was let in, or with which reason it was closed. */
async function fishjam (t: Tap, base: string, token: string): Promise<string> {
  const client = await FakeClient.connect(`${base}/socket/peer/websocket`)
  t.teardown(() => client.cut())
  client.send(new Writer().bytes(2, new Writer().bytes(1, Buffer.from(token)).finish()).finish())
  const answer = await Promise.race([client.receive().catch(() => null), client.closed.then(() => null)])
  if (answer === null) return (await client.closed).reason
  const reader = new Reader(answer.data)
  return reader.next() && reader.field === 1 && reader.wireType === BYTES ? 'authenticated' : 'something else'
}

/** A link of the client, and what it tells. */
function linkWith (t: Tap, url: string, token: string | (() => Promise<string>)): { link: Link, events: EventEmitter } {
  const events = new EventEmitter()
  const link = new Link({ url, token, WebSocket, reconnect: { delayMs: () => 5 } })
  for (const name of ['joined', 'failed'] as const) link.on(name, (said: object) => events.emit(name, said))
  t.teardown(async () => { await link.leave() })
  return { link, events }
}

t.test('a plain client comes in by its ticket, as who it is, and comes back with it', async (t) => {
  const test = await startWithTickets(t)
  const { peerId, url, token } = await test.trunkline.admit({ roomId: 'r', metadata: { name: 'Ada' } })
  t.equal(url, '/signaling', 'nobody has said where this backend is')
  const first = await plain(t, test, token)
  await joined(test, peerId)
  t.match(test.trunkline.peers.get(peerId), { id: peerId, roomId: 'r', metadata: { name: 'Ada' } })
  await plain(t, test, token)
  t.match(await first.closed, { code: 4409 }, 'who shows it too is the same peer')
  await joined(test, peerId)
  t.equal(test.trunkline.peers.size, 1)
})

t.test('a client with a session comes in by what admit() answers, and goes on after its link was cut', async (t) => {
  const test = await startWithTickets(t, {
    after: (app) => { app.get('/admit', async (request) => await app.trunkline.admit({ roomId: 'r', peerId: 'p' }, { request })) }
  })
  const { url, token, peerId } = await (await fetch(`http://${test.host}/admit`)).json() as { url: string, token: string, peerId: string }
  t.same([url, peerId], [`${test.base}/signaling`, 'p'])
  const { link, events } = linkWith(t, url, token)
  const first = once(events, 'joined')
  link.join()
  t.match(await first, [{ peerId: 'p', roomId: 'r', resumed: false }])
  const second = once(events, 'joined')
  for (const socket of test.sockets) socket.destroy()
  t.match(await second, [{ peerId: 'p', resumed: true }])
})

t.test('a Fishjam client comes in by the base of its URL', async (t) => {
  const test = await startWithTickets(t, { publicUrl: 'https://api.example/x/', dialects: [{ name: 'fishjam', path: '/calls/socket/peer/websocket' }, 'trunkline', 'fishjam'] })
  const { url, token } = await test.trunkline.admit({ roomId: 'r', peerId: 'p' })
  t.equal(url, 'wss://api.example/x/calls')
  t.equal((await test.trunkline.admit({ roomId: 'r' }, { dialect: 'trunkline' })).url, 'wss://api.example/x/signaling')
  t.equal(await fishjam(t, `${test.base}/calls`, token), 'authenticated')
  t.equal(await fishjam(t, `${test.base}/calls`, token), 'authenticated', 'and back')
  t.equal(await fishjam(t, `${test.base}/calls`, token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A')), 'invalid token')
  test.trunkline.kick('p')
  t.equal(await fishjam(t, `${test.base}/calls`, token), 'invalid token')
})

t.test('the url is as the client asked, also behind a proxy that is trusted, and below a prefix', async (t) => {
  const app = Fastify({ trustProxy: true })
  t.teardown(() => app.close())
  const server = await startMediaServer(t)
  await app.register(import('@fastify/websocket'), { options: { maxPayload: 1024 } })
  await app.register(async (scope) => {
    await scope.register(trunkline, { mediaServer: server.options, authenticate: tickets() })
    scope.get('/admit', async (request) => await scope.trunkline.admit({ roomId: 'r', metadata: null }, { request }))
  }, { prefix: '/v1' })
  const url = async (headers: Record<string, string>): Promise<string> => (await app.inject({ url: '/v1/admit', headers })).json<{ url: string }>().url
  t.equal(await url({ host: 'a.example:8080' }), 'ws://a.example:8080/v1/signaling')
  t.equal(await url({ host: 'inner', 'x-forwarded-host': 'b.example', 'x-forwarded-proto': 'https' }), 'wss://b.example/v1/signaling')
  for (const host of ['a b', 'x@y', 'x/y', 'x?y']) t.equal(await url({ host }), '/v1/signaling', 'what is no host is not passed on')
})

t.test('when its life is over it is refused as expired, each client in its own way', async (t) => {
  const clock = new ManualClock()
  const test = await startWithTickets(t, { clock }, tickets({ secret: SECRET, lifeMs: 60_000 }))
  const { url, token, peerId } = await test.trunkline.admit({ roomId: 'r' })
  const client = await plain(t, test, token)
  await joined(test, peerId)
  clock.advance(60_000)
  t.equal(test.trunkline.peers.get(peerId)?.state, 'joined', 'who is in stays in')
  await client.cut()
  await t.rejects(FakeClient.connect(`${test.base}/signaling?token=${token}`), { message: /401/ })
  const { link, events } = linkWith(t, test.base + url, token)
  const failed = once(events, 'failed')
  link.join()
  t.match(await failed, [{ code: 4401, reason: 'expired token' }])
  t.equal(await fishjam(t, test.base, token), 'expired token')
  t.match(test.trunkline.stats().refused, { 'expired token': 3 })
  t.notOk(JSON.stringify(test.log).includes(token.split('.')[1]!), 'no ticket in the log')
})

t.test('a client whose ticket has expired comes back with another one, by way of the app', async (t) => {
  const clock = new ManualClock()
  const auth = tickets({ secret: SECRET, lifeMs: 60_000 })
  const test = await startWithTickets(t, { clock, resume: { windowMs: 1_000_000 } }, auth)
  let asked = 0
  let { token } = await test.trunkline.admit({ roomId: 'r', peerId: 'p', metadata: { a: 1 } })
  const { link, events } = linkWith(t, `${test.base}/signaling`, async () => {
    if (asked++ > 0) token = (await test.trunkline.admit(await auth.check(token, 60_000))).token
    return token
  })
  const first = once(events, 'joined')
  link.join()
  await first
  clock.advance(61_000)
  const second = once(events, 'joined')
  for (const socket of test.sockets) socket.destroy()
  t.match(await second, [{ peerId: 'p', resumed: true }])
  t.equal(asked, 2)
  t.same(test.trunkline.peers.get('p')?.metadata, { a: 1 })
})

t.test('the newer of two tickets makes the older one void', async (t) => {
  const test = await startWithTickets(t)
  const [older, newer] = [await test.trunkline.admit({ roomId: 'r', peerId: 'p' }), await test.trunkline.admit({ roomId: 'r', peerId: 'p' })]
  await plain(t, test, older.token)
  const client = await plain(t, test, newer.token)
  await joined(test, 'p')
  await t.rejects(FakeClient.connect(`${test.base}/signaling?token=${older.token}`), { message: /401/ })
  t.equal(client.socket.readyState, WebSocket.OPEN, 'and does no harm to who is in')
})

t.test('of two that were made at once the one that was used last is good, whichever way they come', async (t) => {
  for (const first of [0, 1]) {
    const test = await startWithTickets(t)
    const both = await Promise.all([test.trunkline.admit({ roomId: 'r', peerId: 'p' }), test.trunkline.admit({ roomId: 'r', peerId: 'p' })])
    t.not(both[0].token, both[1].token)
    const client = await plain(t, test, both[first]!.token)
    await joined(test, 'p')
    if (first === 0) {
      await plain(t, test, both[1].token)
      t.match(await client.closed, { code: 4409 })
    }
    await t.rejects(FakeClient.connect(`${test.base}/signaling?token=${both[0].token}`), { message: /401/ })
    await joined(test, 'p')
    t.equal(test.trunkline.peers.size, 1)
  }
})

t.test('the room is that of the ticket, whatever its client says, and no session of another is gone on with', async (t) => {
  const test = await startWithTickets(t)
  const there = await test.trunkline.admit({ roomId: 'there', peerId: 'p' })
  const link = await LinkClient.connect(test)
  t.teardown(() => link.client.cut())
  link.control({ type: 'join', id: 1, version: 1, token: there.token, roomId: 'elsewhere' })
  const { key, roomId } = await link.heard('joined')
  t.equal(roomId, 'there')

  for (const [who, code] of [[{ roomId: 'elsewhere', peerId: 'p' }, 4403], [{ roomId: 'there', peerId: 'q' }, 4403], [{ roomId: 'elsewhere', peerId: 'q' }, 4403]] as const) {
    const { token } = await test.trunkline.admit(who)
    const other = await LinkClient.connect(test)
    other.control({ type: 'join', id: 1, version: 1, token, resume: { peerId: 'p', key, received: 0 } })
    t.equal((await other.closed).code, code, JSON.stringify(who))
  }
  t.match(test.trunkline.peers.get('p'), { roomId: 'there', state: 'joined' })
  t.equal(test.trunkline.peers.size, 1)
})

for (const [name, remove] of Object.entries({
  kick: ({ trunkline }: FastifyInstance) => trunkline.kick('p'),
  revoke: ({ trunkline }: FastifyInstance) => trunkline.revoke(({ id }) => id === 'p'),
  removePeer: async ({ trunkline }: FastifyInstance) => await trunkline.removePeer('r', 'p')
})) {
  t.test(`${name} makes what its peer has void, and nothing else`, async (t) => {
    const test = await startWithTickets(t)
    const [{ token }, other] = [await test.trunkline.admit({ roomId: 'r', peerId: 'p' }), await test.trunkline.admit({ roomId: 'r', peerId: 'q' })]
    const unused = await test.trunkline.admit({ roomId: 'r', peerId: 'p' })
    const client = await plain(t, test, token)
    await joined(test, 'p')
    await remove(test.app)
    t.match(await client.closed, { code: name === 'revoke' ? 4401 : 4410 })
    for (const each of [token, unused.token]) await t.rejects(FakeClient.connect(`${test.base}/signaling?token=${each}`), { message: /401/ })
    await plain(t, test, other.token)
    await plain(t, test, (await test.trunkline.admit({ roomId: 'r', peerId: 'p' })).token)
  })
}

t.test('what is void before it was ever shown', async (t) => {
  const test = await startWithTickets(t)
  const { token } = await test.trunkline.admit({ roomId: 'r', peerId: 'p' })
  t.equal(test.trunkline.kick('p'), false, 'there is no such peer yet')
  await t.rejects(FakeClient.connect(`${test.base}/signaling?token=${token}`), { message: /401/ })
  const { token: elsewhere, peerId } = await test.trunkline.admit({ roomId: 'r', peerId: 'q' })
  const client = await plain(t, test, elsewhere)
  await joined(test, peerId)
  await t.rejects(test.trunkline.removePeer('another room', 'q'))
  await client.cut()
  await plain(t, test, elsewhere)
})

t.test('a ticket of another registration lets nobody in', async (t) => {
  const [a, b] = [await startWithTickets(t, {}, tickets({ secret: SECRET, audience: 'a' })), await startWithTickets(t, {}, tickets({ secret: SECRET, audience: 'b' }))]
  const { token } = await a.trunkline.admit({ roomId: 'r' })
  await t.rejects(FakeClient.connect(`${b.base}/signaling?token=${token}`), { message: /401/ })
  await plain(t, a, token)
})

t.test('one tickets() is of one registration at a time', async (t) => {
  const auth = tickets()
  const { app } = await startWithTickets(t, {}, auth)
  const server = await startMediaServer(t)
  const second = Fastify()
  await t.rejects(async () => await second.register(trunkline, { mediaServer: server.options, authenticate: auth }), { code: 'TRK_ERR_OPTION', message: /another registration/ })
  await second.close()
  await app.close()
  await startWithTickets(t, {}, auth)
})

t.test('a store that fails, or takes too long, is no fault of the client: it is to come back', async (t) => {
  const clock = new ManualClock()
  let claim: TicketStore['claim'] = () => { throw new Error('no connection') }
  const store: TicketStore = { claim: (...args) => claim(...args) }
  const test = await startWithTickets(t, { clock, limits: { hookMs: 5_000 } }, tickets({ secret: SECRET, store }))
  const { token } = await test.trunkline.admit({ roomId: 'r', peerId: 'p' })
  const refused = async (): Promise<unknown> => await FakeClient.connect(`${test.base}/signaling?token=${token}`).catch((error: unknown) => error)
  t.match(await refused(), { statusCode: 503 })
  t.match(test.log.findLast(({ msg }) => msg === 'a client could not be authenticated'), { err: { code: 'TRK_ERR_TICKET_STORE' } })
  test.trunkline.kick('p')
  while (!test.log.some(({ msg }) => msg === 'the tickets of a peer that was removed may still be good')) await new Promise((resolve) => setImmediate(resolve))
  const asked = new Promise<void>((resolve) => {
    claim = async () => {
      resolve()
      return await new Promise(() => {})
    }
  })
  const slow = refused()
  await asked
  clock.advance(5_000)
  t.match(await slow, { statusCode: 503 })
  claim = (_peerId, issue) => issue
  await t.rejects(FakeClient.connect(`${test.base}/signaling?token=${token}`), { message: /401/ }, 'in this process the kick counts all the same')
  await plain(t, test, (await test.trunkline.admit({ roomId: 'r', peerId: 'p' })).token)
})

t.test('who is kicked while its ticket is being looked at does not come in', async (t) => {
  let asked = (): void => {}
  let answer = (): void => {}
  // It hears of the kick after it has looked, and before its answer is here.
  const store: TicketStore = {
    async claim (_peerId, issue) {
      asked()
      await new Promise<void>((resolve) => { answer = resolve })
      return issue
    }
  }
  const test = await startWithTickets(t, {}, tickets({ secret: SECRET, store }))
  const { token, peerId } = await test.trunkline.admit({ roomId: 'r' })
  const isAsked = new Promise<void>((resolve) => { asked = resolve })
  const client = FakeClient.connect(`${test.base}/signaling?token=${token}`)
  await isAsked
  const answerFirst = answer
  test.trunkline.kick(peerId)
  answerFirst()
  await t.rejects(client, { message: /401/ })
  t.equal(test.trunkline.peers.size, 0)
  answer()
})

t.test('what cannot be admitted', async (t) => {
  const test = await startWithTickets(t)
  const refused = async (who: object, message: RegExp, how: object = {}): Promise<void> => {
    await t.rejects(test.trunkline.admit(who as { roomId: string }, how), { code: 'TRK_ERR_ADMIT', message })
  }
  await refused({}, /roomId must be/)
  await refused({ roomId: 'r', peerid: 'x' }, /'peerid' is spelled 'peerId'/)
  await refused({ roomId: 'r', metadata: 'x'.repeat(5_000) }, /bytes, more than 4096/)
  await refused({ roomId: 'r', expiresAt: 1 }, /looks like seconds/)
  await refused({ roomId: 'r', expiresAt: new Date(1e12) }, /not in the future/)
  for (const expiresAt of [Symbol('x'), 5n, Object.create(null)]) await refused({ roomId: 'r', expiresAt }, /expiresAt is no date/)
  await refused({ roomId: 'r', metadata: { toJSON () { throw null } } }, /metadata is not JSON/) // eslint-disable-line no-throw-literal
  await refused(null as never, /not an object/)
  await refused({ roomId: 'r' }, /'janus' are not served: there are trunkline, fishjam/, { dialect: 'janus' })
  const own = await startWithTickets(t, { authenticate: () => ({ roomId: 'r', metadata: null }) })
  await t.rejects(own.trunkline.admit({ roomId: 'r' }), { code: 'TRK_ERR_ADMIT', message: /authenticate: tickets\(\)/ })
  await t.rejects(own.trunkline.addPeer('r'), { code: 'TRK_ERR_MODE', message: /use admit\(\)/ })
})

t.test('nothing is made for a client that is gone', async (t) => {
  const test = await startWithTickets(t)
  const gone = { code: 'TRK_ERR_ADMIT_GONE' }
  await t.rejects(test.trunkline.admit({ roomId: 'r' }, { signal: AbortSignal.abort() }), gone)
  await t.rejects(test.trunkline.admit({ roomId: 'r' }, { request: { protocol: 'http', host: 'x', raw: { socket: { destroyed: true } } } as unknown as FastifyRequest }), gone)
  const aborter = new AbortController()
  const admitted = test.trunkline.admit({ roomId: 'r' }, { signal: aborter.signal })
  aborter.abort()
  await t.rejects(admitted, gone)
})
