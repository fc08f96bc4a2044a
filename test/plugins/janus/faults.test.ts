import t from 'tap'
import { ManualClock } from '../../../lib/testing/index.js'
import { trunkState } from '../../support.js'
import { attach, create, hear, hearThat, say, start } from './support.js'

t.test('a Janus that speaks garbage, or of what nobody has asked, harms nobody', async (t) => {
  const { join, server, app, log } = await start(t)
  const client = await join()
  const sessionId = await create(client)
  for (const text of [
    'garbage', '', '[]', 'null', '7', '{}', '{"janus":7}', '{"janus":"success","transaction":"999999"}', '{"janus":"success","transaction":"1|create","data":{"id":1}}',
    '{"janus":"event","session_id":12345,"sender":1,"plugindata":{}}', '{"janus":"ack"}', '{"janus":"error","error":{"code":454,"reason":"Invalid Janus API request"}}',
    '{"janus":"error","error":null}', `{"janus":"error","session_id":${sessionId},"error":{"code":456,"reason":"Missing mandatory element (transaction)"}}`, '['.repeat(10_000)
  ]) server.say(text)
  t.match(await hear(client), { janus: 'error', error: { code: 456 } }, 'what names the session is its')
  t.ok(await attach(client, sessionId))
  t.match(app.trunkline.stats().trunk.dropped, { 'malformed message': 8, 'late answer': 2, 'unknown session': 2, 'untagged error': 2 })
  t.equal(server.accepted, 1)
  t.equal(log.filter(({ msg, level }) => msg === 'a message from Janus is dropped' && (level as number) >= 40).length, 3, 'each kind is said once')
})

t.test('answers that come twice, late, or the other way around', async (t) => {
  const { join, server } = await start(t)
  const client = await join()
  server.onRequest = ({ janus: verb }) => verb === 'event' ? 'answer' : 'twice'
  const sessionId = await create(client)
  const handleId = await attach(client, sessionId)
  const message = (transaction: string, request: string): void => say(client, { janus: 'message', session_id: sessionId, handle_id: handleId, transaction, body: { request } })
  message('one', 'exists')
  t.match(await hear(client), { janus: 'success', transaction: 'one' })
  server.onRequest = () => 'event before ack'
  message('two', 'join')
  t.match([await hear(client), await hear(client)], [{ janus: 'event', transaction: 'two' }, { janus: 'ack', transaction: 'two' }])
  server.onRequest = () => 'answer'
  message('three', 'exists')
  t.match(await hear(client), { janus: 'success', transaction: 'three' }, 'nothing came twice')
})

for (const code of [403, 454, 456, 458, 459, 468]) {
  t.test(`errors ${code} are told to whoever asked, and to nobody else`, async (t) => {
    const { join, server } = await start(t)
    const [client, other] = [await join(), await join()]
    const [sessionId, others] = [await create(client), await create(other)]
    const handleId = await attach(client, sessionId)
    server.onRequest = ({ janus: verb, session_id: id }) => id === sessionId && verb !== 'keepalive' && verb !== 'destroy' ? { janus: 'error', error: { code, reason: 'as told' } } : 'answer'
    say(client, { janus: 'message', session_id: sessionId, handle_id: handleId, transaction: 'm', body: { request: 'exists' } })
    t.match(await hear(client), { janus: 'error', transaction: 'm', session_id: sessionId, error: { code, reason: 'as told' } })
    if (code === 458) t.match(await client.closed, { code: 4001 }, 'a session that is gone is begun anew')
    t.ok(await attach(other, others))
  })
}

t.test('a create that is refused', async (t) => {
  const { join, server } = await start(t)
  await server.receive('create')
  server.onRequest = ({ janus: verb }) => verb === 'create' ? { janus: 'error', error: { code: 468, reason: 'Session ID already in use' } } : 'answer'
  const whole = await join()
  say(whole, { janus: 'create', transaction: 'c' })
  t.match(await hear(whole), { janus: 'error', transaction: 'c', error: { code: 468 } })
  const plain = await join()
  say(plain, { body: {} })
  t.match(await plain.closed, { code: 1013, reason: 'Janus: Session ID already in use' })
  server.onRequest = () => 'answer'
  t.ok(await create(whole), 'it may be tried again')
})

t.test('what Janus does not answer in time is an error, and holds nobody up', async (t) => {
  const clock = new ManualClock()
  const { join, server, app } = await start(t, { clock, driver: { requestMs: 3_000 } })
  const client = await join()
  const sessionId = await create(client)
  const handleId = await attach(client, sessionId)
  server.onRequest = ({ janus: verb, body }) => verb === 'message' && (body as { n: number }).n === 1 ? 'ignore' : 'answer'
  for (const n of [1, 2]) say(client, { janus: 'message', session_id: sessionId, handle_id: handleId, transaction: `m${n}`, body: { request: 'exists', n } })
  await server.receive('message')
  t.ok(app.trunkline.stats().trunk.underWayBytes > 0)
  clock.advance(4_000)
  t.match([await hear(client), await hear(client)], [{ janus: 'error', transaction: 'm1', error: { code: 490 } }, { janus: 'success', transaction: 'm2' }])
  t.equal(app.trunkline.stats().trunk.underWayBytes, 0)
})

