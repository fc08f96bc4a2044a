import t from 'tap'
import { FakeClient, ManualClock, UpgradeRefused, fakeFrame } from '../../../lib/testing/index.js'
import type { FakeMediaServer } from '../../../lib/testing/index.js'
import { startEndpoint } from '../../endpoint-server.js'
import { JanusClient, createSession, down } from '../../janus-client.js'
import type { Message } from '../../janus-client.js'
import { calls, startApp, startMediaServer } from '../../support.js'
import type { TestApp, TestOptions } from '../../support.js'

// Time is moved without giving pongs time to come.
const NEVER = 2 ** 31 - 1
const heartbeat = { clientMs: NEVER, trunkMs: NEVER }
const ROOM = { roomId: 'room' }
const token = JSON.stringify(ROOM)

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const gone = async ({ app }: TestApp): Promise<void> => { while (app.trunkline.peers.size > 0) await tick() }
const detached = async ({ app }: TestApp): Promise<void> => { while (app.trunkline.stats().detached === 0) await tick() }
const noSuch = (id: number, transaction = 'claim'): Message => ({ janus: 'error', session_id: id, transaction, error: { code: 458, reason: `No such session ${id}` } })

/** Sessions are held in the app's process, as for a Janus. */
async function start (t: { teardown (fn: () => unknown): void }, options: TestOptions = {}): Promise<{ app: TestApp, server: FakeMediaServer }> {
  const server = await startMediaServer(t)
  return { server, app: await startApp(t, server.options, { dialects: ['janus'], ...options }) }
}

t.test('the first request begins a session, and is its first media event, without what shows who the client is', async (t) => {
  const heard: string[] = []
  const { app, server } = await start(t, { hooks: { onUplink: (event) => { heard.push(event.text()) } } })
  const janus = await JanusClient.connect(t, app)
  t.equal(janus.client.socket.protocol, 'janus-protocol')
  janus.say({ janus: 'create', transaction: 'c', token: JSON.stringify({ roomId: 'room', extra: 'hush' }), apisecret: 'hush' })
  const create = await server.receive('text')
  t.equal(create.body.toString(), '{"janus":"create","transaction":"c"}')
  const said = '{"janus":"success","transaction":"c","data":{"id":1}}'
  down(server, create, said)
  t.equal(await janus.client.receiveText(), said, 'as it came')
  const nested = '{ "janus": "message", "transaction": "m", "body": { "token": "of the room" }, "n": 1.0 }'
  const texts = ['{ "janus" : "attach", "n": 1.0 }', nested, 'no JSON, with a "token"', '{"janus":"x","token":"hush","apisecret":"hush","n":[1]}']
  for (const text of texts) janus.say(text)
  for (const text of [...texts.slice(0, 3), '{"janus":"x","n":[1]}']) t.equal((await server.receive('text')).body.toString(), text)
  janus.client.send(Buffer.from('{"janus":"keepalive"}'))
  t.same(await server.receive('text'), { ...create, body: Buffer.from('{"janus":"keepalive"}') }, 'a binary message is a text')
  t.equal(heard.length, 6)
  t.notOk(heard.some((text) => text.includes('hush')), 'no hook sees it')
  t.notOk(JSON.stringify(app.log).includes('hush'), 'nor does the log')
  janus.client.socket.close()
  t.match(await server.receive('close'), { peerId: create.peerId })
  await gone(app)
})

t.test('credentials come as a token, as an API secret, or with the upgrade', async (t) => {
  const seen: Array<[string, string]> = []
  const { app, server } = await start(t, {
    cookie: 'session',
    authenticate: (_request, { token, from }) => {
      seen.push([token, from])
      return ROOM
    }
  })
  const create = { janus: 'create', transaction: 'c' }
  const ways: Array<[Message, Parameters<typeof JanusClient.connect>[2], string[]]> = [
    [{ ...create, token: 'a' }, {}, ['a', 'message']],
    [{ ...create, apisecret: 'b' }, {}, ['b', 'message']],
    [{ ...create, token: 'a', apisecret: 'b' }, { path: '/janus?token=c' }, ['a', 'message']],
    [{ ...create, token: '', apisecret: 7 }, { path: '/janus?token=c' }, ['c', 'query']],
    [create, { headers: { authorization: 'Bearer d' } }, ['d', 'authorization']],
    [create, { headers: { cookie: 'session=e', origin: `http://${app.host}` } }, ['e', 'cookie']]
  ]
  for (const [request, options, expected] of ways) {
    const janus = await JanusClient.connect(t, app, options)
    janus.say(request)
    await server.receive('text')
    t.same(seen.at(-1), expected)
  }
})

