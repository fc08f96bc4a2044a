import { connect } from 'node:net'
import type { Socket } from 'node:net'
import t from 'tap'
import { FakeClient, ManualClock, UpgradeRefused } from '../../lib/testing/index.js'
import { LINK_SUBPROTOCOL, controlMessage } from '../../lib/session/messages.js'
import { startEndpoint } from '../endpoint-server.js'
import { LinkClient, joinLink } from '../link-client.js'
import { startApp, startMediaServer } from '../support.js'
import type { TestApp, TestOptions } from '../support.js'

const until = async (is: () => boolean): Promise<void> => { while (!is()) await new Promise((resolve) => setImmediate(resolve)) }

/** An app whose `authenticate` answers when it is told to, for those whose token asks for it. */
async function startSlow (t: Parameters<typeof startApp>[0], options: TestOptions = {}): Promise<TestApp & { asked: string[], answers: Array<() => void> }> {
  const server = await startMediaServer(t)
  const asked: string[] = []
  const answers: Array<() => void> = []
  const app = await startApp(t, server.options, {
    authenticate: async (_request, { token }) => {
      const { name = '', slow = false } = JSON.parse(token) as { name?: string, slow?: boolean }
      asked.push(name)
      if (slow) await new Promise<void>((resolve) => answers.push(resolve))
      return { roomId: 'r' }
    },
    ...options
  })
  return { ...app, asked, answers }
}

const upgrade = async ({ base }: TestApp, said: object): Promise<FakeClient> => await FakeClient.connect(`${base}/signaling?token=${encodeURIComponent(JSON.stringify(said))}`)

/** An upgrade by hand: what a browser's page sends before it is closed. */
function rawUpgrade (t: { teardown (fn: () => unknown): void }, { host }: TestApp, said: object): Socket {
  const socket = connect(Number(host.split(':')[1]), '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  socket.write(`GET /signaling?token=${encodeURIComponent(JSON.stringify(said))} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`)
  return socket
}

t.test('an upgrade that is gone while it waits is not asked about, however it goes', async (t) => {
  const app = await startSlow(t, { limits: { concurrentAuth: 1, waitingAuth: 3 } })
  const waiting = (): number => app.app.trunkline.stats().auth.waiting
  const first = upgrade(app, { name: 'first', slow: true })
  await until(() => app.answers.length === 1)
  for (const go of ['end', 'resetAndDestroy', 'destroy'] as const) {
    const socket = rawUpgrade(t, app, { name: go })
    await until(() => waiting() === 1)
    socket[go]()
    await until(() => waiting() === 0)
  }
  const last = upgrade(app, { name: 'last' })
  await until(() => waiting() === 1)
  app.answers[0]!()
  for (const client of [await first, await last]) await client.cut()
  t.same(app.asked, ['first', 'last'])
  t.same(app.app.trunkline.stats().refused, {}, 'nobody was refused')
})

t.test('what a client sends before it is answered is not lost', async (t) => {
  const server = await startMediaServer(t)
  let answer = (): void => {}
  const app = await startApp(t, server.options, {
    authenticate: async () => {
      await new Promise<void>((resolve) => { answer = resolve })
      return { roomId: 'r' }
    }
  })
  const socket = rawUpgrade(t, app, {})
  // 'hi', in a frame with a mask of zeros.
  socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]))
  await until(() => app.app.trunkline.stats().auth.running === 1)
  answer()
  t.equal((await server.receive('text')).body.toString(), 'hi')
})

t.test('a link that ends while it waits is not asked about', async (t) => {
  const app = await startSlow(t, { limits: { concurrentAuth: 1 } })
  const first = upgrade(app, { name: 'first', slow: true })
  await until(() => app.answers.length === 1)
  const cut = await LinkClient.connect(app)
  cut.ask({ name: 'cut' })
  const closed = await LinkClient.connect(app)
  closed.ask({ name: 'closed' })
  const fishjam = await FakeClient.connect(`${app.base}/socket/peer/websocket`)
  // { auth_request: { token: '{}' } }
  fishjam.send(Buffer.from([0x12, 0x04, 0x0a, 0x02, 0x7b, 0x7d]))
  await until(() => app.app.trunkline.stats().auth.waiting === 3)
  await cut.client.cut()
  await closed.client.close(1000)
  await fishjam.cut()
  await until(() => app.app.trunkline.stats().links === 0)
  // A Fishjam client's socket is not read while it waits: its end is found out when it is asked about.
  t.ok(app.app.trunkline.stats().auth.waiting <= 1)
  app.answers[0]!()
  await (await first).cut()
  t.notOk(app.asked.includes('cut') || app.asked.includes('closed'))
})

