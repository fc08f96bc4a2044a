import t from 'tap'
import { FakeClient, ManualClock } from '../../lib/testing/index.js'
import { startEndpoint } from '../endpoint-server.js'
import { joinLink } from '../link-client.js'
import { calls, startApp } from '../support.js'

// Time is moved without giving pongs time to come.
const heartbeat = { clientMs: 2 ** 31 - 1, trunkMs: 2 ** 31 - 1 }

t.test('before its token is too old a client is asked for another, in-band, and goes on', async (t) => {
  const clock = new ManualClock()
  const server = await startEndpoint(t, { heartbeatMs: heartbeat.trunkMs })
  const app = await startApp(t, server.options, { clock, heartbeat, token: { refreshMs: 10_000, graceMs: 5_000 } })
  const expiresAt = clock.now() + 60_000
  const { link, joined } = await joinLink(t, app, { roomId: 'room', expiresAt })
  const peer = await server.peers.take()
  clock.advance(49_999)
  t.same(link.rest().filter(({ kind, ...rest }) => kind === 'control' && (rest as { control: { type: string } }).control.type === 'rejoin'), [])
  clock.advance(1)
  t.match(await link.heard('rejoin'), { reason: 'token' })
  peer.send('on its way')
  t.equal(await link.text(), 'on its way')
  const again = await link.join({ roomId: 'room', expiresAt: expiresAt + 60_000 }, { peerId: joined.peerId, key: joined.key, received: 1 })
  t.match(again, { resumed: true, received: 0 })
  clock.advance(20_000)
  t.equal(app.app.trunkline.peers.get(joined.peerId)?.state, 'joined', 'the old end does not count any more')
})

t.test('who brings no other token in its grace is closed with 4401', async (t) => {
  const clock = new ManualClock()
  const server = await startEndpoint(t, { heartbeatMs: heartbeat.trunkMs })
  const left = calls(1)
  const app = await startApp(t, server.options, { clock, heartbeat, token: { refreshMs: 10_000, graceMs: 5_000 }, hooks: { onPeerLeave: left.fn } })
  const { link, joined } = await joinLink(t, app, { roomId: 'room', expiresAt: clock.now() + 60_000 })
  clock.advance(64_999)
  t.equal(app.app.trunkline.peers.get(joined.peerId)?.state, 'joined')
  clock.advance(1)
  t.same(await link.closed, { code: 4401, reason: 'expired token' })
  t.match((await left.seen)[0]![1], { code: 4401, cause: 'expired' })
})

t.test('a token that lives shorter than the notice is asked for at half of its life', async (t) => {
  const clock = new ManualClock()
  const server = await startEndpoint(t, { heartbeatMs: heartbeat.trunkMs })
  const app = await startApp(t, server.options, { clock, heartbeat })
  const { link } = await joinLink(t, app, { roomId: 'room', expiresAt: clock.now() + 1_000 })
  clock.advance(500)
  t.match(await link.heard('rejoin'), { reason: 'token' })
})

t.test('clients that cannot be asked end in time', async (t) => {
  const clock = new ManualClock()
  const server = await startEndpoint(t, { heartbeatMs: heartbeat.trunkMs })
  const app = await startApp(t, server.options, { clock, heartbeat })
  const plain = await app.join({ roomId: 'room', peerId: 'p', expiresAt: clock.now() + 60_000 })
  await server.peers.take()
  while (app.app.trunkline.peers.get('p')?.state !== 'joined') await new Promise((resolve) => setImmediate(resolve))
  clock.advance(59_999)
  t.equal(app.app.trunkline.peers.size, 1)
  clock.advance(1)
  t.same(await plain.closed, { code: 4401, reason: 'expired token' })
})

t.test('a session without a link does not end with its token: whoever comes back shows another', async (t) => {
  const clock = new ManualClock()
  const server = await startEndpoint(t, { heartbeatMs: heartbeat.trunkMs })
  const app = await startApp(t, server.options, { clock, heartbeat, token: { graceMs: 1 } })
  const { link, joined } = await joinLink(t, app, { roomId: 'room', expiresAt: clock.now() + 20_000 })
  const peer = await server.peers.take()
  const detached = new Promise<void>((resolve) => peer.once('detach', resolve))
  await link.client.cut()
  await detached
  clock.advance(25_000)
  const again = await joinLink(t, app, { roomId: 'room' }, { peerId: joined.peerId, key: joined.key, received: 0 })
  t.equal(again.joined.resumed, true)
})

t.test('revoke ends everybody concerned with 4401, kick one with 4410: those whose link is lost too', async (t) => {
  const server = await startEndpoint(t, { heartbeatMs: heartbeat.trunkMs })
  const app = await startApp(t, server.options)
  const identity = (peerId: string, user: string): Record<string, unknown> => ({ roomId: 'room', peerId, metadata: { user } })
  const { link } = await joinLink(t, app, identity('a', 'u'))
  const plain = await app.join(identity('b', 'u'))
  const lost = await joinLink(t, app, identity('c', 'u'))
  const other = await joinLink(t, app, identity('d', 'other'))
  const gone = await joinLink(t, app, identity('e', 'gone'))
  const peers = await Promise.all(['a', 'b', 'c', 'd', 'e'].map(async () => await server.peers.take()))
  for (const id of ['c', 'e']) {
    const peer = peers.find((each) => each.id === id)!
    const detached = new Promise<void>((resolve) => peer.once('detach', resolve))
    await (id === 'c' ? lost : gone).link.client.cut()
    await detached
  }
  const overs = peers.filter(({ id }) => 'abce'.includes(id)).map(async (peer) => await new Promise((resolve) => peer.once('close', resolve)))
  const { trunkline } = app.app
  t.throws(() => trunkline.revoke(() => { throw new Error('of the app') }), { message: 'of the app' })
  t.equal(trunkline.peers.size, 5, 'a function that throws has ended nobody')
  t.equal(trunkline.revoke((peer) => (peer.metadata as { user: string }).user === 'u', 'signed out'), 3)
  t.same(await link.closed, { code: 4401, reason: 'signed out' })
  t.equal((await plain.closed).code, 4401)
  t.equal(trunkline.kick('e'), true)
  t.equal(trunkline.kick('e'), false)
  t.match(await Promise.all(overs), [{ code: 4401 }, { code: 4401 }, { code: 4401 }, { code: 4410 }])
  t.same([...trunkline.peers].map(({ id }) => id), ['d'])

  // Who comes back with what is void is not let in again by its key.
  const back = await FakeClient.connect(`${app.base}/signaling`, { protocols: ['trunkline.link.v1'] })
  back.send(Buffer.concat([Buffer.from([0]), Buffer.from(JSON.stringify({ type: 'join', id: 1, version: 1, token: '{"roomId":"room"}', resume: { peerId: 'c', key: lost.joined.key, received: 0 } }))]))
  t.equal((await back.closed).code, 4001)
  other.link.control({ type: 'leave' })
  await other.link.closed
})
