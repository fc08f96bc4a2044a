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
  for (const caller of callers) await caller.watch()
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

  for (const caller of callers) {
    await until(`${caller.name} has come back by itself, without loading its page again`, async () => (await caller.watched()).resets > 0)
  }
  await allSeeEachOther(callers)
  t.pass(`everybody sees and hears everybody again after ${elapsedMs()} ms`)
  for (const [index, { name, page }] of callers.entries()) {
    t.equal(await page.evaluate('probe.peerId()'), peerIds[index], `${name} is the same peer`)
  }
  for (const caller of callers) {
    t.match(await caller.watched(), { state: 'joined', resets: 1, sameEndpoint: false }, `${caller.name} has begun anew once, with a new endpoint on the same link`)
  }
  t.match(await app.health(), { trunk: 'up', trunks: 1, peers: 2, rooms: 1 }, 'the backend has nobody more')

  const [red] = callers as [Caller, Caller]
  await red.watch()
  await red.page.evaluate("trunklineCall.endpoint.emit('connectionError', { message: 'ICE connection failed', event: null })")
  await until('Red has another endpoint', async () => !(await red.watched()).sameEndpoint)
  await allSeeEachOther(callers)
  t.match(await red.watched(), { state: 'joined', states: [], resets: 0 }, 'a media connection that fails by itself is made anew, in the session that there is')

  await Promise.all(callers.map(({ browser }) => browser.close()))
  t.equal(await app.stop(), 0, 'the app ends in good order')
})
