import t from 'tap'
import { calls, trunkState } from '../../support.js'
import { attach, create, hear, hearThat, say, start } from './support.js'

t.test('a client that speaks the Janus API', async (t) => {
  const { join, server, app } = await start(t)
  const client = await join({ roomId: 'room', peerId: 'alice' })
  const sessionId = await create(client)
  const handleId = await attach(client, sessionId)
  const attached = await server.receive('attach')
  t.match(attached.request, { opaque_id: 'alice', plugin: 'janus.plugin.videoroom', apisecret: 'secret' })

  say(client, { janus: 'message', session_id: sessionId, handle_id: handleId, transaction: 'm1', body: { request: 'exists', room: 1 }, token: 'x', apisecret: 'stolen', id: 7 })
  t.match(await hear(client), { janus: 'success', transaction: 'm1', session_id: sessionId, sender: handleId })
  const { request } = await server.receive('message')
  t.same(Object.keys(request).sort(), ['apisecret', 'body', 'handle_id', 'janus', 'session_id', 'transaction'], 'nothing that the client added')
  t.equal(request.apisecret, 'secret')

  say(client, { janus: 'keepalive', session_id: sessionId, transaction: 'k' })
  t.same(await hear(client), { janus: 'ack', session_id: sessionId, transaction: 'k' })
  say(client, { janus: 'ping', transaction: 'p' })
  t.same(await hear(client), { janus: 'pong', transaction: 'p' })
  say(client, { janus: 'message', session_id: sessionId, handle_id: handleId, transaction: 'm2', body: { request: 'join' } })
  t.match([await hear(client), await hear(client)], [{ janus: 'ack', transaction: 'm2' }, { janus: 'event', transaction: 'm2', sender: handleId }])
  server.event(sessionId, handleId, { videoroom: 'event', joining: { id: 2 } })
  t.match(await hear(client), { janus: 'event', sender: handleId, plugindata: { data: { joining: { id: 2 } } } })
  say(client, { janus: 'destroy', session_id: sessionId, transaction: 'd' })
  t.match(await hear(client), { janus: 'success', transaction: 'd' })
  t.equal(server.sessions.size, 1, "the driver's own is left")
  t.equal(server.sockets, 1)
  t.equal(app.trunkline.stats().trunk.sockets, 1)
})

t.test('what a client may not say to Janus, it hears from us', async (t) => {
  const { join, server } = await start(t)
  const [alice, mallory] = [await join(), await join()]
  const [hers, his] = [await create(alice), await create(mallory)]
  const handle = await attach(alice, hers)
  const own = await attach(mallory, his)
  await Promise.all([server.receive('attach'), server.receive('attach')])
  const deep = '['.repeat(100) + ']'.repeat(100)
  const bad: Array<[string, number]> = [
    [JSON.stringify({ janus: 'message', session_id: hers, handle_id: handle, transaction: 't', body: {} }), 458],
    [JSON.stringify({ janus: 'message', session_id: his, handle_id: handle, transaction: 't', body: {} }), 459],
    [JSON.stringify({ janus: 'destroy', session_id: hers, transaction: 't' }), 458],
    [JSON.stringify({ janus: 'claim', session_id: hers, transaction: 't' }), 453],
    [JSON.stringify({ janus: 'info', transaction: 't' }), 453],
    [JSON.stringify({ janus: 'create', id: hers, transaction: 't' }), 468],
    [JSON.stringify({ janus: 'attach', session_id: his, plugin: 'janus.plugin.streaming', transaction: 't' }), 405],
    [JSON.stringify({ janus: 'keepalive', session_id: his }), 456],
    [JSON.stringify({ janus: 'keepalive', session_id: his, transaction: 'x'.repeat(300) }), 467],
    [JSON.stringify({ janus: 'message', session_id: his, handle_id: own, transaction: 't', body: 'text' }), 467],
    [JSON.stringify({ janus: 'message', session_id: his, handle_id: own, transaction: 't', body: {}, jsep: 'text' }), 467],
    ['{"janus":"keepalive","transaction":"t"}{"janus":"keepalive","transaction":"t"}', 454],
    ['not json', 454],
    ['[]', 455],
    [`{"janus":"message","session_id":${his},"handle_id":${own},"transaction":"t","body":{"a":${deep}}}`, 454],
    [`{"janus":"message","session_id":${his},"handle_id":${own},"transaction":"t","body":{"a":"\\u0000"}}`, 454],
    [`{"janus":"message","session_id":${his},"handle_id":${own},"transaction":"t","body":{"a":"\\ud800"}}`, 454],
    [`{"janus":"message","session_id":${his},"handle_id":${own},"transaction":"t","body":{"a":9223372036854775808}}`, 454]
  ]
  for (const [text, code] of bad) {
    mallory.send(text)
    t.match(await hear(mallory), { janus: 'error', error: { code } }, text.slice(0, 100))
  }
  mallory.send(`{"janus":"message","session_id":${his},"handle_id":${own},"transaction":"t","body":{},"session_id":${hers}}`)
  t.match(await hear(mallory), { error: { code: 458 } }, 'of a key that comes twice the last counts, and is the only one')
  t.equal(server.takeAll().filter(({ verb }) => verb === 'message' || verb === 'claim' || verb === 'destroy').length, 0, 'Janus has heard of none of it')
})

