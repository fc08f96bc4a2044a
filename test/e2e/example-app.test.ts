import t from 'tap'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { FakeClient, FakeMediaServer, UpgradeRefused } from 'trunkline/testing'
import { buildApp } from '../../examples/video-call/app.js'
import { ExpiredTokenError, InvalidTokenError, signToken, verifyToken } from '../../examples/video-call/token.js'
import type { Ticket } from './support/app-process.js'
import { until } from './support/until.js'

const SECRET = 'a secret of the tests'
const DAY_MS = 24 * 60 * 60 * 1000

t.test('a token is taken as it was signed, and not otherwise', async (t) => {
  const claims = { peerId: 'p', roomId: 'r', name: 'Ada', expiresAt: 2_000 }
  const token = signToken(claims, SECRET)
  t.same(verifyToken(token, SECRET, 1_999), claims)
  t.throws(() => verifyToken(token, SECRET, 2_000), ExpiredTokenError)
  t.throws(() => verifyToken(token, 'another secret', 1_000), InvalidTokenError)
  const [body, signature] = token.split('.') as [string, string]
  const other = Buffer.from(JSON.stringify({ ...claims, roomId: 'other' })).toString('base64url')
  for (const forged of ['', '.', body, `${body}.`, `${other}.${signature}`, `${token}.more`, `${body}.${signature.slice(1)}`]) {
    t.throws(() => verifyToken(forged, SECRET, 1_000), InvalidTokenError, `'${forged}'`)
  }
})

