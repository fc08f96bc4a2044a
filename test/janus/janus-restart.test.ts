import t from 'tap'
import { launchBrowser } from '../e2e/support/browser.js'
import { until } from '../e2e/support/until.js'
import { withoutChromium } from '../setup/chromium.js'
import { withoutJanus } from '../setup/janus.js'
import { startJanusApp } from './support/janus-app.js'
import { JanusCaller } from './support/janus-caller.js'
import { JanusServer } from './support/janus-server.js'

t.test('Janus is killed and comes back, and so does the call', { skip: withoutChromium() || withoutJanus() }, async (t) => {
  const janus = await JanusServer.start()
  t.teardown(() => janus.stop())
  const states: string[] = []
  const server = await startJanusApp(t, janus)
  const { app, left } = server
  app.trunkline.addHook('onTrunk', ({ state }) => { states.push(state) })
  const browser = await launchBrowser({ camera: [40, 200, 40] })
  t.teardown(() => browser.close())
  await until('the trunk is up', () => app.trunkline.trunk.state === 'up')
  t.equal((await janus.sessions()).length, 1, 'before anybody comes the driver has its session')

  const pages = [await JanusCaller.open(browser, server, 'ann'), await JanusCaller.open(browser, server, 'bob')]
  const [ann, bob] = pages as [JanusCaller, JanusCaller]
  await ann.publish()
  await bob.subscribe()
  const feed = await bob.sees()
  const sessions = await janus.sessions()
  t.equal(sessions.length, 3)

  await janus.restart()
  for (const page of pages) await until(`${page.name} has another session`, async () => (await page.state()).sessions === 2)
  await until('ann is seen again', async () => await bob.sees((name) => name !== feed) !== feed)
  t.equal(app.trunkline.trunk.state, 'up')
  t.ok(states.includes('down'), 'the backend has noticed')
  t.same(app.trunkline.stats().peers, 2)
  t.same(left.map(({ id, cause }) => `${id}: ${cause}`).sort(), ['ann: media server reset', 'bob: media server reset'], 'the app was told why they left')
  const now = await janus.sessions()
  t.equal(now.length, 3, 'no session is left over')
  t.equal(now.some((session) => sessions.includes(session)), false, 'and none is of before')
  t.equal(janus.connections(), 1)
  for (const page of pages) t.match(await page.state(), { sessions: 2, lost: 1, reconnects: 0 }, `${page.name} has come back by itself`)

  await Promise.all(pages.map((page) => page.close()))
  await until('the sessions end with their pages', async () => (await janus.sessions()).length === 1)
  await until('and their peers', () => app.trunkline.stats().peers === 0)
  // Janus forgets a session before it says that it has.
  await until('all is answered', () => app.trunkline.stats().trunk.underWayBytes === 0)
  t.match(app.trunkline.stats(), { detached: 0, trunk: { waitingBytes: 0, underWayBytes: 0 } })
})