t.test('a refusal is an answer to the request, before the close', async (t) => {
  const { app, server } = await start(t)
  const refused = (code: number, reason: string): Message => ({ janus: 'error', transaction: 'c', error: { code, reason } })
  const cases: Array<[unknown, Message, { code: number, reason: string }]> = [
    [undefined, refused(403, 'no credentials'), { code: 4401, reason: 'no credentials' }],
    [{ error: {} }, refused(403, 'not authenticated'), { code: 4401, reason: 'not authenticated' }],
    [{ error: { statusCode: 403 } }, refused(403, 'forbidden'), { code: 4403, reason: 'forbidden' }],
    [{ error: { statusCode: 404 } }, refused(490, 'no such room'), { code: 4404, reason: 'no such room' }],
    [{ error: { statusCode: 500 } }, refused(490, 'try again later'), { code: 1013, reason: 'try again later' }]
  ]
  for (const [identity, answer, close] of cases) {
    const janus = await JanusClient.connect(t, app)
    janus.say({ janus: 'create', transaction: 'c', token: identity === undefined ? undefined : JSON.stringify(identity) })
    t.same(await janus.hear(), answer)
    t.same(await janus.closed, close)
  }
  server.onOpen = 'refuse'
  const janus = await JanusClient.connect(t, app)
  janus.say({ janus: 'create', transaction: 'c', token })
  t.same(await janus.hear(), refused(403, 'not today'))
  t.same(await janus.closed, { code: 4403, reason: 'not today' })
  t.equal(app.app.trunkline.peers.size, 0)
})

t.test('who is refused with the upgrade hears it in answer to its first request; who is to come back, by status', async (t) => {
  const { app } = await start(t, { origins: [] })
  const headers = { origin: 'https://elsewhere.example' }
  const janus = await JanusClient.connect(t, app, { headers })
  janus.say({ janus: 'create', transaction: 'c', token })
  t.same(await janus.hear(), { janus: 'error', transaction: 'c', error: { code: 403, reason: 'origin not allowed' } })
  t.equal((await janus.closed).code, 4403)
  const last = await JanusClient.connect(t, app)
  last.say({ janus: 'create', transaction: 'c', token })
  while (app.app.trunkline.peers.size === 0) await tick()
  const drained = app.app.trunkline.drain()
  // It tries its next server when a socket does not open, and not when one is closed.
  await t.rejects(JanusClient.connect(t, app), UpgradeRefused)
  await drained
})

t.test('the subprotocol must be the first that is offered', async (t) => {
  const { app } = await start(t)
  for (const protocols of [[], ['other'], ['other', 'janus-protocol']]) {
    const client = await FakeClient.connect(`${app.base}/janus?token=${encodeURIComponent(token)}`, { protocols })
    t.same(await client.closed, { code: 1002, reason: 'the first subprotocol offered must be janus-protocol' })
  }
  const client = await JanusClient.connect(t, app, { protocols: ['janus-protocol', 'other'] })
  client.say({ janus: 'ping', transaction: 'p' })
  t.same(await client.hear(), { janus: 'pong', transaction: 'p' })
  t.equal(app.app.trunkline.peers.size, 0)
})

