import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { request as httpRequest } from 'node:http'
import Fastify from 'fastify'
import t from 'tap'
import { WebSocket } from 'ws'
import { RoomModeError } from '../../lib/errors.js'
import { Link } from '../../lib/client/index.js'
import type { Admittance, MediaServerControl, PeerRequest } from '../../lib/relay/control.js'
import { FakeClient } from '../../lib/testing/index.js'
import trunkline, { tickets } from '../../plugins/trunkline.js'
import { LinkClient } from '../link-client.js'
import { authenticate, startApp, startMediaServer } from '../support.js'
import type { TestApp, TestOptions } from '../support.js'
import { driverWith } from './direct-driver.js'

const REASON = 'clients connect to the media server themselves: ask for admittance'

async function startDirect (t: Parameters<typeof startApp>[0], control: Partial<MediaServerControl>, options: TestOptions = {}): Promise<TestApp> {
  const server = await startMediaServer(t)
  return await startApp(t, driverWith(control, server.options), { mode: 'direct', ...options })
}

t.test('without authenticate, a client is admitted by the media server, and this backend relays for nobody', async (t) => {
  const asked: PeerRequest[] = []
  const server = await startMediaServer(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(trunkline, {
    mode: 'direct',
    mediaServer: driverWith({
      addPeer: async (request) => {
        asked.push(request)
        return { peerId: request.peerId, url: 'wss://media.example/signaling', token: 'of the media server' }
      }
    }, server.options)
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const base = `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  t.same(await app.trunkline.admit({ roomId: 'r', peerId: 'p', metadata: { a: 1 } }), { peerId: 'p', url: 'wss://media.example/signaling', token: 'of the media server' })
  t.match(await app.trunkline.addPeer('r', { dialect: 'fishjam' }), { url: 'wss://media.example/signaling' })
  t.match(asked, [{ roomId: 'r', peerId: 'p', metadata: { a: 1 }, dialect: 'trunkline' }, { roomId: 'r', peerId: /^[0-9a-f-]{36}$/, metadata: null, dialect: 'fishjam' }])

  await t.rejects(FakeClient.connect(`${base}/signaling?token=x`), { message: /403/ })
  await t.rejects(FakeClient.connect(`${base}/socket/peer/websocket`), { message: /403/ })
  const link = new Link({ url: `${base}/signaling`, token: 'x', WebSocket })
  t.teardown(async () => { await link.leave() })
  const failed = new Promise((resolve) => link.on('failed', resolve))
  link.join()
  t.match(await failed, { code: 4403, reason: REASON })
  t.match(app.trunkline.stats().refused, { [REASON]: 3 })
  t.equal(server.takeAll().length, 0)
})

t.test('authenticate that is there all the same is never asked, and the log says so', async (t) => {
  let asked = 0
  const test = await startDirect(t, { addPeer: async () => await new Promise(() => {}) }, {
    authenticate: async (request, credentials) => {
      asked++
      return await authenticate(request, credentials)
    }
  })
  const link = await LinkClient.connect(test)
  link.ask({ roomId: 'r' })
  t.match(await link.closed, { code: 4403, reason: REASON })
  await t.rejects(test.join(), { message: /403/ })
  t.equal(asked, 0)
  t.match(test.log.find(({ msg }) => String(msg).startsWith('authenticate is not used')), { level: 30 })
})

t.test('tickets() that are there all the same are free for another registration', async (t) => {
  const auth = tickets()
  await startDirect(t, { addPeer: async () => await new Promise(() => {}) }, { authenticate: auth })
  const server = await startMediaServer(t)
  t.ok(await startApp(t, server.options, { authenticate: auth }))
})

t.test('what the media server says of a client that it does not admit is what admit() says', async (t) => {
  const { app } = await startDirect(t, { addPeer: async ({ roomId }) => { throw new RoomModeError(roomId, 'are relayed', 'connect themselves') } })
  await t.rejects(app.trunkline.admit({ roomId: 'r' }), { code: 'TRK_ERR_ROOM_MODE', statusCode: 409 })
})

t.test('a client that drops its request is removed from the media server, where it was admitted meanwhile', async (t) => {
  let answer = (_admittance: Admittance): void => {}
  let asked = (): void => {}
  let over = (_error: unknown): void => {}
  const isAsked = new Promise<void>((resolve) => { asked = resolve })
  const isOver = new Promise((resolve) => { over = resolve })
  let closed: Promise<unknown> = Promise.resolve()
  const removed: string[][] = []
  const { host } = await startDirect(t, {
    addPeer: async () => await new Promise((resolve) => {
      answer = resolve
      asked()
    }),
    getRoom: async (id) => ({ id, maxPeers: null, isRecorded: false, peers: [] }),
    removePeer: async (...which) => { removed.push(which) }
  }, {
    after: (app) => {
      app.get('/admit', async (request) => {
        closed = once(request.raw.socket, 'close')
        return await app.trunkline.admit({ roomId: 'r', peerId: 'p' }, { request }).catch((error: unknown) => {
          over(error)
          throw error
        })
      })
    }
  })
  const request = httpRequest(`http://${host}/admit`)
  request.on('error', () => {})
  request.end()
  const [socket] = await once(request, 'socket') as [{ destroy (): void }]
  await isAsked
  socket.destroy()
  await closed
  answer({ peerId: 'p', url: 'ws://media', token: 'x' })
  t.match(await isOver, { code: 'TRK_ERR_ADMIT_GONE' })
  t.same(removed, [['r', 'p']])
})

t.test('a driver that cannot let such clients in is refused at start', async (t) => {
  const server = await startMediaServer(t)
  const app = Fastify()
  await t.rejects(async () => await app.register(trunkline, { mode: 'direct', mediaServer: driverWith({}, server.options) }), { code: 'TRK_ERR_OPTION', message: /'mode' cannot be 'direct': the driver 'driver of the test'/ })
  await app.close()
})

t.test('publicUrl', async (t) => {
  for (const publicUrl of ['api.example', 'ftp://x', 'wss://', 'wss://x/?a', 'wss://x/#a', 'wss://user@x', 'wss://x y']) {
    const app = Fastify()
    await t.rejects(async () => await app.register(trunkline, { mediaServer: { url: 'ws://x' }, authenticate, publicUrl }), { code: 'TRK_ERR_OPTION', message: /'publicUrl'/ }, publicUrl)
    await app.close()
  }
})
