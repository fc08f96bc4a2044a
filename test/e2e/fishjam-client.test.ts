import t from 'tap'
import type { Page } from 'playwright-core'
import { ChaosProxy } from 'trunkline/testing'
import { withoutChromium } from '../setup/chromium.js'
import { launchBrowser } from './support/browser.js'
import { startFishjamApp } from './support/fishjam-app.js'
import { throughout, until } from './support/until.js'

const RETRY_MS = 100
/** All that it may take, so that giving up is not what stops it. */
const RECONNECT = { maxAttempts: 100, initialDelay: RETRY_MS, delay: 0 }
/** Whoever is not back after so long has not even tried. */
const WATCH_MS = 20 * RETRY_MS
/** Beyond it the backend has cut a client that does not answer its goodbye. */
const FROZEN_MS = 1_500

t.test("Fishjam's client, unmodified", { skip: withoutChromium() }, async (t) => {
  const server = await startFishjamApp()
  t.teardown(() => server.close())
  const browser = await launchBrowser()
  t.teardown(() => browser.close())
  const { app, shown, joined, sockets } = server

  const connect = async (token: string, { url, signaling } = { url: server.url, signaling: server.signaling }): Promise<Page> => {
    const page = await browser.browser.newPage()
    await page.goto(url)
    await page.evaluate(`fishjam.connect(${JSON.stringify(signaling)}, ${JSON.stringify(token)}, ${JSON.stringify(RECONNECT)})`)
    return page
  }
  const heard = async (page: Page, event: string): Promise<Array<string | null>> => await page.evaluate(`fishjam.heard(${JSON.stringify(event)})`)
  const hears = async (page: Page, event: string): Promise<Array<string | null>> => await until(`the client says ${event}`, async () => {
    const details = await heard(page, event)
    return details.length > 0 && details
  })
  const timesShown = (token: string): number => shown.filter((each) => each === token).length
  const timesJoined = (peerId: string): number => joined.filter((each) => each === peerId).length

  await t.test('connects', async (t) => {
    const page = await connect('connects')
    await hears(page, 'joined')
    t.equal((await heard(page, 'authSuccess')).length, 1, 'at the first attempt')
    t.equal(app.trunkline.peers.get('connects')?.state, 'joined', 'the backend has the peer')
    await page.close()
    await until('the peer is gone with its page', () => app.trunkline.peers.get('connects') === undefined)
  })

  await t.test('comes back after its socket was cut', async (t) => {
    const page = await connect('cut')
    await hears(page, 'joined')
    sockets.at(-1)!.destroy()
    await hears(page, 'reconnected')
    t.equal((await heard(page, 'joined')).length, 2, 'it has joined twice')
    t.equal(timesJoined('cut'), 2, 'which the backend has been told')
    t.equal(app.trunkline.peers.get('cut')?.state, 'joined', 'the peer is there')
    t.same(await heard(page, 'authError'), [], 'nobody has refused it')
    await page.close()
  })

  await t.test('stops at a wrong token', async (t) => {
    const page = await connect('wrong')
    t.same(await hears(page, 'authError'), ['invalid token'], 'it hears why')
    await throughout('it tries again', () => timesShown('wrong') === 1, WATCH_MS)
    t.same(await heard(page, 'reconnectionStarted'), [], 'it does not try again')
    await page.close()
  })

  await t.test('stops at an expired token', async (t) => {
    const page = await connect('expired')
    t.same(await hears(page, 'authError'), ['expired token'], 'it hears why')
    await throughout('it tries again', () => timesShown('expired') === 1, WATCH_MS)
    t.same(await heard(page, 'reconnectionStarted'), [], 'it does not try again')
    await page.close()
  })

  await t.test('stops when its token expires during the call', async (t) => {
    const page = await connect('brief/700')
    await hears(page, 'joined')
    t.same(await hears(page, 'authError'), ['expired token'], 'it hears why')
    await throughout('it tries again', () => timesShown('brief/700') === 1, WATCH_MS)
    await page.close()
  })

  await t.test('stops when a newer one has taken its place', async (t) => {
    const loser = await connect('twice')
    await hears(loser, 'joined')
    const winner = await connect('twice')
    await hears(winner, 'joined')
    t.same(await hears(loser, 'authError'), ['peer not found'], 'it hears why')
    await throughout('one of the two comes again', () => timesShown('twice') === 2, WATCH_MS)
    t.equal(timesJoined('twice'), 2, 'each has joined once')
    t.same(await heard(winner, 'socketClose'), [], 'the newer one has stayed')
    t.equal(app.trunkline.peers.get('twice')?.state, 'joined', 'the peer is there')
    await loser.close()
    await winner.close()
  })

  await t.test('stops when it comes to again, and a newer one has taken its place meanwhile', async (t) => {
    const proxy = await ChaosProxy.listen({ target: { port: Number(new URL(server.url).port) } })
    t.teardown(() => proxy.close())
    const loser = await connect('frozen', { url: `http://127.0.0.1:${proxy.port}`, signaling: `ws://127.0.0.1:${proxy.port}` })
    await hears(loser, 'joined')
    proxy.freeze()
    const winner = await connect('frozen')
    await hears(winner, 'joined')
    await throughout('the older one has heard of it', async () => (await heard(loser, 'socketClose')).length === 0, FROZEN_MS)
    proxy.thaw()
    t.same(await hears(loser, 'authError'), ['peer not found'], 'it hears why')
    await throughout('one of the two comes again', () => timesShown('frozen') === 2, WATCH_MS)
    t.equal(timesJoined('frozen'), 2, 'each has joined once')
    t.same(await heard(winner, 'socketClose'), [], 'the newer one has stayed')
    t.equal(app.trunkline.peers.get('frozen')?.state, 'joined', 'the peer is there')
    await loser.close()
    await winner.close()
  })

  await t.test('stops when it was kicked', async (t) => {
    const page = await connect('kicked')
    await hears(page, 'joined')
    t.ok(app.trunkline.kick('kicked'), 'there was such a peer')
    t.same(await hears(page, 'authError'), ['peer not found'], 'it hears why')
    await throughout('it comes back', () => timesShown('kicked') === 1 && app.trunkline.peers.get('kicked') === undefined, WATCH_MS)
    t.equal(timesJoined('kicked'), 1, 'it has joined once')
    await page.close()
  })
})