t.test('a plain client', async (t) => {
  const { join, server } = await start(t)
  const client = await join({ roomId: 'room', peerId: 'bob' })
  say(client, { body: { request: 'join', room: 1 }, transaction: 'j' })
  say(client, { candidate: { completed: true } })
  t.match(await hear(client), { body: {}, transaction: 'j' })
  t.match((await server.receive('attach')).request, { opaque_id: 'bob' })
  t.match((await server.receive('trickle')).request, { candidate: { completed: true } })
  const [[sessionId, handles]] = [...server.sessions].filter(([, handles]) => handles.size > 0) as [[number, Map<number, unknown>]]
  server.event(sessionId, [...handles.keys()][0]!, { videoroom: 'event' }, { type: 'offer', sdp: 'v=0' })
  t.same(await hear(client), { body: { videoroom: 'event' }, jsep: { type: 'offer', sdp: 'v=0' } })
  server.say(JSON.stringify({ janus: 'webrtcup', session_id: sessionId, sender: [...handles.keys()][0] }))
  t.same(await hear(client), { janus: 'webrtcup' })
  say(client, { nonsense: true })
  t.match(await hear(client), { janus: 'error', error: { code: 456 } })
  await client.close()
  await server.receive('destroy')
})

t.test('messages of one handle are said one after the other, those of others beside them', async (t) => {
  const { join, server } = await start(t)
  const client = await join()
  const sessionId = await create(client)
  const [one, two] = [await attach(client, sessionId), await attach(client, sessionId)]
  const held: Array<() => void> = []
  server.onRequest = ({ janus: verb, handle_id: handle }) => verb === 'message' && handle === one ? (carryOut) => { held.push(carryOut) } : 'answer'
  const message = (handle: number, n: number): void => say(client, { janus: 'message', session_id: sessionId, handle_id: handle, transaction: `${handle}-${n}`, body: { request: 'exists', n } })
  message(one, 1)
  message(one, 2)
  say(client, { janus: 'trickle', session_id: sessionId, handle_id: one, transaction: 'trickle', candidate: {} })
  message(two, 1)
  t.match(await hear(client), { transaction: `${two}-1` })
  t.equal(held.length, 1, 'the second waits for the first')
  held.shift()!()
  t.match(await hear(client), { transaction: `${one}-1` })
  await server.receive('message', ({ request }) => (request.body as { n: number }).n === 2 && request.handle_id === one)
  t.equal(server.takeAll().filter(({ verb }) => verb === 'trickle').length, 0, 'and what is behind it for the second')
  held.shift()!()
  t.match(await hear(client), { transaction: `${one}-2` })
  t.match(await hear(client), { janus: 'ack', transaction: 'trickle' })
})