t.test('no session begins with any other request', async (t) => {
  const { app } = await start(t)
  const deep = `{"janus":"create","transaction":"t","token":"x","deep":${'['.repeat(7_900)}${']'.repeat(7_900)}}`
  const cases: Array<[Message | string, Message]> = [
    ['{"janus":"create"', { janus: 'error', error: { code: 454, reason: 'Invalid Janus API request' } }],
    ['{"janus":"ping","transaction":"t"}{"janus":"create"}', { janus: 'error', error: { code: 454, reason: 'Invalid Janus API request' } }],
    ['[]', { janus: 'error', error: { code: 454, reason: 'Invalid Janus API request' } }],
    ['null', { janus: 'error', error: { code: 454, reason: 'Invalid Janus API request' } }],
    [{ janus: 'create' }, { janus: 'error', error: { code: 456, reason: 'Missing mandatory element (transaction)' } }],
    [{ transaction: 't' }, { janus: 'error', transaction: 't', error: { code: 456, reason: 'Missing mandatory element (janus)' } }],
    [{ janus: 'info', transaction: 't' }, { janus: 'error', transaction: 't', error: { code: 453, reason: "Unknown request 'info'" } }],
    [{ janus: 'attach', transaction: 't', session_id: 5 }, noSuch(5, 't')],
    [{ janus: 'keepalive', transaction: 't' }, { janus: 'error', transaction: 't', error: { code: 458, reason: 'No such session' } }],
    [{ janus: 'claim', transaction: 't', session_id: '5' }, { janus: 'error', transaction: 't', error: { code: 458, reason: 'No such session' } }]
  ]
  for (const [request, answer] of cases) {
    const janus = await JanusClient.connect(t, app)
    janus.say(request)
    t.same(await janus.hear(), answer)
    t.equal((await janus.closed).code, 1002)
  }
  const janus = await JanusClient.connect(t, app)
  janus.say(deep)
  await janus.closed
  const binary = await JanusClient.connect(t, app)
  binary.client.send(Buffer.from([0xff]))
  t.equal((await binary.closed).code, 1007)
  const hasty = await JanusClient.connect(t, app)
  for (let i = 0; i < 2; i++) hasty.say({ janus: 'create', transaction: 'c', token })
  t.match(await hasty.hear(), { janus: 'error', transaction: 'c', error: { code: 490 } })
  t.equal((await hasty.closed).code, 1002)
  t.equal(app.app.trunkline.peers.size, 0)
})

t.test('before it is let in, what a client may send is bounded in bytes and in time', async (t) => {
  const clock = new ManualClock()
  const { app } = await start(t, { clock, heartbeat, limits: { preAuthBytes: 2_000 } })
  const large = await JanusClient.connect(t, app)
  large.say({ janus: 'create', transaction: 'c', token, filler: 'x'.repeat(4_000) })
  t.equal((await large.closed).code, 1009)
  const many = await JanusClient.connect(t, app)
  for (let i = 0; i < 200; i++) many.say({ janus: 'ping', transaction: 'p' })
  t.equal((await many.closed).code, 1009)
  const idle = await JanusClient.connect(t, app)
  idle.say({ janus: 'ping', transaction: 'p' })
  await idle.hear()
  clock.advance(5_000)
  t.match(await idle.closed, { code: 1013 })
})

t.test('a session goes on, on another link: what came meanwhile follows its answer', async (t) => {
  const { app, server } = await start(t)
  const { janus, arrival } = await createSession(t, app, server, 77)
  await janus.client.cut()
  await detached(app)
  const texts = Array.from({ length: 20 }, (_, n) => `{"n":${n}}`)
  for (const text of texts) down(server, arrival, text)
  const again = await JanusClient.connect(t, app)
  again.claim(77, ROOM)
  t.same(await again.hear(), { janus: 'success', session_id: 77, transaction: 'claim' })
  for (const text of texts) t.equal(await again.client.receiveText(), text)
  again.say('{"janus":"keepalive"}')
  t.match(await server.receive('text'), { peerId: arrival.peerId, epoch: arrival.epoch, body: Buffer.from('{"janus":"keepalive"}') })
  t.equal(server.takeAll().filter(({ kind }) => kind === 'open').length, 1, 'the media server knows nothing of it')
  // And once more, by a link that is there still.
  const third = await JanusClient.connect(t, app)
  third.claim(77, ROOM, 'third')
  t.same(await third.hear(), { janus: 'success', session_id: 77, transaction: 'third' })
  t.same(await again.closed, { code: 4409, reason: 'moved to a newer link' })
  third.say('{"n":"up"}')
  t.equal((await server.receive('text')).body.toString(), '{"n":"up"}')
  const { resumed, peers, left } = app.app.trunkline.stats()
  t.same({ resumed, peers, left }, { resumed: 2, peers: 1, left: {} })
})