t.test('when there is no room, each is told another moment: by Retry-After, or on the link', async (t) => {
  const clock = new ManualClock()
  const app = await startSlow(t, { clock, limits: { concurrentAuth: 1, waitingAuth: 1, authPerSecond: 2 } })
  const clients = [upgrade(app, { name: 'first', slow: true })]
  await until(() => app.answers.length === 1)
  clients.push(upgrade(app, { name: 'second' }))
  await until(() => app.app.trunkline.stats().auth.waiting === 1)
  const retryAfter = async (): Promise<string | undefined> => {
    const response = await answerTo(t, app)
    t.match(response, /^HTTP\/1.1 503 /)
    return /^retry-after: (.*)\r$/m.exec(response)?.[1]
  }
  // One waits: its turn is half a second away, and each of these gets the next.
  t.equal(await retryAfter(), '1')
  t.equal(await retryAfter(), '2')
  t.equal(await retryAfter(), '2')
  const link = await LinkClient.connect(app)
  link.ask({ name: 'on a link' })
  t.same(await link.heard('draining'), { type: 'draining', afterMs: 2_500 })
  t.same(await link.closed, { code: 1013, reason: 'too many at once' })
  t.match(app.app.trunkline.stats(), { refused: { 'too many at once': 4 }, auth: { running: 1, waiting: 1, mostWaiting: 1 } })
  t.equal(app.log.filter(({ level, msg }) => msg === 'a client is refused' && level === 30).length, 4, 'which is no error')
  app.answers[0]!()
  clock.advance(500)
  for (const client of await Promise.all(clients)) await client.cut()
})

t.test('the other bounds tell when to come back, too', async (t) => {
  const server = await startMediaServer(t)
  const app = await startApp(t, server.options, { limits: { unauthenticatedLinks: 1, peers: 1, authPerSecond: 10 } })
  const stranger = await LinkClient.connect(app)
  // It is said as soon as the socket is open.
  const second = await FakeClient.connect(`${app.base}/signaling`, { protocols: [LINK_SUBPROTOCOL] })
  t.match(await second.receive(), { data: Buffer.from(controlMessage({ type: 'draining', afterMs: 100 })) })
  t.same(await second.closed, { code: 1013, reason: 'too many at once' })
  await stranger.join()
  const third = await LinkClient.connect(app)
  third.ask({ roomId: 'r' })
  t.match(await third.heard('draining'), { type: 'draining' })
  t.same(await third.closed, { code: 1013, reason: 'too many peers' })
  t.same(app.app.trunkline.stats().refused, { 'too many at once': 1, 'too many peers': 1 })
  await stranger.client.cut()
})

t.test('who is in already is not refused when it shows anew who it is, however many wait', async (t) => {
  const app = await startSlow(t, { limits: { concurrentAuth: 1, waitingAuth: 1 } })
  const { link } = await joinLink(t, app, { name: 'in' })
  const first = upgrade(app, { name: 'first', slow: true })
  await until(() => app.answers.length === 1)
  const second = upgrade(app, { name: 'second' })
  await until(() => app.app.trunkline.stats().auth.waiting === 1)
  link.ask({ name: 'in again' })
  await until(() => app.app.trunkline.stats().auth.waiting === 2)
  await t.rejects(upgrade(app, { name: 'a stranger' }), UpgradeRefused)
  app.answers[0]!()
  await link.heard('joined')
  for (const client of [await first, await second]) await client.cut()
  t.same(app.asked, ['in', 'first', 'in again', 'second'])
})

t.test('reasons are counted, but not as many as an app can think of', async (t) => {
  const server = await startMediaServer(t)
  let said = 0
  const { Refusal } = await import('../../plugins/trunkline.js')
  const app = await startApp(t, server.options, { authenticate: () => { throw new Refusal(4403, 403, `not you, ${said++}`) } })
  for (let i = 0; i < 52; i++) await t.rejects(upgrade(app, {}), UpgradeRefused)
  const { refused } = app.app.trunkline.stats()
  t.equal(Object.keys(refused).length, 50)
  t.equal(refused.other, 3)
  t.equal(refused['not you, 0'], 1)
})

