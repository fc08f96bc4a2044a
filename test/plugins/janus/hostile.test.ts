import t from 'tap'
import { ManualClock } from '../../../lib/testing/index.js'
import type { FakeJanus } from '../../../lib/testing/index.js'
import { attach, create, hear, hearThat, say, start } from './support.js'

const NEVER = 2 ** 31 - 1
const heartbeat = { clientMs: NEVER, trunkMs: NEVER }

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const until = async (holds: () => boolean): Promise<void> => { while (!holds()) await tick() }

/** Has requests of one kind wait until they are let go. */
function hold (server: FakeJanus, isHeld: (verb: string, sessionId: number | undefined) => boolean): Array<() => void> {
  const held: Array<() => void> = []
  server.onRequest = ({ janus: verb, session_id: id }) => isHeld(verb, id) ? (carryOut) => { held.push(carryOut) } : 'answer'
  return held
}

t.test('what Janus says of a session that its client has ended does not end the one after it', async (t) => {
  const clock = new ManualClock()
  const { join, server } = await start(t, { clock, heartbeat, driver: { keepaliveMs: 1_000, requestMs: 60_000 } })
  const client = await join()
  const first = await create(client)
  const held = hold(server, (verb, id) => verb === 'keepalive' && id === first)
  clock.advance(3_000)
  await until(() => held.length > 0)
  // Two of them, though one would have done.
  for (const transaction of ['d1', 'd2']) say(client, { janus: 'destroy', session_id: first, transaction })
  t.match(await hear(client), { janus: 'success', transaction: 'd1' })
  t.match(await hear(client), { janus: 'error', transaction: 'd2', error: { code: 458 } })
  const second = await create(client)
  for (const carryOut of held) carryOut()
  t.ok(await attach(client, second))
  t.equal(client.socket.readyState, client.socket.OPEN)
})

t.test('what waits for a handle is answered when that is no more, and the client is read again', async (t) => {
  const { join, server } = await start(t, { heartbeat, limits: { uplinkQueueBytes: 8 * 1024, messagesPerSecond: 100_000, messageBurst: 100_000 } })
  const client = await join()
  for (const end of ['destroy', 'detached'] as const) {
    const sessionId = await create(client)
    const handleId = await attach(client, sessionId)
    const held = hold(server, (verb) => verb === 'message' || verb === 'destroy')
    const message = (n: number): void => say(client, { janus: 'message', session_id: sessionId, handle_id: handleId, transaction: `m${n}`, body: { fill: 'x'.repeat(1_000) } })
    for (let n = 0; n < 5; n++) message(n)
    if (end === 'destroy') say(client, { janus: 'destroy', session_id: sessionId, transaction: 'd' })
    for (let n = 5; n < 12; n++) message(n)
    await until(() => held.length === (end === 'destroy' ? 2 : 1))
    for (let n = 0; n < 20; n++) await tick()
    if (end === 'destroy') held[1]!()
    else server.tell({ janus: 'detached', session_id: sessionId, sender: handleId })
    // Whether it is told what waited before or after, it is told of each.
    const failed = new Set<unknown>()
    while (failed.size < 11) {
      const { janus, transaction, error } = await hear(client)
      if (janus === 'error') t.ok([458, 459].includes(error.code as number) && !failed.has(transaction))
      if (janus === 'error') failed.add(transaction)
    }
    server.onRequest = () => 'answer'
    say(client, { janus: 'ping', transaction: 'p' })
    await hearThat(client, ({ janus }) => janus === 'pong')
    if (end === 'detached') {
      say(client, { janus: 'destroy', session_id: sessionId, transaction: 'd' })
      await hearThat(client, ({ transaction }) => transaction === 'd')
    }
  }
})

t.test('closing waits for a session that is on its way, to end that too', async (t) => {
  const { join, server, app } = await start(t)
  await server.receive('create')
  const client = await join()
  const held = hold(server, (verb) => verb === 'create')
  say(client, { janus: 'create', transaction: 'c' })
  await until(() => held.length === 1)
  const closed = app.close()
  await client.closed
  // Of the backend's own session, which is the last.
  await server.receive('destroy')
  for (let n = 0; n < 20; n++) await tick()
  held[0]!()
  await closed
  t.equal(server.sessions.size, 0)
})