t.test('what a client has said before its link was lost arrives, though the media server did not take it in then', async (t) => {
  const server = await startMediaServer(t, { windowBytes: 1_000, welcome: { resumeWindowMs: 30_000 } })
  const app = await startApp(t, server.options, { dialects: ['janus'] })
  const { janus, arrival } = await createSession(t, app, server, 77)
  const opened = await server.receive('open')
  for (let n = 1; n <= 3; n++) janus.say(`{"n":${n}}`)
  for (let n = 1; n <= 3; n++) await server.receive('text')
  await janus.client.cut()
  await detached(app)
  server.onOpen = (open, trunk) => trunk.send(server.answer(open, { key: 'k2', resumed: true, received: 2, windowBytes: 1_000 }))
  const again = await JanusClient.connect(t, app)
  again.claim(77, ROOM)
  t.same(await again.hear(), { janus: 'success', session_id: 77, transaction: 'claim' })
  const open = await server.receive('open')
  t.match(open, { peerId: arrival.peerId, body: { received: 1, asker: opened.body.asker, turn: 2 } })
  t.not(open.body.key, '')
  t.same([(await server.receive('text')).body.toString(), (await server.receive('text')).body.toString()], ['{"n":2}', '{"n":3}'], 'create was received, and the first')
  // The trunk is lost, and nobody is asked who it is.
  server.onOpen = (open, trunk) => trunk.send(server.answer(open, { key: 'k3', resumed: true, received: 4, windowBytes: 1_000 }))
  server.cut()
  const back = await server.receive('open')
  t.match(back, { peerId: arrival.peerId, body: { key: 'k2', received: 1, asker: opened.body.asker, turn: 3 } })
  again.say('{"n":4}')
  t.match(await server.receive('text'), { body: Buffer.from('{"n":4}') })
  // It is lost, and the media server has forgotten the session.
  server.onOpen = 'accept'
  server.cut()
  t.equal((await again.closed).code, 4001)
  const late = await JanusClient.connect(t, app)
  late.claim(77, ROOM)
  t.same(await late.hear(), noSuch(77))
})

t.test('when the trunk is back, no session waits for its turn to show who it is', async (t) => {
  const clock = new ManualClock()
  const server = await startMediaServer(t, { windowBytes: 1_000, welcome: { resumeWindowMs: 30_000 } })
  const app = await startApp(t, server.options, { dialects: ['janus'], clock, heartbeat, limits: { authPerSecond: 10 } })
  for (const id of [1, 2, 3]) {
    await createSession(t, app, server, id)
    await server.receive('open')
    clock.advance(100)
  }
  server.onOpen = (open, trunk) => trunk.send(server.answer(open, { resumed: true, received: 1, windowBytes: 1_000 }))
  await server.nextTrunk()
  server.cut()
  while (app.app.trunkline.trunk.state !== 'down') await tick()
  clock.advance(5_000)
  for (let i = 0; i < 3; i++) t.match(await server.receive('open'), { body: { received: 1 } })
})

