import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import t from 'tap'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import type { TrunkState } from '../../../lib/relay/media-server.js'
import { Inbox, ManualClock } from '../../../lib/testing/index.js'
import { Dialer } from '../../../lib/trunk/dialer.js'
import type { DialerOptions } from '../../../lib/trunk/dialer.js'

const HANDSHAKE_MS = 10_000
const RETRY_MS = 700

interface Teardown { teardown (fn: () => unknown): void }

interface Driven {
  dialer: Dialer
  clock: ManualClock
  states: Inbox<TrunkState>
  opened: Inbox<{ socket: WebSocket, raw: Socket }>
  told: string[]
}

/** A dialer whose owner is the test, on a clock that it moves. */
function drive (url: string, options: Partial<DialerOptions> = {}): Driven {
  const clock = new ManualClock()
  const states = new Inbox<TrunkState>()
  const opened = new Inbox<{ socket: WebSocket, raw: Socket }>()
  const told: string[] = []
  const dialer = new Dialer({
    url,
    headers: () => ({}),
    ca: undefined,
    subprotocols: ['p'],
    messageBytes: 1024,
    handshakeMs: HANDSHAKE_MS,
    retry: { delayMs: (attempt) => RETRY_MS * (attempt + 1) },
    clock,
    ...options
  }, {
    state: (state) => states.push(state),
    opened: (socket, raw) => opened.push({ socket, raw }),
    late: (afterMs) => told.push(`late ${afterMs}`),
    stopping: () => told.push('stopping')
  })
  return { dialer, clock, states, opened, told }
}

async function serve (t: Teardown): Promise<{ url: string, upgrades: Inbox<IncomingMessage> }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  const upgrades = new Inbox<IncomingMessage>()
  server.on('connection', (_socket, request) => upgrades.push(request))
  t.teardown(() => {
    for (const socket of server.clients) socket.terminate()
    server.close()
  })
  await once(server, 'listening')
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, upgrades }
}