t.test('an answer that is nested too deeply to be passed on ends one client', async (t) => {
  const { join, server } = await start(t)
  const [client, other, plain] = [await join(), await join(), await join()]
  const sessionId = await create(client)
  const others = await create(other)
  const handleId = await attach(client, sessionId)
  const deep = '['.repeat(100_000) + ']'.repeat(100_000)
  server.onRequest = ({ janus: verb }) => verb === 'message' ? 'ignore' : 'answer'
  const answer = async (): Promise<void> => {
    const { request: { transaction, session_id: id } } = await server.receive('message')
    // Spelled in a way that has to be written anew.
    server.say(`{"janus":"success","plugindata":{"plugin":"p","data":${deep}},"session_id":${id!},"transaction" : ${JSON.stringify(transaction)}}`)
  }
  say(client, { janus: 'message', session_id: sessionId, handle_id: handleId, transaction: 'm', body: {} })
  await answer()
  t.match(await client.closed, { code: 1011 })
  say(plain, { body: {} })
  await answer()
  t.match(await plain.closed, { code: 1011 })
  t.ok(await attach(other, others))
})

t.test('what a plain client says before there is a handle counts', async (t) => {
  const { join, server, app } = await start(t, { heartbeat, limits: { uplinkQueueBytes: 8 * 1024, messagesPerSecond: 100_000, messageBurst: 100_000 } })
  await server.receive('create')
  const held = hold(server, (verb) => verb === 'attach')
  const client = await join()
  const COUNT = 30
  for (let n = 0; n < COUNT; n++) say(client, { body: { n, fill: 'x'.repeat(1_000) } })
  await until(() => held.length === 1)
  await until(() => app.trunkline.stats().bufferedBytes >= 8 * 1024)
  for (let n = 0; n < 20; n++) await tick()
  t.ok(server.takeAll().filter(({ verb }) => verb === 'message').length === 0)
  held[0]!()
  const heard = new Set<unknown>()
  while (heard.size < COUNT) heard.add((await hearThat(client, ({ body }) => body !== undefined)).body.n)
  t.same([...heard], Array.from({ length: COUNT }, (_, n) => n))
})

t.test('nothing of what a plain client says before there is a handle is lost, however much it is', async (t) => {
  const { join, server } = await start(t, { heartbeat, limits: { uplinkQueueBytes: 8 * 1024, messagesPerSecond: 100_000, messageBurst: 100_000 } })
  await server.receive('create')
  const held = hold(server, (verb) => verb === 'attach')
  const client = await join()
  const COUNT = 600
  for (let n = 0; n < COUNT; n++) say(client, { candidate: { n } })
  await until(() => held.length === 1)
  held[0]!()
  for (let n = 0; n < COUNT; n++) t.match((await server.receive('trickle')).request, { candidate: { n } })
})

t.test('there is a bound to what waits for a Janus that answers nobody', async (t) => {
  const { join, server, app } = await start(t, { heartbeat, limits: { trunkWindowBytes: 64 * 1024, trunkQueueBytes: 64 * 1024 } })
  await server.receive('create')
  const handles = []
  for (let n = 0; n < 40; n++) {
    const client = await join()
    const sessionId = await create(client)
    handles.push({ client, sessionId, handleId: await attach(client, sessionId) })
  }
  server.onRequest = () => 'ignore'
  let sentAway = 0
  for (const { client, sessionId, handleId } of handles) {
    void client.closed.then(({ code }) => { if (code === 1013) sentAway++ })
    say(client, { janus: 'message', session_id: sessionId, handle_id: handleId, transaction: 'm', body: { fill: 'x'.repeat(15_000) } })
  }
  await until(() => sentAway > 0)
  t.ok(app.trunkline.stats().trunk.waitingBytes < 4 * 64 * 1024 + 20 * 1024)
})