t.test('a claim is authenticated, and nobody has the session of another', async (t) => {
  const { app, server } = await start(t, { duplicate: 'refuse' })
  const ann = { roomId: 'room', subject: 'ann' }
  const { janus, arrival } = await createSession(t, app, server, 77, ann)
  const bea = await createSession(t, app, server, 78, { roomId: 'room', peerId: 'bea' })
  const cleo = await createSession(t, app, server, 79)
  const cases: Array<[number, unknown, Message, number]> = [
    [77, undefined, { janus: 'error', transaction: 'claim', error: { code: 403, reason: 'not authenticated' } }, 4401],
    [77, { error: { statusCode: 403 } }, { janus: 'error', transaction: 'claim', error: { code: 403, reason: 'forbidden' } }, 4403],
    [77, { error: { statusCode: 503 } }, { janus: 'error', transaction: 'claim', error: { code: 490, reason: 'try again later' } }, 1013],
    [76, ann, noSuch(76), 4001],
    [77, ROOM, noSuch(77), 4001],
    [77, { roomId: 'room', subject: 'bea' }, noSuch(77), 4001],
    [77, { roomId: 'other', subject: 'ann' }, noSuch(77), 4001],
    [78, { roomId: 'room', subject: 'bea', peerId: 'other' }, noSuch(78), 4001],
    [78, { roomId: 'room', peerId: 'ann' }, noSuch(78), 4001],
    [79, { roomId: 'other' }, noSuch(79), 4001]
  ]
  const claims = async (): Promise<void> => {
    for (const [id, identity, answer, code] of cases) {
      const other = await JanusClient.connect(t, app)
      other.claim(id, identity ?? { error: {} })
      t.same(await other.hear(), answer)
      t.equal((await other.closed).code, code)
    }
  }
  await claims()
  down(server, arrival, '{"still":"here"}')
  t.same(await janus.hear(), { still: 'here' })
  for (const { client } of [janus, bea.janus, cleo.janus]) await client.cut()
  while (app.app.trunkline.stats().detached < 3) await tick()
  await claims()
  for (const [id, identity] of [[77, ann], [78, { roomId: 'room', peerId: 'bea' }], [79, ROOM]] as const) {
    const again = await JanusClient.connect(t, app)
    again.claim(id, identity)
    t.same(await again.hear(), { janus: 'success', session_id: id, transaction: 'claim' }, `${id} is there for its own client`)
  }
})

t.test('a claim that cannot be served now leaves the session as it is', async (t) => {
  const server = await startMediaServer(t, { windowBytes: 1_000, welcome: { resumeWindowMs: 30_000 } })
  const app = await startApp(t, server.options, { dialects: ['janus'], limits: { openMs: 50 } })
  const { janus } = await createSession(t, app, server, 77)
  await janus.client.cut()
  await detached(app)
  server.onOpen = 'ignore'
  const first = await JanusClient.connect(t, app)
  first.claim(77, ROOM)
  t.same(await first.hear(), { janus: 'error', transaction: 'claim', error: { code: 490, reason: 'the media server does not answer' } })
  t.equal((await first.closed).code, 1013)
  server.onOpen = (open, trunk) => trunk.send(server.answer(open, { resumed: true, received: 1, windowBytes: 1_000 }))
  const second = await JanusClient.connect(t, app)
  second.claim(77, ROOM)
  t.same(await second.hear(), { janus: 'success', session_id: 77, transaction: 'claim' })
})

t.test('two that claim a session: the later one has it', async (t) => {
  const server = await startMediaServer(t, { windowBytes: 1_000, welcome: { resumeWindowMs: 30_000 } })
  const app = await startApp(t, server.options, { dialects: ['janus'] })
  const { janus } = await createSession(t, app, server, 77)
  await server.receive('open')
  server.onOpen = 'ignore'
  const first = await JanusClient.connect(t, app)
  first.claim(77, ROOM)
  await server.receive('open')
  t.same(await janus.closed, { code: 4409, reason: 'moved to a newer link' })
  server.onOpen = (open, trunk) => trunk.send(server.answer(open, { resumed: true, received: 1, windowBytes: 1_000 }))
  const second = await JanusClient.connect(t, app)
  second.claim(77, ROOM)
  t.same(await first.hear(), noSuch(77))
  t.equal((await first.closed).code, 4409)
  t.same(await second.hear(), { janus: 'success', session_id: 77, transaction: 'claim' })
})

