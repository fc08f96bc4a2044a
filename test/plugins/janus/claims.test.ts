import t from 'tap'
import { ManualClock, fakeFrame } from '../../../lib/testing/index.js'
import { startEndpoint } from '../../endpoint-server.js'
import { JanusClient, createSession, down } from '../../janus-client.js'
import type { Message } from '../../janus-client.js'
import { startApp, startMediaServer } from '../../support.js'
import { ROOM, detached, gone, heartbeat, noSuch, start, tick, token } from './links.js'

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