t.test('when the trunk is back, those with a session are asked one after the other, the others at once', async (t) => {
  const clock = new ManualClock()
  const server = await startEndpoint(t)
  const app = await startApp(t, { ...server.options, retry: { baseMs: 1, maxMs: 1 } }, {
    clock, trunkDownMs: 1_000, limits: { authPerSecond: 1 }, heartbeat: { clientMs: 2 ** 31 - 1, trunkMs: 2 ** 31 - 1 }
  })
  const { trunkline } = app.app
  const joined = async (peerId: string): Promise<void> => {
    await until(() => {
      clock.advance(1)
      return trunkline.peers.get(peerId)?.state === 'joined'
    })
  }
  const joining = app.join({ roomId: 'r', peerId: 'plain' })
  await joined('plain')
  await joining
  const links: LinkClient[] = []
  for (let i = 0; i < 4; i++) {
    const link = await LinkClient.connect(app)
    t.teardown(() => link.client.cut())
    link.ask({ roomId: 'r', peerId: `link ${i}` })
    await joined(`link ${i}`)
    links.push(link)
  }
  const cutTrunk = async (): Promise<void> => {
    const { sockets } = trunkline.stats().trunk
    for (const channel of server.endpoint.channels) channel.terminate('cut')
    await until(() => trunkline.trunk.state === 'down' || trunkline.stats().trunk.sockets < sockets)
    await until(() => {
      clock.advance(1)
      return trunkline.trunk.state === 'up'
    })
  }
  clock.advance(1_000)
  await cutTrunk()
  await until(() => trunkline.peers.get('plain')?.state === 'joined')
  t.equal((await links[0]!.heard('rejoin')).reason, 'trunk', 'the first at once')
  const waits = (i: number): boolean => (trunkline.peers.get(`link ${i}`) as unknown as { awaitsRecall: boolean }).awaitsRecall
  t.same([0, 1, 2, 3].map(waits), [false, true, true, true], 'the others later')
  const lost = clock.now()
  await links[2]!.client.cut()
  await until(() => trunkline.peers.get('link 2')?.state === 'detached')
  while (waits(1)) clock.advance(1)
  t.equal((await links[1]!.heard('rejoin')).reason, 'trunk')
  t.same(await links[0]!.closed, { code: 4000, reason: 'the trunk was lost' }, 'who was asked has its time to answer')
  while (waits(3)) clock.advance(1)
  t.ok(clock.now() - lost >= 1_900, 'and it does not run while they wait for their turn')
  await links[3]!.heard('rejoin')
  clock.advance(999)
  t.equal(trunkline.peers.get('link 3')?.state, 'waiting')
  clock.advance(1)
  t.same(await links[3]!.closed, { code: 4000, reason: 'the trunk was lost' })
})

t.test('a trunk that is lost again ends those who were waiting for their turn in time', async (t) => {
  const clock = new ManualClock()
  const server = await startEndpoint(t)
  const app = await startApp(t, { ...server.options, retry: { baseMs: 1, maxMs: 1 } }, {
    clock, trunkDownMs: 1_000, limits: { authPerSecond: 1, concurrentAuth: 1 }, heartbeat: { clientMs: 2 ** 31 - 1, trunkMs: 2 ** 31 - 1 }
  })
  const { trunkline } = app.app
  const links: LinkClient[] = []
  for (let i = 0; i < 2; i++) {
    const link = await LinkClient.connect(app)
    t.teardown(() => link.client.cut())
    link.ask({ roomId: 'r', peerId: `link ${i}` })
    await until(() => {
      clock.advance(10)
      return trunkline.peers.get(`link ${i}`)?.state === 'joined'
    })
    links.push(link)
  }
  clock.advance(1_000)
  for (const channel of server.endpoint.channels) channel.terminate('cut')
  await until(() => trunkline.trunk.state === 'down')
  await until(() => {
    clock.advance(1)
    return trunkline.trunk.state === 'up'
  })
  await links[0]!.heard('rejoin')
  await server.close()
  await until(() => trunkline.trunk.state === 'down')
  clock.advance(1_000)
  t.same((await links[1]!.closed).code, 4000)
})

/** The answer to an upgrade, as text. */
async function answerTo (t: { teardown (fn: () => unknown): void }, app: TestApp): Promise<string> {
  const socket = rawUpgrade(t, app, {})
  return await new Promise((resolve) => socket.once('data', (data) => resolve(data.toString())))
}