t.test('a session is over with a clean close, by whoever, and after the window', async (t) => {
  const clock = new ManualClock()
  const { app, server } = await start(t, { clock, heartbeat, resume: { windowMs: 20_000 } })
  const closes: Array<[string, (janus: JanusClient, peerId: string) => Promise<unknown>]> = [
    ['close() of janus.js', async ({ client }) => { client.socket.close(); await client.closed }],
    ['a page that is left', async ({ client }) => await client.close(1001)],
    ['a page that is done', async ({ client }) => await client.close(1000)],
    ['the timeout of janus.js', async ({ client }) => await client.close(3504)],
    ['kicked', async ({ closed }, peerId) => { app.app.trunkline.kick(peerId); t.equal((await closed).code, 4410) }],
    ['forgotten', async ({ closed }, peerId) => {
      server.send(fakeFrame('close', { id: 0, code: 4001, reason: 'forgotten' }, peerId, server.epoch))
      t.equal((await closed).code, 4001)
    }],
    ['the end of the window', async ({ client }) => { await client.cut(); await detached(app); clock.advance(20_000) }]
  ]
  await server.nextTrunk()
  const timers = clock.timers
  for (const [index, [how, close]] of closes.entries()) {
    const { janus, arrival } = await createSession(t, app, server, 100 + index)
    await close(janus, arrival.peerId)
    await gone(app)
    while (app.app.trunkline.stats().links > 0) await tick()
    t.equal(clock.timers, timers, `${how}: nothing is kept`)
    const again = await JanusClient.connect(t, app)
    again.claim(100 + index, ROOM)
    t.same(await again.hear(), noSuch(100 + index), how)
    t.equal((await again.closed).code, 4001)
  }
})

t.test('what is said while a client is let in waits for that', async (t) => {
  let letIn = (): void => {}
  const asked = calls<[]>(1)
  const { app, server } = await start(t, {
    authenticate: async () => {
      const answer = new Promise<{ roomId: string }>((resolve) => { letIn = () => resolve(ROOM) })
      asked.fn()
      return await answer
    }
  })
  const janus = await JanusClient.connect(t, app)
  janus.say({ janus: 'create', transaction: 'c', token })
  await asked.seen
  janus.say({ janus: 'keepalive' })
  // By the time that another one has its answer, this one would have been heard.
  const other = await JanusClient.connect(t, app)
  other.say({ janus: 'ping', transaction: 'p' })
  await other.hear()
  letIn()
  for (const text of ['{"janus":"create","transaction":"c"}', '{"janus":"keepalive"}']) t.equal((await server.receive('text')).body.toString(), text)
})

t.test('no client is asked for another token: its session ends in time', async (t) => {
  const clock = new ManualClock()
  const { app, server } = await start(t, { clock, heartbeat })
  const identity = { roomId: 'room', expiresAt: clock.now() + 60_000 }
  const { janus, arrival } = await createSession(t, app, server, 77, identity)
  clock.advance(40_000)
  await janus.client.cut()
  await detached(app)
  const again = await JanusClient.connect(t, app)
  again.claim(77, { ...identity, expiresAt: identity.expiresAt + 1_000 })
  await again.hear()
  clock.advance(20_999)
  t.equal(app.app.trunkline.peers.get(arrival.peerId)?.state, 'joined')
  clock.advance(1)
  t.same(await again.closed, { code: 4401, reason: 'expired token' })
  t.equal(again.client.pending, 0)
})

t.test('a link that is too old or too slow leaves its session; an app that closes waits for none', async (t) => {
  const clock = new ManualClock()
  const { app, server } = await start(t, { clock, heartbeat, drain: { maxConnectionAgeMs: 10_000 } })
  const { janus } = await createSession(t, app, server, 77)
  clock.advance(10_000)
  t.equal((await janus.closed).code, 1012)
  const again = await JanusClient.connect(t, app)
  again.claim(77, ROOM)
  t.same(await again.hear(), { janus: 'success', session_id: 77, transaction: 'claim' })
  const closing = app.app.close()
  while (app.app.trunkline.stats().links > 0) {
    clock.advance(1_000)
    await tick()
  }
  t.equal((await again.closed).code, 1012)
  await closing
})

