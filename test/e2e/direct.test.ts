import t from 'tap'
import { withoutChromium } from '../setup/chromium.js'
import { Caller, allSeeEachOther } from './support/caller.js'
import { ChaosStack } from './support/chaos-stack.js'
import { processTree, tcpSockets } from './support/proc.js'
import type { Process } from './support/proc.js'
import { OFF, ON, playsAll } from './support/recordings.js'
import { until } from './support/until.js'

/** Of a picture that somebody looks at. */
const MAX_GAP_MS = 3_000

/** That of this test. */
function mediaServer (): Process {
  return processTree(process.pid).find(({ command }) => command.includes('media-server/main.js'))!
}

t.test('a call that goes directly to the media server', { skip: withoutChromium() }, async (t) => {
  const stack = await ChaosStack.start()
  t.teardown(() => stack.stop())
  const callers = await Promise.all([Caller.launch('Red', [200, 50, 40]), Caller.launch('Blue', [50, 80, 200])])
  t.teardown(() => Promise.all(callers.map(({ browser }) => browser.close())))
  const [red, blue] = callers as [Caller, Caller]
  const way = await stack.way()
  for (const caller of callers) {
    await caller.join(way, 'call', 'direct')
    await caller.watchLight()
    await caller.sees(OFF)
    await caller.watch()
  }

  await t.test('is one like any other, with the same client code', async (t) => {
    await allSeeEachOther(callers)
    for (const { page, name } of callers) t.match(page.url(), /mode=direct/, `${name}'s address says which way`)
  })

  await t.test('has nothing of it in the backend', async (t) => {
    t.match(await stack.app.health(), { trunk: 'up', trunks: 1, peers: 0, links: 0, direct: { trunk: 'up', trunks: 1, links: 0 } }, 'no peer and no client, and one trunk for each registration')
    const directPort = Number(new URL(stack.mediaServer.direct).port)
    const clients = tcpSockets(mediaServer().pid).filter(({ state, localPort }) => state === 'established' && localPort === directPort)
    t.equal(clients.length, callers.length, 'the operating system lists them at the media server')
    way.proxy.cut()
    const { trunk } = await stack.app.health()
    t.equal(trunk, 'up')
    for (const caller of callers) t.match(await caller.watched(), { state: 'joined', states: [], resets: 0 }, `whatever ${caller.name} has open to the backend may be cut`)
  })

  await t.test('is recorded, and goes on, while the backend is killed and started again', async (t) => {
    for (const [one, other] of [[red, blue], [blue, red]] as const) {
      await one.watch()
      await one.watchFrames(other)
    }
    await red.page.click('#record')
    for (const caller of callers) await caller.sees(ON)
    await stack.restartBackend()
    await until('the trunks are up', async () => {
      const { trunk, direct } = await stack.app.health()
      return trunk === 'up' && direct.trunk === 'up'
    })
    await allSeeEachOther(callers)
    for (const caller of callers) {
      t.match(await caller.watched(), { state: 'joined', states: [], resets: 0, sameEndpoint: true, offers: 0, descriptions: 0 }, `${caller.name} has noticed nothing`)
      const longestMs = await caller.longestGap()
      t.ok(longestMs < MAX_GAP_MS, `${caller.name} was without a new picture for ${longestMs} ms at most`)
    }
    await blue.page.click('#record')
    for (const caller of callers) {
      await caller.sees(OFF)
      t.same((await caller.lights()).map(({ shown }) => shown), [OFF, ON, OFF], `the light was true for ${caller.name} all the time`)
    }
    await Promise.all(callers.map(async (caller) => await playsAll(t, caller, callers)))
  })

  await t.test('takes nobody who comes by way of the backend, and the other way round', async (t) => {
    const relayed = await red.beside('Relayed')
    await relayed.tryToJoin(way, 'call', 'relay')
    t.match(await relayed.notice(), /^You may not be in this room: the room is of clients that connect directly\.$/, 'which it is told')
    await relayed.join(way, 'another', 'relay')
    const direct = await blue.beside('Direct')
    await direct.tryToJoin(way, 'another', 'direct')
    t.match(await direct.notice(), /^This room is used the other way: the room 'another' has clients that come by way of the backend/, 'which it is told')
    t.equal(await relayed.state(), 'joined', 'nobody is disturbed')
    await direct.page.close()
    await relayed.page.close()
    for (const caller of callers) t.match(await caller.watched(), { state: 'joined', states: [] })
  })

  await t.test('begins anew by itself when the media server was killed', async (t) => {
    process.kill(mediaServer().pid, 'SIGKILL')
    for (const caller of callers) await until(`${caller.name} has come back`, async () => (await caller.watched()).resets > 0)
    await allSeeEachOther(callers)
    for (const caller of callers) t.match(await caller.watched(), { state: 'joined', failed: null, resets: 1 }, `${caller.name} is in the room again, which the new media server had to be told of`)
    for (const caller of callers) t.match((await caller.lights()).at(-1), { shown: OFF }, 'and knows that it is not recorded')
  })

  await t.test('takes all again who come back when everybody has left', async (t) => {
    for (const { page } of callers) await page.click('#leave')
    const api = new URL(stack.mediaServer.url)
    const peers = async (): Promise<unknown[]> => {
      const response = await fetch(`http://${api.host}/room/call`, { headers: { authorization: `Bearer ${stack.mediaServer.token}` } })
      return (await response.json() as { data: { peers: unknown[] } }).data.peers
    }
    await until('nobody is in the room', async () => (await peers()).length === 0)
    await red.page.click('#join-button')
    await until('it is in', async () => await red.state() === 'joined')
    t.equal((await peers()).length, 1)
  })

  await Promise.all(callers.map(({ browser }) => browser.close()))
  t.equal(await stack.stop(), 0, 'the backend ends in good order')
})
