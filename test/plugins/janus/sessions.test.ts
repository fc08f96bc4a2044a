import t from 'tap'
import { LinkClient, joinLink } from '../../link-client.js'
import { calls, trunkState } from '../../support.js'
import { create, hear, say, start } from './support.js'

const plain = (request: string): string => JSON.stringify({ body: { request }, transaction: request })

t.test('a session of our own client outlives its link and the trunk, and is one session at Janus', async (t) => {
  const { server, app, ...rest } = await start(t)
  const stage = { server, app, ...rest }
  const { link, joined } = await joinLink(t, stage, { roomId: 'room', peerId: 'p' })
  link.event(plain('exists'))
  t.match(JSON.parse(await link.text()), { transaction: 'exists' })
  t.equal(await link.acked(), 1)
  const [sessionId, handles] = [...server.sessions].find(([, handles]) => handles.size > 0)!
  const [handleId] = handles.keys()

  await link.client.cut()
  server.event(sessionId, handleId!, { while: 'away' })
  const again = await joinLink(t, stage, { roomId: 'room', peerId: 'p' }, { peerId: 'p', key: joined.key, received: 1 })
  t.match(again.joined, { resumed: true, received: 1 })
  t.match(JSON.parse(await again.link.text()), { body: { while: 'away' } })

  const down = trunkState(app, 'down')
  server.cut()
  await down
  await again.link.heard('rejoin')
  const rejoined = await again.link.join({ roomId: 'room', peerId: 'p' }, { peerId: 'p', key: joined.key, received: 2 })
  t.match(rejoined, { resumed: true, received: 1 })
  t.same(JSON.parse(await again.link.text()), { trunkline: 'resync' })
  again.link.event(plain('list'))
  t.match(JSON.parse(await again.link.text()), { transaction: 'list' })
  t.equal(server.sessions.size, 2, 'its own, and that of the backend')
  again.link.control({ type: 'leave' })
  t.match((await server.receive('destroy')).request, { session_id: sessionId })
})

t.test('who does not come back while the trunk is away is gone for Janus when it is there again', async (t) => {
  const left = calls(1)
  const { server, app, ...rest } = await start(t, { hooks: { onPeerLeave: left.fn } })
  const { link } = await joinLink(t, { server, app, ...rest } as never, { roomId: 'room', peerId: 'p' })
  link.event(plain('exists'))
  await link.text()
  let answer = (): void => {}
  server.onRequest = ({ janus: verb }) => verb === 'info' ? (carryOut) => { answer = carryOut } : 'answer'
  const down = trunkState(app, 'down')
  server.cut()
  await down
  link.control({ type: 'leave' })
  await left.seen
  await server.receive('info', ({ socket }) => socket.readyState === socket.OPEN)
  server.onRequest = () => 'answer'
  answer()
  await server.receive('destroy')
  t.equal(server.sessions.size, 1)
})

t.test('a Janus that is restarted: our own client is told that its session begins anew', async (t) => {
  const stage = await start(t)
  const { link, joined } = await joinLink(t, stage, { roomId: 'room', peerId: 'p' })
  link.event(plain('exists'))
  await link.text()
  stage.server.restart()
  await link.heard('rejoin')
  t.match(await link.join({ roomId: 'room', peerId: 'p' }, { peerId: 'p', key: joined.key, received: 1 }), { resumed: false, received: 0 })
  link.event(plain('exists'))
  t.match(JSON.parse(await link.text()), { transaction: 'exists' })
  t.equal(stage.server.sessions.size, 2)
})

t.test('the window of a link that does not come back ends its session at Janus', async (t) => {
  const { server, ...rest } = await start(t, { resume: { windowMs: 50 } })
  const link = await LinkClient.connect(rest)
  await link.join({ roomId: 'room', peerId: 'p' })
  link.event(plain('exists'))
  await link.text()
  await link.client.cut()
  await server.receive('destroy')
  t.equal(server.sessions.size, 1)
})

t.test('a newer link of the same peer gets a session of its own, and the old one ends', async (t) => {
  const { join, server } = await start(t)
  const old = await join({ roomId: 'room', peerId: 'p' })
  const first = await create(old)
  const young = await join({ roomId: 'room', peerId: 'p' })
  t.match(await old.closed, { code: 4409 })
  t.match((await server.receive('destroy')).request, { session_id: first })
  t.ok(await create(young))
  t.equal(server.sessions.size, 2)
})

t.test('closing ends all sessions at Janus', async (t) => {
  const { join, server, app } = await start(t)
  for (let n = 0; n < 30; n++) await create(await join())
  t.equal(server.sessions.size, 31)
  await app.close()
  t.equal(server.sessions.size, 0)
  t.equal(server.sockets, 0)
})

t.test('peers that come and go leave nothing behind', async (t) => {
  const { join, server, app } = await start(t)
  for (let n = 0; n < 200; n++) {
    const client = await join()
    if (n % 3 === 0) say(client, { body: { request: 'exists' } })
    else if (n % 3 === 1) say(client, { janus: 'create', transaction: 'c' })
    if (n % 4 === 0 && n % 3 !== 2) await hear(client)
    await client.cut()
  }
  const last = await join()
  await create(last)
  const isEmpty = (): boolean => server.sessions.size === 2 && app.trunkline.peers.size === 1
  while (!isEmpty()) await server.receive('destroy')
  t.pass('only those of the last one and the backend are left')
})