t.test('who is admitted gets in, any number of times', async (t) => {
  const mediaServer = await FakeMediaServer.listen()
  t.teardown(() => mediaServer.close())
  const app = await buildApp({ mediaServer: mediaServer.options, secret: SECRET })
  t.teardown(() => app.close())
  const url = await app.listen({ port: 0, host: '127.0.0.1' })

  const response = await fetch(`${url}/rooms/demo/peers`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name":" Ada "}' })
  t.equal(response.status, 200)
  const ticket = await response.json() as Ticket
  t.match(verifyToken(ticket.pass, SECRET), { peerId: ticket.peerId, roomId: 'demo', name: 'Ada', mode: 'relay' })
  t.equal(ticket.url, `${url.replace('http', 'ws')}/signaling`)

  for (const time of ['once', 'twice']) {
    const client = await FakeClient.connect(`${ticket.url}?token=${ticket.token}`)
    const open = await mediaServer.receive('open')
    t.match({ peerId: open.peerId, roomId: open.body.roomId }, { peerId: ticket.peerId, roomId: 'demo' }, time)
    await until('the backend counts it', async () => {
      const { trunk, trunks, peers, rooms } = await (await fetch(`${url}/health`)).json() as Record<string, unknown>
      return trunk === 'up' && trunks === 1 && peers === 1 && rooms === 1
    })
    await client.close()
  }
})

t.test('nobody gets in with a pass, nor with a ticket of another app', async (t) => {
  const mediaServer = await FakeMediaServer.listen()
  t.teardown(() => mediaServer.close())
  const app = await buildApp({ mediaServer: mediaServer.options, secret: SECRET })
  t.teardown(() => app.close())
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const other = await buildApp({ mediaServer: mediaServer.options, secret: 'another secret' })
  t.teardown(() => other.close())
  const admitted = async (at: typeof app): Promise<Ticket> => (await at.inject({ method: 'POST', url: '/rooms/r/peers', body: { name: 'Ada' } })).json<Ticket>()
  for (const token of [(await admitted(app)).pass, (await admitted(other)).token, signToken({ peerId: 'p', roomId: 'r', name: 'Ada', expiresAt: Date.now() + 60_000 }, SECRET)]) {
    await t.rejects(FakeClient.connect(`${url.replace('http', 'ws')}/signaling?token=${token}`), new UpgradeRefused(401, {}))
  }
  t.same(mediaServer.takeAll().filter(({ kind }) => kind === 'open'), [], 'the media server has not heard of them')
})

t.test('a pass gets another ticket for the same peer, for a day after its end', async (t) => {
  const mediaServer = await FakeMediaServer.listen()
  t.teardown(() => mediaServer.close())
  const app = await buildApp({ mediaServer: mediaServer.options, secret: SECRET })
  t.teardown(() => app.close())
  const claims = { peerId: 'p', roomId: 'r', name: 'Ada', mode: 'relay' }
  const signed = (leftMs: number, secret = SECRET): string => signToken({ ...claims, expiresAt: Date.now() + leftMs }, secret)
  const renew = async (authorization: string | undefined, url = '/rooms/r/peers/p/token') =>
    await app.inject({ method: 'POST', url, headers: authorization === undefined ? {} : { authorization } })

  for (const leftMs of [60_000, -1, -DAY_MS + 60_000]) {
    const response = await renew(`Bearer ${signed(leftMs)}`)
    t.equal(response.statusCode, 200, `${leftMs} ms before its end`)
    const { peerId, pass } = response.json<Ticket>()
    t.equal(peerId, 'p')
    const { expiresAt, ...said } = verifyToken(pass, SECRET)
    t.same(said, claims, 'it says the same')
    t.ok(expiresAt > Date.now() + 60_000, 'and lasts longer')
    t.equal(response.headers['cache-control'], 'no-store')
  }
  for (const shown of [undefined, '', 'Bearer', 'Bearer x.y', `Basic ${signed(60_000)}`, `Bearer ${signed(-DAY_MS - 60_000)}`, `Bearer ${signed(60_000, 'another secret')}`]) {
    t.equal((await renew(shown)).statusCode, 401, `'${shown}'`)
  }
  for (const url of ['/rooms/r/peers/other/token', '/rooms/other/peers/p/token']) t.equal((await renew(`Bearer ${signed(60_000)}`, url)).statusCode, 403, url)
})

t.test('the page and the admission', async (t) => {
  const mediaServer = await FakeMediaServer.listen()
  t.teardown(() => mediaServer.close())
  const app = await buildApp({ mediaServer: mediaServer.options, trustProxy: true })
  t.teardown(() => app.close())

  for (const [path, type] of [['/', 'text/html'], ['/main.js', 'text/javascript'], ['/style.css', 'text/css']] as const) {
    const { statusCode, headers, body } = await app.inject(path)
    t.equal(statusCode, 200, path)
    t.ok(headers['content-type']?.toString().startsWith(type), type)
    t.match(headers['content-security-policy'], "script-src 'self'")
    t.ok(body.length > 0)
  }

  const admit = async (room: string, body: object): Promise<number> => (await app.inject({ method: 'POST', url: `/rooms/${room}/peers`, body })).statusCode
  t.equal(await admit('demo', { name: 'A' }), 200)
  t.equal(await admit('A-room_2', { name: 'x'.repeat(64) }), 200)
  for (const name of ['', '   ', 'x'.repeat(65)]) t.equal(await admit('demo', { name }), 400, `the name '${name}'`)
  t.equal(await admit('demo', {}), 400)
  t.equal(await admit('demo', { name: 'A', mode: 'otherwise' }), 400)
  for (const room of ['no%20good', 'x'.repeat(65), '..%2f', 'r%C3%A4ume']) t.equal(await admit(room, { name: 'A' }), 400, `the room '${room}'`)

  const behindProxy = await app.inject({ method: 'POST', url: '/rooms/demo/peers', body: { name: 'A' }, headers: { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'call.example' } })
  t.equal(behindProxy.json<Ticket>().url, 'wss://call.example/signaling')
})

t.test('a port that is taken is told in one line', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  t.teardown(() => other.close())
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const script = fileURLToPath(new URL('../../examples/video-call/main.js', import.meta.url))
  const child = spawn(process.execPath, [script], { env: { ...process.env, PORT: String(port), HOST: '127.0.0.1', EXIT_WITH_PARENT: '1' } })
  const [out, error, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  t.equal(code, 1)
  t.equal(out, '')
  t.equal(error, `port ${port} of 127.0.0.1 is taken: set PORT to another one\n`)
})
