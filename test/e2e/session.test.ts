import t from 'tap'
import type { Test } from 'tap'
import type { ChaosProxy } from 'trunkline/testing'
import { buildApp } from '../../examples/video-call/app.js'
import { withoutChromium } from '../setup/chromium.js'
import { Caller, allSeeEachOther } from './support/caller.js'
import { ChaosStack } from './support/chaos-stack.js'
import { throughout, until } from './support/until.js'

/** Each has a trunk of its own. */
const REGISTRATIONS = 2
const LINK_CUTS = 20
const TRUNK_CUTS = 5
const BACKEND_KILLS = 2
/** Of a picture that somebody looks at. */
const MAX_GAP_MS = 3_000
const COUNT_EVERY_MS = 50
/** From then on the page says that its connection is lost, and not before. */
const INTERRUPTION_MS = 1_500
const TOKEN_MS = 2_000
/** Beyond it the backend has cut a client that does not answer its goodbye. */
const FROZEN_MS = 1_500
/** Whoever is not back after so long has not even tried. */
const WATCH_MS = 1_500

t.test('sessions outlive what carries them', { skip: withoutChromium() }, async (t) => {
  const stack = await ChaosStack.start()
  t.teardown(() => stack.stop())
  const callers = await Promise.all([Caller.launch('Red', [200, 50, 40]), Caller.launch('Blue', [50, 80, 200])])
  t.teardown(() => Promise.all(callers.map(({ browser }) => browser.close())))
  const [red, blue] = callers as [Caller, Caller]

  await t.test('a call goes on while links, trunk and backend are lost', async (t) => {
    const way = await stack.way()
    for (const caller of callers) await caller.join(way, 'call')
    await allSeeEachOther(callers)
    const peerIds = callers.map(({ peerId }) => peerId)
    for (const caller of callers) await caller.watch()
    await red.watchFrames(blue)
    await blue.watchFrames(red)
    await red.listen(blue)
    await blue.listen(red)
    for (const caller of callers) await caller.count(COUNT_EVERY_MS)

    let gaps = { red: 0, blue: 0 }
    /** Does harm, and waits until both are joined again. */
    const survive = async (what: string, harm: () => void | Promise<void>): Promise<void> => {
      const before = await Promise.all(callers.map(async (caller) => (await caller.watched()).joins.length))
      const harmedAt = performance.now()
      await harm()
      for (const [index, caller] of callers.entries()) {
        await until(`${caller.name} is joined again after ${what}`, async () => {
          const { state, joins, failed, resets } = await caller.watched()
          if (failed !== null || resets > 0) throw new Error(`${caller.name} has lost its session by ${what}: ${JSON.stringify({ failed, resets })}`)
          return state === 'joined' && joins.length > before[index]!
        }, 20_000, 20)
      }
      const tookMs = Math.round(performance.now() - harmedAt)
      const longest = { red: await red.longestGap(), blue: await blue.longestGap() }
      if (longest.red > gaps.red || longest.blue > gaps.blue) t.comment(`${what}: joined again after ${tookMs} ms, longest gap so far ${longest.red} ms and ${longest.blue} ms`)
      gaps = longest
    }

    for (let cut = 0; cut < LINK_CUTS; cut++) {
      const verb = cut % 2 === 0 ? 'cut' : 'reset'
      await survive(`the ${verb} no. ${cut + 1} of the links`, () => way.proxy[verb]())
    }
    for (const caller of callers) t.equal((await caller.watched()).shownAtOnce, 0, `${caller.name} is not bothered with what is over in a moment`)
    await survive('an interruption that lasts', async () => {
      const lostAt = performance.now()
      way.proxy.refuse(true)
      way.proxy.cut()
      for (const caller of callers) await until(`${caller.name} sees it`, async () => await caller.state() === 'reconnecting', 20_000, 20)
      t.ok(performance.now() - lostAt > INTERRUPTION_MS, 'what lasts is shown')
      way.proxy.refuse(false)
    })
    await survive('a network that is gone', async () => {
      for (const { page } of callers) await page.context().setOffline(true)
      for (const caller of callers) await until(`${caller.name} waits for it`, async () => (await caller.watched()).state === 'waitingNetwork')
      for (const { page } of callers) await page.context().setOffline(false)
    })
    t.equal(stack.trunk.accepted, REGISTRATIONS, 'nothing of that was noticed by the trunks')
    for (let cut = 0; cut < TRUNK_CUTS; cut++) {
      const verb = cut % 2 === 0 ? 'cut' : 'reset'
      await survive(`the ${verb} no. ${cut + 1} of the trunks`, () => stack.trunk[verb]())
      await until('both trunks are back', () => stack.trunk.accepted >= REGISTRATIONS * (1 + cut + 1))
    }
    for (let kill = 0; kill < BACKEND_KILLS; kill++) {
      await survive(`the end no. ${kill + 1} of the backend`, () => stack.restartBackend())
      await until('both trunks are back', () => stack.trunk.accepted >= REGISTRATIONS * (1 + TRUNK_CUTS + kill + 1))
    }
    t.equal(stack.trunk.accepted, REGISTRATIONS * (1 + TRUNK_CUTS + BACKEND_KILLS), 'each loss of a trunk has cost one')

    for (const [one, other] of [[red, blue], [blue, red]] as const) {
      const said = await one.stopCounting()
      await until(`${other.name} has heard all that ${one.name} said`, async () => (await other.heard()).length >= said)
      t.same(await other.heard(), Array.from({ length: said }, (_, index) => index + 1), `${other.name} has heard all ${said} events of ${one.name}, once and in order`)
    }
    for (const [index, caller] of callers.entries()) {
      const { joins, ...watched } = await caller.watched()
      t.match(watched, { state: 'joined', resets: 0, failed: null, sameEndpoint: true }, `${caller.name} has one session and one endpoint`)
      t.match(watched, { offers: 0, descriptions: 0 }, `${caller.name} has negotiated nothing`)
      t.ok(joins.length > LINK_CUTS + TRUNK_CUTS + BACKEND_KILLS && joins.every(({ resumed }) => resumed), `${caller.name} has resumed ${joins.length} times`)
      t.same([...new Set(joins.map(({ peerId }) => peerId))], [peerIds[index]], `${caller.name} is the peer of the beginning`)
    }
    await allSeeEachOther(callers)
    for (const caller of callers) {
      const longestMs = await caller.longestGap()
      t.ok(longestMs < MAX_GAP_MS, `${caller.name} was without a new picture for ${longestMs} ms at most`)
    }
    t.match(await stack.app.health(), { trunk: 'up', trunks: 1, peers: 2, rooms: 1 }, 'the backend has nobody more')
    for (const caller of callers) t.equal(await caller.state(), 'joined', `${caller.name} is shown that all is well`)
    await red.page.click('#leave')
    await until('Red is gone', async () => (await blue.tiles()).length === 0)
    await until('the backend knows', async () => (await stack.app.health()).peers === 1)
    t.equal(await red.state(), 'lobby', 'Red is told so')
    await red.page.close()
  })

  await t.test('of two tabs with one identity the newer one stays', async (t) => {
    const ticket = await stack.app.admit('call', 'Ann')
    /** Another tab of Ann's, by a way of its own. */
    const open = async (t: Test, name: string) => {
      const way = await stack.way()
      const tab = await red.tab(name, ticket)
      await tab.join(way, 'call')
      await tab.watch()
      await tab.seesAndHears(blue)
      await tab.watchFrames(blue)
      t.equal(tab.peerId, ticket.peerId, `the ${name} tab is the same peer`)
      return { tab, proxy: way.proxy }
    }
    /** The one hears that it is over, and the other notices nothing of it. */
    const takesOver = async (t: Test, winner: { tab: Caller }, loser: { tab: Caller }): Promise<void> => {
      await until('the older one hears that it is over', async () => (await loser.tab.watched()).failed !== null)
      t.match(await loser.tab.watched(), { state: 'failed', failed: { code: 4409 } }, 'the older one has failed')
      t.match(await loser.tab.page.evaluate('probe.notice()'), /from somewhere else/, 'the person is told why')
      await throughout('one of the two has come again', async () => {
        const [won, lost] = await Promise.all([winner.tab.watched(), loser.tab.watched()])
        return won.state === 'joined' && won.states.length === 0 && won.resets === 0 && lost.state === 'failed' && await loser.tab.state() === 'lobby'
      }, WATCH_MS)
      const longestMs = await winner.tab.longestGap()
      t.ok(longestMs < MAX_GAP_MS, `the newer one was without a new picture for ${longestMs} ms at most`)
      await until('Blue has one tile of the two', async () => (await blue.tiles()).join() === ticket.peerId)
      t.equal((await stack.app.health()).peers, 2, 'the backend has Blue and one of the two')
      await loser.tab.page.close()
    }

    const first = await open(t, 'first')
    const second = await open(t, 'second')
    await takesOver(t, second, first)

    let staying = second
    const frozen = async (t: Test, name: string, comeBack: (proxy: ChaosProxy) => void): Promise<void> => {
      const older = staying
      older.proxy.freeze()
      staying = await open(t, name)
      await throughout('the frozen one has heard of it', async () => (await older.tab.watched()).state === 'joined', FROZEN_MS)
      comeBack(older.proxy)
      await takesOver(t, staying, older)
    }
    await t.test('also where the older one was frozen', (t) => frozen(t, 'third', (proxy) => proxy.thaw()))
    await t.test('also where it finds its connection dead, and comes back with the session of before', (t) => frozen(t, 'fourth', (proxy) => {
      proxy.cut()
      proxy.thaw()
    }))
    await staying.tab.page.close()
  })

  await t.test('a call outlives its tokens', async (t) => {
    const app = await buildApp({ mediaServer: { url: stack.mediaServer.url, token: stack.mediaServer.token }, tokenMs: TOKEN_MS })
    t.teardown(() => app.close())
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    await blue.join({ url }, 'call')
    await blue.watch()
    const { joins, ...watched } = await until('it has shown three newer ones', async () => {
      const seen = await blue.watched()
      return seen.joins.length >= 3 && seen
    })
    t.match(watched, { resets: 0, failed: null, sameEndpoint: true }, 'it goes on')
    t.ok(joins.every(({ resumed }) => resumed), 'with the session that it has')
    t.equal(await blue.state(), 'joined', 'and the person sees nothing of it')
    await blue.page.goto('about:blank')
  })

  await Promise.all(callers.map(({ browser }) => browser.close()))
  t.equal(await stack.stop(), 0, 'the backend ends in good order')
})