t.test('the trunk is lost, and comes back', async (t) => {
  const notified = calls<[{ type: string, payload: unknown }]>(1)
  const { join, server, app } = await start(t, { hooks: { onNotification: notified.fn } })
  const whole = await join({ roomId: 'room', peerId: 'whole' })
  const plain = await join({ roomId: 'room', peerId: 'plain' })
  const sessionId = await create(whole)
  const handleId = await attach(whole, sessionId)
  say(plain, { body: { request: 'exists' } })
  await hear(plain)
  const before = [...server.sessions.keys()]
  // Never answered: nobody knows whether it was done.
  server.onRequest = ({ janus: verb }) => verb === 'message' || verb === 'trickle' ? 'ignore' : 'answer'
  const message = (transaction: string, request: string): void => say(whole, { janus: 'message', session_id: sessionId, handle_id: handleId, transaction, body: { request } })
  message('unknown', 'configure')
  await server.receive('message', ({ request }) => (request.body as { request: string }).request === 'configure')
  const down = trunkState(app, 'down')
  server.cut()
  await down
  message('queued', 'exists')
  say(plain, { body: { request: 'exists' }, transaction: 'queued' })
  server.onRequest = () => 'answer'
  t.match(await hearThat(whole, ({ transaction }) => transaction === 'unknown'), { janus: 'error', error: { code: 490 } })
  t.match(await hear(whole), { janus: 'event', sender: handleId, plugindata: { plugin: 'janus.plugin.videoroom', data: { trunkline: 'resync' } } })
  t.match(await hear(whole), { janus: 'success', transaction: 'queued' })
  t.match([await hear(plain), await hear(plain)], [{ trunkline: 'resync' }, { transaction: 'queued' }])
  t.same([...server.sessions.keys()], before, 'with the sessions of before, the own one too')
  const [[notification]] = await notified.seen as [[{ type: string, payload: { peerIds: string[] } }]]
  t.equal(notification.type, 'janus.resync')
  t.same(notification.payload.peerIds.sort(), ['plain', 'whole'])
  t.equal(server.sockets, 1)
})

t.test('what asks for something is asked again', async (t) => {
  const { join, server, app } = await start(t)
  const client = await join()
  const sessionId = await create(client)
  server.onRequest = () => 'ignore'
  say(client, { janus: 'attach', session_id: sessionId, plugin: 'janus.plugin.videoroom', transaction: 'attach' })
  await server.receive('attach')
  const down = trunkState(app, 'down')
  server.cut()
  await down
  server.onRequest = () => 'answer'
  t.match(await hear(client), { janus: 'success', transaction: 'attach' })
})

t.test('a Janus that is restarted', async (t) => {
  const { join, server, app } = await start(t)
  const client = await join()
  await create(client)
  server.restart()
  t.match(await client.closed, { code: 4001 })
  const again = await join()
  await create(again)
  t.equal(server.sessions.size, 2)
  t.equal(app.trunkline.peers.size, 1)
})

t.test('who leaves is gone for Janus too', async (t) => {
  const { join, server } = await start(t)
  const client = await join()
  const sessionId = await create(client)
  await client.cut()
  t.match((await server.receive('destroy')).request, { session_id: sessionId })
  const early = await join()
  server.onRequest = ({ janus: verb }) => verb === 'create' ? (carryOut) => { early.cut().then(carryOut, () => {}) } : 'answer'
  say(early, { janus: 'create', transaction: 'c' })
  await server.receive('destroy')
  t.equal(server.sessions.size, 1)
})

t.test('a wrong secret is said, and the app goes on trying', async (t) => {
  const { app, log, server } = await start(t, { fake: { apiSecret: 'other' } })
  await trunkState(app, 'down')
  t.match(app.trunkline.trunk, { cause: { code: 4401, reason: 'Janus does not accept the secret (403)' } })
  t.ok(log.some(({ msg }) => /does not let the backend in/.test(msg as string)))
  t.notMatch(JSON.stringify(log), /"secret"/)
  t.ok(server.accepted > 0)
})