t.test('the answer to create is looked for in the first messages alone', async (t) => {
  const { app, server } = await start(t)
  const odd: Array<[string, string[]]> = [
    ['an ack before', ['{"janus":"ack","transaction":"c"}', '{"janus":"success","transaction":"c","data":{"id":1}}']],
    ['an error', ['{"janus":"error","transaction":"c"}', '{"janus":"success","transaction":"c","data":{"id":2}}']],
    ['no id', ['{"janus":"success","transaction":"c","data":{"id":"3"}}']],
    ['too late', [...Array.from({ length: 8 }, () => 'x'), '{"janus":"success","transaction":"c","data":{"id":4}}']],
    ["another's", ['{"janus":"success","transaction":"d","data":{"id":5}}']]
  ]
  for (const [what, texts] of odd) {
    const janus = await JanusClient.connect(t, app)
    janus.say({ janus: 'create', transaction: 'c', token })
    const arrival = await server.receive('text')
    for (const text of texts) down(server, arrival, text)
    for (const text of texts) t.equal(await janus.client.receiveText(), text)
    const claims = await Promise.all([1, 2, 3, 4, 5].map(async (id) => {
      const other = await JanusClient.connect(t, app)
      other.claim(id, { roomId: 'elsewhere' })
      await other.closed
      return (await other.hear().catch(() => null))
    }))
    t.ok(claims.every((answer) => (answer?.error as { code: number }).code === 458))
    await janus.client.cut()
    const again = await JanusClient.connect(t, app)
    again.claim(odd.findIndex(([name]) => name === what) + 1, ROOM)
    t.equal((await again.hear()).janus, what === 'an ack before' ? 'success' : 'error', what)
    await again.client.cut()
  }
})

t.test('one session has an id, whoever says it again', async (t) => {
  const { app, server } = await start(t)
  const { janus, arrival } = await createSession(t, app, server, 77)
  const thief = await createSession(t, app, server, 77)
  await thief.janus.client.cut()
  await detached(app)
  const again = await JanusClient.connect(t, app)
  again.claim(77, ROOM)
  t.same(await again.hear(), { janus: 'success', session_id: 77, transaction: 'claim' })
  t.equal((await janus.closed).code, 4409)
  down(server, arrival, '{"to":"the first"}')
  t.same(await again.hear(), { to: 'the first' })
})

t.test('where it is, and where another path says', async (t) => {
  const { app } = await start(t, { dialects: ['trunkline', { name: 'janus', path: '/gateway' }, 'janus'] })
  for (const path of ['/gateway', '/janus']) {
    const janus = await JanusClient.connect(t, app, { path })
    janus.say({ janus: 'ping', transaction: 'p' })
    t.same(await janus.hear(), { janus: 'pong', transaction: 'p' })
  }
  const { app: other } = await start(t, { dialects: ['trunkline'] })
  await t.rejects(JanusClient.connect(t, other), UpgradeRefused, 'not by default')
})

t.test('over links and trunks that are lost again and again: every event comes once and in order', async (t) => {
  const up: number[] = []
  const media = await startEndpoint(t, {
    onPeer: (peer) => {
      peer.on('mediaEvent', (data) => {
        const { janus, transaction, n } = JSON.parse(data.toString()) as { janus: string, transaction: string, n: number }
        if (janus === 'create') peer.send(JSON.stringify({ janus: 'success', transaction, data: { id: 77 } }))
        else peer.send(JSON.stringify({ n: up.push(n) }))
      })
    }
  })
  const app = await startApp(t, media.options, { dialects: ['janus'], limits: { messageBurst: 5_000 } })
  let janus = await JanusClient.connect(t, app)
  janus.say({ janus: 'create', transaction: 'c', token })
  t.match(await janus.hear(), { janus: 'success' })
  const heard: number[] = []
  const BATCH = 50
  for (let round = 1; round <= 30; round++) {
    for (let n = 1; n <= BATCH; n++) janus.say({ n: (round - 1) * BATCH + n })
    if (round % 5 === 0) for (const channel of media.endpoint.channels) channel.terminate('cut')
    // All but some of what the last batch brings has been heard when the link goes.
    while (heard.length < round * BATCH - round % 7) heard.push((await janus.hear()).n as number)
    if (round % 3 === 0) {
      // What the old link had got by then is not said again, but for what is still in here.
      const old = janus
      while (old.client.pending > 0) heard.push((await old.hear()).n as number)
      const missing = round * BATCH - heard.length
      for (let n = 0; n < missing; n++) heard.push((await old.hear()).n as number)
      janus = await JanusClient.connect(t, app)
      if (round % 2 === 0) await old.client.cut()
      janus.claim(77, ROOM)
      t.match(await janus.hear(), { janus: 'success', session_id: 77 })
    }
  }
  while (heard.length < 30 * BATCH) heard.push((await janus.hear()).n as number)
  const all = Array.from({ length: 30 * BATCH }, (_, n) => n + 1)
  t.same(up, all)
  t.same(heard, all)
})
