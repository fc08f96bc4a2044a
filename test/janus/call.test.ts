import t from 'tap'
import { withoutChromium } from '../setup/chromium.js'
import { withoutJanus } from '../setup/janus.js'
import { launchBrowser } from '../e2e/support/browser.js'
import { tcpSockets, udpSockets } from '../e2e/support/proc.js'
import { throughout, until } from '../e2e/support/until.js'
import { BarePeer } from './support/bare-peer.js'
import { startJanusApp } from './support/janus-app.js'
import { JanusCaller } from './support/janus-caller.js'
import type { CallerState } from './support/janus-caller.js'
import { ROOM } from './support/janus-config.js'
import { JanusServer } from './support/janus-server.js'

const MORE_PEERS = 50
const ROUNDS = 20
const CUTS = 3
const CUT_MS = 3_000
const LINK_CUT_MS = 2_000
/** Frames that stop for so long have been noticed. */
const MAX_GAP_MS = 1_000

const isResync = ({ trunkline }: Record<string, any>): boolean => trunkline === 'resync'
/** What a page that has only been connected all the time has in common with itself. */
const lasting = ({ errors, handles, ...rest }: CallerState): object => rest

t.test('two pages with janus.js as it is, and a Janus', { skip: withoutChromium() || withoutJanus() }, async (t) => {
  const janus = await JanusServer.start({ config: { 'janus.plugin.videoroom': { [`room-${ROOM.id}`]: { publishers: 200 } } } })
  t.teardown(() => janus.stop())
  const server = await startJanusApp(t, janus, { driver: { plugins: ['janus.plugin.videoroom', 'janus.plugin.echotest'] } })
  const { app, trunk, shown, joined, left } = server
  const browser = await launchBrowser({ camera: [200, 40, 40] })
  t.teardown(() => browser.close())
  const way = await server.way()

  await until('the trunk is up', () => app.trunkline.trunk.state === 'up')
  const ann = await JanusCaller.open(browser, server, 'ann')
  const bob = await JanusCaller.open(browser, way, 'bob')
  await ann.publish()
  await bob.subscribe()
  const feed = await bob.sees()
  const pages = [ann, bob]

  await t.test('one sees the other, over one connection', async (t) => {
    t.equal(janus.connections(), 1, 'one connection')
    const sockets = [...tcpSockets(janus.pid), ...udpSockets(janus.pid)]
    t.ok(udpSockets(janus.pid).length > 0)
    t.same(sockets.filter(({ localAddress }) => localAddress !== '127.0.0.1'), [], 'on loopback alone')
    t.same([joined, shown, left], [['ann', 'bob'], ['ann', 'bob'], []], 'each was asked once who it is')
    t.ok(server.passed.up > 0 && server.passed.down > 0, 'the hooks have seen it')
    const publishers = (await bob.heard('room')).flatMap(({ publishers = [] }) => publishers as Array<{ display: string }>)
    t.same(publishers.map(({ display }) => display), ['ann'], 'under the name that the backend knows, not what the page said')
    const { sessionId } = await bob.state()
    const handles = await Promise.all((await janus.handles(sessionId!)).map((handle) => janus.handleInfo(sessionId!, handle)))
    t.same(handles.map((info) => info.opaque_id as string), ['bob', 'bob'], 'Janus knows whose handles they are')
    t.same([(await ann.state()).errors, (await bob.state()).errors], [[], []])
  })

  await t.test(`${MORE_PEERS} more peers, and still one connection`, async (t) => {
    await bob.watchFrames(feed)
    const before = await bob.frames()
    const peers = await Promise.all(Array.from({ length: MORE_PEERS }, (_, n) => BarePeer.join(server, `peer${n}`)))
    t.teardown(() => Promise.all(peers.map(({ client }) => client.cut())))
    t.equal(janus.connections(), 1)
    t.equal(app.trunkline.stats().trunk.sockets, 1)
    // Each asks for what nobody else asks for, so that an answer shows for whom it is.
    await Promise.all(peers.map(async (peer, n) => {
      for (let round = 0; round < ROUNDS; round++) {
        const room = 10_000 + n * ROUNDS + round
        const answer = await peer.message({ request: 'exists', room })
        if (answer.room !== room || answer.exists !== false) t.fail(`${peer.name} asked for ${room} and was told of ${answer.room}`)
        const { configured } = await peer.message({ request: 'configure', display: `${peer.name} ${round}` })
        if (configured !== 'ok') t.fail(`${peer.name} was not configured`)
      }
    }))
    t.same(peers.flatMap(({ strays }) => strays), [], 'nobody was told what is another one\'s')
    t.equal(new Set(peers.map(({ sessionId }) => sessionId)).size, MORE_PEERS)
    t.equal((await janus.sessions()).length, MORE_PEERS + 3, 'a session each, and the one of the driver')
    t.equal(janus.connections(), 1, 'one connection')
    t.ok(await bob.frames() > before)
    const longestMs = await bob.longestGap()
    t.ok(longestMs < MAX_GAP_MS, `the picture stood still for ${longestMs} ms at most`)
    await Promise.all(peers.map(({ client }) => client.close()))
    await until('Janus has forgotten them', async () => (await janus.sessions()).length === 3)
  })

  await t.test('the trunk is cut, and the call goes on', async (t) => {
    const sessions = await janus.sessions()
    const before = await Promise.all(pages.map(async (page) => lasting(await page.state())))
    for (let cut = 1; cut <= CUTS; cut++) {
      await bob.watchFrames(feed)
      const frames = await bob.frames()
      trunk.refuse(true)
      trunk.cut()
      await until('the backend has noticed', () => app.trunkline.trunk.state !== 'up')
      for (const page of pages) {
        await page.ask(`list ${cut}`, { request: 'listparticipants', room: ROOM.id })
        await page.ask(`configure ${cut}`, { request: 'configure', display: `${page.name} ${cut}` })
      }
      await throughout('there was a trunk', async () => app.trunkline.trunk.state !== 'up' && janus.connections() === 0 && await ann.answer(`list ${cut}`) === undefined, CUT_MS)
      const longestMs = await bob.longestGap()
      const seen = await bob.frames() - frames
      t.ok(longestMs < MAX_GAP_MS && seen > 0, `cut no. ${cut}: ${seen} frames meanwhile, none for ${longestMs} ms at most`)
      trunk.refuse(false)
      await until('the trunk is up again', () => app.trunkline.trunk.state === 'up')
      for (const page of pages) {
        const { data } = await page.answered(`list ${cut}`)
        t.same(data?.participants.map(({ display }: { display: string }) => display.split(' ')[0]).sort(), ['ann', 'bob'], `${page.name} has an answer`)
        t.same(await page.answered(`configure ${cut}`), { data: null }, 'to what was only begun, too')
        await until(`${page.name} hears how that ended`, async () => (await page.heard('room')).filter(({ configured }) => configured === 'ok').length >= cut)
        await until(`${page.name} is told to look again`, async () => (await page.heard('room')).filter(isResync).length === cut)
      }
      await until('the subscriber likewise', async () => (await bob.heard(feed)).filter(isResync).length === cut)
      t.equal(janus.connections(), 1, 'one connection again')
    }
    t.same(await Promise.all(pages.map(async (page) => lasting(await page.state()))), before, 'no page has noticed: the same session, nothing negotiated')
    t.same(await janus.sessions(), sessions, 'nor has Janus')
    t.same([joined.filter((id) => pages.some(({ name }) => name === id)), left.filter(({ id }) => pages.some(({ name }) => name === id))], [['ann', 'bob'], []], 'nor the app')
    t.equal(trunk.accepted, 1 + CUTS)
    await bob.sees()
  })

  await t.test('the link of a page is cut, and its session goes on', async (t) => {
    const { sessionId, offers, descriptions } = await bob.state()
    const timesShown = shown.filter((token) => token === 'bob').length
    await bob.watchFrames(feed)
    way.proxy.refuse(true)
    way.proxy.cut()
    await until('the backend has noticed', () => app.trunkline.peers.get('bob')?.state === 'detached')
    const guest = await BarePeer.join(server, 'guest')
    t.teardown(() => guest.client.cut())
    await until('Janus has told of the guest', async () => (await ann.heard('room')).some(({ joining }) => joining?.display === 'guest'))
    await throughout('it came back', () => app.trunkline.peers.get('bob')?.state === 'detached', LINK_CUT_MS)
    way.proxy.refuse(false)
    await until('the page is back', async () => (await bob.state()).reconnects === 1)
    t.equal(app.trunkline.peers.get('bob')?.state, 'joined')
    await until('the page hears of the guest', async () => (await bob.heard('room')).some(({ joining }) => joining?.display === 'guest'))
    t.equal((await bob.heard('room')).filter(({ joining }) => joining?.display === 'guest').length, 1, 'what Janus said meanwhile has come, once')
    t.match(await bob.state(), { sessions: 1, lost: 1, reconnects: 1, sessionId, offers, descriptions }, 'the same session, and nothing negotiated')
    t.equal(shown.filter((token) => token === 'bob').length, timesShown + 1, 'it had to show again who it is')
    await bob.ask('after', { request: 'listparticipants', room: ROOM.id })
    t.match(await bob.answered('after'), { data: { participants: Array } })
    const longestMs = await bob.longestGap()
    t.ok(longestMs < MAX_GAP_MS, `the picture stood still for ${longestMs} ms at most`)
    t.same(left.filter(({ id }) => id === 'bob'), [])
    await guest.client.close()
  })

  await t.test('link and trunk are cut together, and the session goes on', async (t) => {
    const { sessionId, reconnects, offers, descriptions } = await bob.state()
    const sessions = await janus.sessions()
    await bob.watchFrames(feed)
    for (const proxy of [way.proxy, trunk]) {
      proxy.refuse(true)
      proxy.cut()
    }
    await until('the backend has noticed', () => app.trunkline.trunk.state !== 'up')
    way.proxy.refuse(false)
    await until('the page asks for its session', () => way.proxy.connections.length > 0)
    await throughout('it was told more than is known', async () => app.trunkline.trunk.state !== 'up' && (await bob.state()).sessionId === null, LINK_CUT_MS)
    trunk.refuse(false)
    await until('the page is back', async () => (await bob.state()).reconnects > reconnects)
    t.match(await bob.state(), { sessions: 1, reconnects: reconnects + 1, sessionId, offers, descriptions }, 'the same session, and nothing negotiated')
    t.same(await janus.sessions(), sessions)
    await bob.ask('both', { request: 'listparticipants', room: ROOM.id })
    t.match(await bob.answered('both'), { data: { participants: Array } })
    const longestMs = await bob.longestGap()
    t.ok(longestMs < MAX_GAP_MS, `the picture stood still for ${longestMs} ms at most`)
    t.same(left.filter(({ id }) => id === 'bob'), [])
  })

  await t.test('several handles in one session, and another plugin', async (t) => {
    const sessions = await janus.sessions()
    await bob.enterEcho()
    t.equal(await bob.sees((name) => name === 'echo'), 'echo', 'it gets its own picture back')
    t.equal(await bob.sees((name) => name === feed), feed, 'beside the other one')
    t.same(await janus.sessions(), sessions)
    t.equal((await janus.handles((await bob.state()).sessionId!)).length, 3, 'three handles of one session')
    t.equal(janus.connections(), 1)
  })

  await t.test('in the end nothing is left of them at Janus', async (t) => {
    await Promise.all(pages.map((page) => page.close()))
    await until('Janus has forgotten them', async () => (await janus.sessions()).length === 1)
    await until('so has the backend', () => app.trunkline.stats().peers === 0)
    // Janus forgets a session before it says that it has.
    await until('all is answered', () => app.trunkline.stats().trunk.underWayBytes === 0)
    t.match(app.trunkline.stats(), { peers: 0, detached: 0, trunk: { state: 'up', sockets: 1, waitingBytes: 0, underWayBytes: 0 } })
    t.equal(janus.connections(), 1, 'the trunk stays')
  })
})