/** Takes connections and says nothing. */
async function serveSilence (t: Teardown): Promise<{ url: string, connections: Inbox<Socket> }> {
  const connections = new Inbox<Socket>()
  const server = createServer((socket) => {
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    connections.push(socket)
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, connections }
}

const CONNECTING = { state: 'connecting', attempt: 0 }

t.test('an opened socket is its owner\'s, who says `up` and `lost`; then it is dialled again, with headers asked for anew', async (t) => {
  const { url, upgrades } = await serve(t)
  let asked = 0
  const { dialer, clock, states, opened, told } = drive(url, { headers: async () => ({ authorization: `Bearer ${++asked}` }) })
  t.same(dialer.state, { state: 'closed' })
  dialer.start()
  dialer.start()
  t.same(await states.take(), CONNECTING)
  const { socket, raw } = await opened.take()
  t.match((await upgrades.take()).headers, { authorization: 'Bearer 1', 'sec-websocket-protocol': 'p' })
  t.ok(raw.bytesRead > 0)
  t.same(dialer.state, CONNECTING)
  dialer.up('server', 'p')
  t.same(await states.take(), { state: 'up', serverId: 'server', protocol: 'p' })
  // The deadline was for the handshake.
  t.equal(clock.timers, 0)
  socket.terminate()
  await once(socket, 'close')
  t.equal(states.length, 0)
  dialer.lost({ code: 1006, reason: 'gone' })
  t.same(await states.take(), { state: 'down', cause: { code: 1006, reason: 'gone' }, retryMs: RETRY_MS })
  clock.advance(RETRY_MS - 1)
  t.equal(states.length, 0)
  clock.advance(1)
  t.same(await states.take(), { state: 'connecting', attempt: 1 })
  t.equal((await upgrades.take()).headers.authorization, 'Bearer 2')
  const again = await opened.take()
  again.socket.terminate()
  dialer.lost({ code: 1006, reason: 'gone' })
  await dialer.stop()
  t.same(told, [])
})

t.test('attempts start anew once it was up for five seconds', async (t) => {
  const { url } = await serve(t)
  const { dialer, clock, states, opened } = drive(url)
  const live = async (ms: number): Promise<TrunkState> => {
    const { socket } = await opened.take()
    dialer.up('server', 'p')
    clock.advance(ms)
    socket.terminate()
    dialer.lost({ code: 1006, reason: 'gone' })
    clock.advance(3 * RETRY_MS)
    return await states.take(({ state }) => state === 'down')
  }
  dialer.start()
  t.match(await live(0), { retryMs: RETRY_MS })
  t.match(await live(4_999), { retryMs: 2 * RETRY_MS })
  t.match(await live(5_000), { retryMs: RETRY_MS })
  const { socket } = await opened.take()
  socket.terminate()
  dialer.lost({ code: 1006, reason: 'gone' })
  await dialer.stop()
})

t.test('the owner of a socket whose handshake takes too long is told, once', async (t) => {
  const { url } = await serve(t)
  const { dialer, clock, states, opened, told } = drive(url)
  dialer.start()
  const { socket } = await opened.take()
  clock.advance(HANDSHAKE_MS - 1)
  t.same(told, [])
  clock.advance(1)
  t.same(told, [`late ${HANDSHAKE_MS}`])
  t.equal(socket.readyState, socket.OPEN)
  socket.terminate()
  dialer.lost({ code: 1002, reason: 'too late' })
  await states.take()
  t.match(await states.take(), { state: 'down', cause: { code: 1002, reason: 'too late' } })
  // That it closes is no loss of what comes next.
  await once(socket, 'close')
  t.equal(states.length, 0)
  await dialer.stop()
  t.equal(clock.timers, 0)
})

t.test('a connection that is not answered is given up', async (t) => {
  const { url, connections } = await serveSilence(t)
  const { dialer, clock, states, told } = drive(url)
  dialer.start()
  const connection = await connections.take()
  clock.advance(HANDSHAKE_MS)
  await states.take()
  t.same(await states.take(), { state: 'down', cause: { code: 1006, reason: `no connection within ${HANDSHAKE_MS} ms` }, retryMs: RETRY_MS })
  if (!connection.closed) await once(connection, 'close')
  await dialer.stop()
  t.same(told, [])
})

t.test('headers that come too late, or after the end, open nothing', async (t) => {
  const { url } = await serve(t)
  const answers: Array<(headers: Record<string, string>) => void> = []
  const asked = new Inbox<null>()
  let dialled = 0
  const headers = async (): Promise<Record<string, string>> => await new Promise((resolve) => {
    answers.push(resolve)
    asked.push(null)
  })
  const { dialer, clock, states } = drive(url, { headers, dial: () => { dialled++; throw new Error('dialled') } })
  dialer.start()
  await asked.take()
  clock.advance(HANDSHAKE_MS)
  t.match(states.takeAll()[1], { state: 'down', cause: { reason: `no token within ${HANDSHAKE_MS} ms` } })
  // Once while it waits to try again, and once while it does.
  answers[0]!({})
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(dialled, 0)
  clock.advance(RETRY_MS)
  await asked.take()
  clock.advance(HANDSHAKE_MS + 2 * RETRY_MS)
  await asked.take()
  answers[1]!({})
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(dialled, 0)
  const stopped = dialer.stop()
  answers[2]!({})
  await stopped
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(dialled, 0)
  t.equal(clock.timers, 0)
})

t.test('it stops wherever it is, says so once, and does not start again', async (t) => {
  const { url } = await serve(t)
  const silence = await serveSilence(t)
  const { url: nowhere } = await serveSilence(t)
  const stop = async ({ dialer, clock, states }: Driven, ...last: string[]): Promise<void> => {
    states.takeAll()
    await dialer.stop()
    await dialer.stop()
    t.ok(dialer.isStopping)
    dialer.start()
    t.same(states.takeAll().map(({ state }) => state), last)
    t.equal(clock.timers, 0)
  }

  await stop(drive(nowhere))

  const asking = drive(nowhere, { headers: async () => await new Promise(() => {}) })
  asking.dialer.start()
  await stop(asking, 'closed')

  const dialling = drive(silence.url)
  dialling.dialer.start()
  await silence.connections.take()
  await stop(dialling, 'closed')

  const failing = drive(nowhere, { headers: () => { throw new Error('no') } })
  failing.dialer.start()
  await failing.states.take(({ state }) => state === 'down')
  t.notOk(failing.dialer.isStopping)
  await stop(failing, 'closed')

  const opened = drive(url)
  opened.dialer.start()
  const { socket } = await opened.opened.take()
  opened.dialer.up('server', 'p')
  opened.states.takeAll()
  const stopped = opened.dialer.stop()
  t.same(opened.told, ['stopping'])
  socket.close()
  await once(socket, 'close')
  t.equal(opened.states.length, 0, 'not before its owner says so')
  opened.dialer.lost({ code: 1001, reason: '' })
  await stopped
  await stop(opened)
  t.same(opened.dialer.state, { state: 'closed' })
})
