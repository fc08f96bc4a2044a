import t from 'tap'
import { until } from '../e2e/support/until.js'
import { withoutJanus } from '../setup/janus.js'
import { BarePeer } from './support/bare-peer.js'
import { startJanusApp } from './support/janus-app.js'
import { ROOM } from './support/janus-config.js'
import { JanusServer } from './support/janus-server.js'

const TIMES = 1_000
const AT_ONCE = 8
/** Sessions whose link is lost wait so long for their client. */
const WINDOW_MS = 300

/** In turns, all the ways in which a client may go. */
const WAYS_OUT: Array<(peer: BarePeer) => Promise<unknown>> = [
  async (peer) => {
    await peer.ask({ janus: 'destroy', session_id: peer.sessionId })
    await peer.client.close()
  },
  (peer) => peer.client.close(),
  (peer) => peer.client.cut(),
  // While Janus is being asked for something.
  async (peer) => {
    const asked = peer.message({ request: 'configure', display: 'last words' }).catch(() => {})
    await peer.client.cut()
    await asked
  },
  async (peer) => {
    await peer.ask({ janus: 'detach', session_id: peer.sessionId, handle_id: peer.handleId })
    await peer.client.cut()
  }
]

t.test(`of ${TIMES} peers that come and go nothing is left`, { skip: withoutJanus() }, async (t) => {
  const janus = await JanusServer.start({ config: { 'janus.plugin.videoroom': { [`room-${ROOM.id}`]: { publishers: 10 * TIMES, notify_joining: false } } } })
  t.teardown(() => janus.stop())
  const server = await startJanusApp(t, janus, { options: { resume: { windowMs: WINDOW_MS } } })
  const { app, joined, left } = server
  await until('the trunk is up', () => app.trunkline.trunk.state === 'up')
  const before = await janus.sessions()
  t.equal(before.length, 1)
  const observer = await BarePeer.join(server, 'observer')

  let next = 0
  let most = 0
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (next < TIMES) {
      const n = next++
      const peer = await BarePeer.join(server, `peer${n}`)
      if (peer.strays.length > 0) t.fail(`${peer.name} was told what is another one's`)
      if (n % 50 === 0) most = Math.max(most, (await janus.sessions()).length)
      await WAYS_OUT[n % WAYS_OUT.length]!(peer)
    }
  }))
  t.equal(joined.length, TIMES + 1)
  t.ok(most > 2, `at most ${most} sessions were seen at once`)

  await until('the backend has let all of them go', () => app.trunkline.stats().peers === 1)
  await until('and so has Janus', async () => (await janus.sessions()).length === 2)
  const { participants } = await observer.message({ request: 'listparticipants', room: ROOM.id })
  t.equal(participants.length, 1, 'only who has stayed is in the room')
  await observer.client.close()
  await until('the last one too', async () => (await janus.sessions()).length === 1)
  t.same(await janus.sessions(), before, "the driver's own session is that of before")
  await until('all have left', () => left.length === TIMES + 1)
  t.equal(new Set(left.map(({ id }) => id)).size, TIMES + 1, 'each once')
  // Janus forgets a session before it says that it has.
  await until('all is answered', () => app.trunkline.stats().trunk.underWayBytes === 0)
  t.match(app.trunkline.stats(), { peers: 0, detached: 0, trunk: { state: 'up', sockets: 1, waitingBytes: 0, waitingPeers: 0, underWayBytes: 0 } })
  t.equal(janus.connections(), 1, 'over one connection')
})
