import t from 'tap'
import { FakeClient, ManualClock, UpgradeRefused } from '../../../lib/testing/index.js'
import { JanusClient, createSession, down } from '../../janus-client.js'
import type { Message } from '../../janus-client.js'
import { calls } from '../../support.js'
import { ROOM, detached, gone, heartbeat, noSuch, start, tick, token } from './links.js'

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
