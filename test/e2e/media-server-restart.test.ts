import t from 'tap'
import { withoutChromium } from '../setup/chromium.js'
import { AppProcess } from './support/app-process.js'
import { Caller, allSeeEachOther } from './support/caller.js'
import { isAlive } from './support/proc.js'
import { until } from './support/until.js'

t.test('a call comes back after the media server was killed', { skip: withoutChromium() }, async (t) => {
  const app = await AppProcess.start()
  t.teardown(() => app.stop())
  const callers = await Promise.all([Caller.launch('Red', [200, 50, 40]), Caller.launch('Blue', [50, 80, 200])])
  t.teardown(() => Promise.all(callers.map(({ browser }) => browser.close())))
  for (const caller of callers) await caller.join(app, 'call')
  await allSeeEachOther(callers)
  const peerIds = callers.map(({ peerId }) => peerId)
  for (const { browser } of callers) await browser.page.evaluate('probe.countReconnections()')
  const killed = await app.mediaServer()

  process.kill(killed.pid, 'SIGKILL')
  const killedAt = performance.now()
  const elapsedMs = (): number => Math.round(performance.now() - killedAt)

  const down = await until('the trunk is down', async () => {
    const health = await app.health()
    return health.trunk !== 'up' && health
  }, 10_000, 10)
  t.match(down, { trunks: 0, peers: 2 }, `the backend says so after ${elapsedMs()} ms, and keeps its peers`)

  await until('the trunk is up again', async () => (await app.health()).trunk === 'up')
  t.comment(`the trunk is up again after ${elapsedMs()} ms`)
  const started = await app.mediaServer()
  t.not(started.pid, killed.pid, 'the media server is a new process')
  t.equal(started.port, killed.port, 'on the same port')
  t.ok(isAlive(app.pid), 'the backend is the same process')

  for (const { name, browser } of callers) {
    await until(`${name} has come back by itself, without loading its page again`, () => browser.page.evaluate<boolean>('probe.reconnections() > 0'))
  }
  await allSeeEachOther(callers)
  t.pass(`everybody sees and hears everybody again after ${elapsedMs()} ms`)
  for (const [index, { name, browser }] of callers.entries()) {
    t.equal(await browser.page.evaluate('probe.peerId()'), peerIds[index], `${name} is the same peer`)
  }
  t.match(await app.health(), { trunk: 'up', trunks: 1, peers: 2, rooms: 1 }, 'the backend has nobody more')

  await Promise.all(callers.map(({ browser }) => browser.close()))
  t.equal(await app.stop(), 0, 'the app ends in good order')
})