t.test('a Janus that freezes is left, and everything waits for it', async (t) => {
  const clock = new ManualClock()
  const { join, server, app } = await start(t, { clock, heartbeat: { trunkMs: 1_000 } })
  const client = await join()
  const sessionId = await create(client)
  const handleId = await attach(client, sessionId)
  const down = trunkState(app, 'down')
  server.freeze()
  say(client, { janus: 'message', session_id: sessionId, handle_id: handleId, transaction: 'm', body: { request: 'exists' } })
  for (let beats = 0; beats < 4; beats++) clock.advance(1_000)
  await down
  t.match(app.trunkline.trunk, { cause: { reason: 'heartbeat missed' } })
  const up = trunkState(app, 'up')
  server.thaw()
  clock.advance(100)
  await up
  t.match(await hearThat(client, ({ transaction }) => transaction === 'm'), { janus: 'success' })
  t.equal(server.sockets, 1)
})

t.test('a Janus that lets nobody claim anything', async (t) => {
  const { join, server, app } = await start(t)
  const clients = await Promise.all(Array.from({ length: 20 }, () => join()))
  await Promise.all(clients.map(create))
  server.onRequest = ({ janus: verb, session_id: id }) => verb === 'claim' ? { janus: 'error', session_id: id, error: { code: 458, reason: `No such session ${String(id)}` } } : 'answer'
  server.cut()
  for (const { code } of await Promise.all(clients.map(({ closed }) => closed))) t.equal(code, 4001)
  t.equal(app.trunkline.peers.size, 0)
})

t.test('sessions are kept alive, each in its own time', async (t) => {
  const clock = new ManualClock()
  const { join, server } = await start(t, { clock, fake: { info: { 'reclaim-session-timeout': 30, 'session-timeout': 60 } }, heartbeat: { trunkMs: 1_000_000, clientMs: 1_000_000 } })
  const clients = await Promise.all(Array.from({ length: 64 }, () => join()))
  const sessions = await Promise.all(clients.map(create))
  // A third of the shorter one is 10 s; nobody is left alone for longer than one and a half of these.
  const last = new Map(sessions.map((id) => [id, clock.now()]))
  let longest = 0
  let most = 0
  for (let step = 0; step < 400; step++) {
    clock.advance(100)
    await new Promise(setImmediate)
    await new Promise(setImmediate)
    const heard = server.takeAll().filter(({ verb }) => verb === 'keepalive')
    most = Math.max(most, heard.length)
    for (const { request } of heard) {
      const id = request.session_id as number
      longest = Math.max(longest, clock.now() - (last.get(id) ?? clock.now()))
      last.set(id, clock.now())
    }
  }
  t.ok(longest > 5_000 && longest <= 15_500, `the longest silence was ${longest} ms`)
  t.ok(most <= 8, `${most} at once at most`)
  for (const id of sessions) t.ok(clock.now() - last.get(id)! <= 15_500)
})

t.test('a session that Janus ends', async (t) => {
  const { join, server } = await start(t)
  const client = await join()
  const sessionId = await create(client)
  server.expire(sessionId)
  t.match(await hear(client), { janus: 'timeout', session_id: sessionId })
  t.match(await client.closed, { code: 4001 })
})

t.test('a client that says more than Janus takes is not read for a while, and loses nothing', async (t) => {
  const { join, server, app } = await start(t, { limits: { messagesPerSecond: 100_000, messageBurst: 100_000, uplinkQueueBytes: 8 * 1024 } })
  const client = await join()
  const sessionId = await create(client)
  const handleId = await attach(client, sessionId)
  const held: Array<() => void> = []
  server.onRequest = ({ janus: verb }) => verb === 'message' ? (carryOut) => { held.push(carryOut) } : 'answer'
  const COUNT = 500
  for (let n = 0; n < COUNT; n++) say(client, { janus: 'message', session_id: sessionId, handle_id: handleId, transaction: `m${n}`, body: { request: 'exists', n, fill: 'x'.repeat(200) } })
  await server.receive('message')
  server.onRequest = () => 'answer'
  t.ok(app.trunkline.stats().bufferedBytes < 400 * 1024)
  held[0]!()
  for (let n = 0; n < COUNT; n++) t.match(await hear(client), { janus: 'success', transaction: `m${n}` })
})

t.test('what Janus makes when nobody waits for it any more is not left there', async (t) => {
  const clock = new ManualClock()
  const { join, server } = await start(t, { clock, heartbeat: { trunkMs: 1_000_000, clientMs: 1_000_000 }, driver: { requestMs: 3_000 } })
  const client = await join()
  const sessionId = await create(client)
  let carryOut = (): void => {}
  server.onRequest = ({ janus: verb }) => verb === 'attach' || verb === 'create' ? (act) => { carryOut = act } : 'answer'
  say(client, { janus: 'attach', session_id: sessionId, plugin: 'janus.plugin.videoroom', transaction: 'a' })
  await server.receive('attach')
  clock.advance(4_000)
  t.match(await hear(client), { janus: 'error', transaction: 'a', error: { code: 490 } })
  carryOut()
  await server.receive('detach')
  t.equal(server.sessions.get(sessionId)?.size, 0)
  const other = await join()
  const creates = server.receive('create', ({ request }) => (request.transaction as string).endsWith('|c'))
  say(other, { janus: 'create', transaction: 'c' })
  await creates
  clock.advance(4_000)
  t.match(await hear(other), { janus: 'error', transaction: 'c', error: { code: 490 } })
  carryOut()
  await server.receive('destroy')
  t.equal(server.sessions.size, 2)
})
