import t from 'tap'
import type { Page } from 'playwright-core'
import { ChaosProxy } from 'trunkline/testing'
import { withoutChromium } from '../setup/chromium.js'
import { launchBrowser } from './support/browser.js'
import { startDirectFishjamApp } from './support/fishjam-app.js'
import { throughout, until } from './support/until.js'

const RETRY_MS = 100
const RECONNECT = { maxAttempts: 100, initialDelay: RETRY_MS, delay: 0 }
/** Whoever is not back after so long has not even tried. */
const WATCH_MS = 20 * RETRY_MS

t.test("Fishjam's client, unmodified, connects to the media server itself", { skip: withoutChromium() }, async (t) => {
  const server = await startDirectFishjamApp()
  t.teardown(() => server.close())
  const { app: { trunkline }, notified } = server
  const browser = await launchBrowser()
  t.teardown(() => browser.close())
  // Between the page and the media server's own door.
  const door = await ChaosProxy.listen({ target: { port: Number(new URL(server.direct).port) } })
  t.teardown(() => door.close())
  await until('the trunk is up', () => trunkline.trunk.state === 'up')
  await trunkline.rooms.create({ roomId: 'room' })

  const admit = async (peerId: string): Promise<string> => {
    const admittance = await trunkline.admit({ roomId: 'room', peerId, metadata: { name: peerId } }, { dialect: 'fishjam' })
    t.equal(admittance.url, server.direct, 'as its own client takes it')
    return admittance.token
  }
  const connect = async (token: string, signaling = server.direct): Promise<Page> => {
    const page = await browser.browser.newPage()
    await page.goto(server.url)
    await page.evaluate(`fishjam.connect(${JSON.stringify(signaling)}, ${JSON.stringify(token)}, ${JSON.stringify(RECONNECT)})`)
    return page
  }
  const heard = async (page: Page, event: string): Promise<Array<string | null>> => await page.evaluate(`fishjam.heard(${JSON.stringify(event)})`)
  const hears = async (page: Page, event: string): Promise<Array<string | null>> => await until(`the client says ${event}`, async () => {
    const details = await heard(page, event)
    return details.length > 0 && details
  })
  const inside = async (): Promise<Array<[string, string]>> => (await trunkline.rooms.get('room')).peers.map(({ id, status }) => [id, status])

  await t.test('with what admit() answers, and the backend has nothing of it', async (t) => {
    const page = await connect(await admit('connects'))
    await hears(page, 'joined')
    t.equal((await heard(page, 'authSuccess')).length, 1, 'at the first attempt')
    t.same(await inside(), [['connects', 'connected']])
    await until('the app is told', () => notified.some(({ type, peerId }) => type === 'peerConnected' && peerId === 'connects'))
    t.match(trunkline.stats(), { peers: 0, links: 0 })
    t.same(server.sockets, [])
    await page.close()
    await until('its link is lost', async () => (await inside()).some(([, status]) => status === 'disconnected'))
    await trunkline.removePeer('room', 'connects')
    t.same(await inside(), [], 'nobody waits for it any more')
    await until('which the app is told', () => notified.some(({ type, peerId }) => type === 'peerDisconnected' && peerId === 'connects'))
  })

  await t.test('comes back after its socket was cut', async (t) => {
    const page = await connect(await admit('cut'), `ws://127.0.0.1:${door.port}`)
    await hears(page, 'joined')
    door.cut()
    await hears(page, 'reconnected')
    t.equal((await heard(page, 'joined')).length, 2)
    t.same(await heard(page, 'authError'), [])
    t.same(await inside(), [['cut', 'connected']])
    await trunkline.removePeer('room', 'cut')
    t.same(await hears(page, 'authError'), ['peer not found'], 'and is removed by the app')
    await throughout('it comes back', async () => (await inside()).length === 0, WATCH_MS)
    await page.close()
  })

  await t.test('stops at a token that lets nobody in', async (t) => {
    const token = await admit('void')
    await trunkline.removePeer('room', 'void')
    for (const wrong of [token, 'wrong']) {
      const page = await connect(wrong)
      t.same(await hears(page, 'authError'), ['invalid token'], 'it hears why')
      t.same(await heard(page, 'reconnectionStarted'), [], 'and does not try again')
      await page.close()
    }
    t.same(await inside(), [])
  })

  await t.test('stops when a newer one has taken its place', async (t) => {
    const loser = await connect(await admit('twice'))
    await hears(loser, 'joined')
    const winner = await connect(await admit('twice'))
    await hears(winner, 'joined')
    t.same(await hears(loser, 'authError'), ['peer not found'], 'it hears why')
    t.same(await heard(winner, 'socketClose'), [], 'the newer one has stayed')
    t.same(await inside(), [['twice', 'connected']])
    await trunkline.removePeer('room', 'twice')
    await loser.close()
    await winner.close()
  })
})
