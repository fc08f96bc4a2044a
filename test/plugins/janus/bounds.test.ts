import t from 'tap'
import { ManualClock } from '../../../lib/testing/index.js'
import { trunkState } from '../../support.js'
import { attach, create, hear, hearThat, say, start } from './support.js'

const NEVER = 2 ** 31 - 1
const heartbeat = { clientMs: NEVER, trunkMs: NEVER }
const limits = { messagesPerSecond: 1_000_000, messageBurst: 1_000_000 }

t.test('more sessions than are claimed at once all go on', async (t) => {
  const SESSIONS = 300
  const { join, server, app } = await start(t, { heartbeat })
  const clients = await Promise.all(Array.from({ length: SESSIONS }, () => join()))
  const sessions = await Promise.all(clients.map(create))
  let [underWay, most] = [0, 0]
  server.onRequest = ({ janus: verb }) => {
    if (verb !== 'claim') return 'answer'
    most = Math.max(most, ++underWay)
    return (carryOut) => setImmediate(() => {
      underWay--
      carryOut()
    })
  }
  const down = trunkState(app, 'down')
  server.cut()
  await down
  const handles = await Promise.all(clients.map((client, n) => attach(client, sessions[n]!)))
  t.equal(new Set(handles).size, SESSIONS)
  t.ok(most > 64 && most <= 128, `${most} at once`)
})

t.test('what Janus has not answered is bounded in number too', async (t) => {
  const TRICKLES = 1_500
  const { join, server } = await start(t, { heartbeat, limits: { ...limits, trunkWindowBytes: 16 * 1024 * 1024, uplinkQueueBytes: 16 * 1024 * 1024 } })
  const client = await join()
  const sessionId = await create(client)
  const handleId = await attach(client, sessionId)
  const held: Array<() => void> = []
  server.onRequest = ({ janus: verb }) => verb === 'trickle' ? (carryOut) => { held.push(carryOut) } : 'answer'
  for (let n = 0; n < TRICKLES; n++) say(client, { janus: 'trickle', session_id: sessionId, handle_id: handleId, transaction: `t${n}`, candidate: {} })
  for (let n = 0; n < 1_024; n++) await server.receive('trickle')
  // Answered by the backend itself, behind all of them.
  say(client, { janus: 'ping', transaction: 'last' })
  t.match(await hear(client), { janus: 'pong' })
  t.equal(held.length, 1_024)
  held.shift()!()
  await server.receive('trickle')
  t.equal(held.length, 1_024)
})

t.test('no request is said a third time: it may be why the trunk is lost', async (t) => {
  const { join, server } = await start(t, { heartbeat })
  const client = await join()
  const sessionId = await create(client)
  const handleId = await attach(client, sessionId)
  let said = 0
  server.onRequest = ({ janus: verb }, socket) => {
    if (verb !== 'message') return 'answer'
    said++
    socket.terminate()
    return 'ignore'
  }
  say(client, { janus: 'message', session_id: sessionId, handle_id: handleId, transaction: 'm', body: { request: 'listparticipants' } })
  t.match(await hearThat(client, ({ transaction }) => transaction === 'm'), { janus: 'error', error: { code: 490 } })
  t.equal(said, 2)
})

t.test('a message of Janus that is too large costs the connection, and nobody a session', async (t) => {
  const { join, server, app } = await start(t, { heartbeat, driver: { receivedBytes: 2_048 } })
  const client = await join()
  const sessionId = await create(client)
  const handleId = await attach(client, sessionId)
  const down = trunkState(app, 'down')
  server.event(sessionId, handleId, { fill: 'x'.repeat(3_000) })
  await down
  t.match(await hear(client), { plugindata: { data: { trunkline: 'resync' } } })
  t.ok(await attach(client, sessionId))
})

t.test('a Janus that does not say who it is within ten seconds is given up, and tried again', async (t) => {
  const clock = new ManualClock()
  const { server, app } = await start(t, { clock, heartbeat, fake: { onRequest: () => 'ignore' }, driver: { requestMs: 60_000 } })
  await server.receive('info')
  const down = trunkState(app, 'down')
  clock.advance(10_000)
  await down
  t.match(app.trunkline.trunk, { cause: { code: 1013, reason: 'Janus has not answered within 10000 ms' } })
  server.onRequest = () => 'answer'
  clock.advance(100)
  await trunkState(app, 'up')
})

t.test('closing does not wait for a Janus that is silent: within a second the trunk is closed, and no timer is left', async (t) => {
  const clock = new ManualClock()
  const { join, server, app } = await start(t, { clock, heartbeat })
  const client = await join()
  await create(client)
  server.freeze()
  const closed = app.close()
  // From then on there is but Janus to wait for.
  await client.closed
  const isOver = (): boolean => app.trunkline.stats().trunk.sockets === 0 && clock.timers === 0
  let waitedMs = 0
  // The sockets are real, and have to keep up.
  for (; waitedMs < 3_000 && !isOver(); waitedMs += 10) {
    clock.advance(10)
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
  }
  t.ok(isOver() && waitedMs > 500 && waitedMs <= 1_000, `after ${waitedMs} ms`)
  await closed
})

t.test('closing in good order leaves no timer', async (t) => {
  const clock = new ManualClock()
  const { join, server, app } = await start(t, { clock, heartbeat })
  await create(await join())
  await app.close()
  t.equal(server.sessions.size, 0)
  t.equal(clock.timers, 0)
})
