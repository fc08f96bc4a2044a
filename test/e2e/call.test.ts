import t from 'tap'
import { FakeClient } from 'trunkline/testing'
import { withoutChromium } from '../setup/chromium.js'
import { AppProcess } from './support/app-process.js'
import { Caller, allSeeEachOther } from './support/caller.js'
import { isAlive, tcpSockets } from './support/proc.js'
import { throughout, until } from './support/until.js'

const PLAIN_CLIENTS = 200
/** The media server takes no more into one room. */
const ROOM_SIZE = 16
/** From the end of a browser to the end of its tile on the others' pages. */
const TILE_GONE_MS = 3_000
const SAMPLE_MS = 1_000

/** Trunks: of each registration one. */
const REGISTRATIONS = 2

t.test('a call of three real browsers and 200 plain clients runs over one trunk for each registration', { skip: withoutChromium() }, async (t) => {
  const app = await AppProcess.start()
  t.teardown(() => app.stop())
  const mediaServer = await app.mediaServer()
  t.not(mediaServer.pid, app.pid, 'the media server is another process')
  await until('the trunks are up', async () => {
    const { trunk, direct } = await app.health()
    return trunk === 'up' && direct.trunk === 'up'
  })

  // Both ends of them: a browser that went to the media server by itself would show up at the second one.
  const sample = (): Sample => {
    const established = tcpSockets(mediaServer.pid).filter(({ state }) => state === 'established')
    // It has a trunk to itself, for clients that connect directly.
    const own = established.filter(({ remotePort }) => remotePort === mediaServer.port).map(({ localPort }) => localPort)
    return {
      backend: tcpSockets(app.pid).filter(({ state, remotePort }) => state === 'established' && remotePort === mediaServer.port).length,
      mediaServer: established.filter(({ localPort, remotePort }) => (localPort === mediaServer.port || localPort === mediaServer.directPort) && !own.includes(remotePort)).length
    }
  }
  const isOne = ({ backend, mediaServer }: Sample): boolean => backend === REGISTRATIONS && mediaServer === REGISTRATIONS
  const samples = [sample()]
  const sampler = setInterval(() => samples.push(sample()), SAMPLE_MS)
  t.teardown(() => clearInterval(sampler))

  const clients = await connectPlainClients(app)
  t.teardown(() => { for (const client of clients) client.socket.terminate() })
  await until('all plain clients are peers', async () => (await app.health()).peers === PLAIN_CLIENTS)

  const callers = await Promise.all([
    Caller.launch('Red', [200, 50, 40]), Caller.launch('Green', [40, 160, 70]), Caller.launch('Blue', [50, 80, 200])
  ])
  t.teardown(() => Promise.all(callers.map(({ browser }) => browser.close())))
  const [red, green, blue] = callers as [Caller, Caller, Caller]
  for (const caller of callers) await caller.join(app, 'call')

  await t.test('each decodes the audio and the video of both others, in their own colours', async (t) => {
    for (const one of callers) {
      for (const other of callers) {
        if (other === one) continue
        const { framesDecoded, totalAudioEnergy } = await one.seesAndHears(other)
        t.ok(framesDecoded > 0 && totalAudioEnergy > 0, `${one.name} sees and hears ${other.name}`)
      }
      t.same((await one.tiles()).sort(), callers.filter((other) => other !== one).map(({ peerId }) => peerId).sort(), `${one.name} has one tile for each`)
    }
  })

  await t.test('the backend counts them, on one trunk', async (t) => {
    t.match(await app.health(), { trunk: 'up', trunks: 1, peers: PLAIN_CLIENTS + callers.length, direct: { trunks: 1, links: 0 } }, 'all peers, and one socket')
  })

  await t.test('one that reloads its page is seen again', async (t) => {
    const before = green.peerId
    await green.reload()
    t.not(green.peerId, before, 'it is another peer')
    await allSeeEachOther(callers)
    for (const other of [red, blue]) {
      await until(`${other.name} has no tile of before`, async () => !(await other.tiles()).includes(before))
    }
    t.pass('everybody sees and hears everybody')
  })

  await t.test(`the tile of a killed browser is gone within ${TILE_GONE_MS} ms`, async (t) => {
    const killedAt = performance.now()
    blue.browser.kill()
    await Promise.all([red, green].map(async (other) => {
      await until(`${other.name} has no tile of Blue`, async () => !(await other.tiles()).includes(blue.peerId), TILE_GONE_MS, 20)
    }))
    const tookMs = Math.round(performance.now() - killedAt)
    t.ok(tookMs < TILE_GONE_MS, `it took ${tookMs} ms`)
    t.notOk(isAlive(blue.browser.pid), 'the browser is dead')
    await allSeeEachOther([red, green])
    t.match(await app.health(), { trunk: 'up', trunks: 1, peers: PLAIN_CLIENTS + 2 }, 'the backend has one peer less')
  })

  await throughout('a second trunk, or none', () => samples.every(isOne), 2 * SAMPLE_MS)
  clearInterval(sampler)
  t.same(samples.filter((each) => !isOne(each)), [], `the operating system lists one trunk for each registration in each of ${samples.length} samples`)
  t.equal((await app.mediaServer()).pid, mediaServer.pid, 'the media server is the one of the beginning')
  t.equal(clients.filter(({ socket }) => socket.readyState === socket.OPEN).length, PLAIN_CLIENTS, 'no plain client was disconnected')

  for (const client of clients) client.socket.terminate()
  await Promise.all(callers.map(({ browser }) => browser.close()))
  t.equal(await app.stop(), 0, 'the app ends in good order')
})

interface Sample {
  backend: number
  mediaServer: number
}

async function connectPlainClients (app: AppProcess): Promise<FakeClient[]> {
  const clients: FakeClient[] = []
  while (clients.length < PLAIN_CLIENTS) {
    const size = Math.min(ROOM_SIZE, PLAIN_CLIENTS - clients.length)
    const room = `plain-${clients.length}`
    clients.push(...await Promise.all(Array.from({ length: size }, async () => {
      const { url, token } = await app.admit(room, 'plain')
      return await FakeClient.connect(`${url}?token=${encodeURIComponent(token)}`)
    })))
  }
  return clients
}
