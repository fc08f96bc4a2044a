import { readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import t, { type Test } from 'tap'
import { FakeClient } from '../../../lib/testing/index.js'
import { until } from '../../e2e/support/until.js'
import { startApp } from '../../support.js'
import { DirectClient } from './direct-client.js'
import { startProcess, type MediaServer } from './process.js'
import { lookAt } from './webm-look.js'

/** What the API answers is what these tests are about. */
async function ask ({ api, token }: MediaServer, method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<{ status: number, body: any, bytes: Buffer, headers: Headers }> {
  const response = await fetch(api + path, {
    method,
    headers: { authorization: `Bearer ${token}`, ...headers, ...body === undefined ? {} : { 'content-type': 'application/json' } },
    ...body === undefined ? {} : { body: JSON.stringify(body) }
  })
  const bytes = Buffer.from(await response.arrayBuffer())
  return { status: response.status, headers: response.headers, bytes, body: bytes[0] === 0x7b ? JSON.parse(bytes.toString()) : undefined }
}

/** A client that connects directly: joined, with a session. */
async function connect (t: Test, server: MediaServer, roomId: string, peerId: string) {
  const { body: { data: { token, peer_websocket_url: url } } } = await ask(server, 'POST', `/room/${roomId}/peer`, { type: 'webrtc', options: { peerId, metadata: { name: peerId } } })
  return Object.assign(await DirectClient.join(t, { url, token, peerId }), { url, token })
}

t.test('clients connect directly: media, a true light, files by HTTP, and the end of the room', async (t) => {
  const server = await startProcess(t, { RECORDINGS_DIR: t.testdir() })
  await ask(server, 'POST', '/room', { roomId: 'room' })
  const [a, b] = [await connect(t, server, 'room', 'a'), await connect(t, server, 'room', 'b')]
  t.match(a.session, { peerId: 'a', roomId: 'room' })
  t.equal(a.url, `${server.direct}/signaling`)
  t.same((await ask(server, 'GET', '/room/room')).body.data.peers.map(({ id, status, metadata }: any) => [id, status, metadata.name]).sort(), [['a', 'connected', 'a'], ['b', 'connected', 'b']])

  const { status, body } = await ask(server, 'POST', '/room/room/component', { type: 'recording', options: {} })
  t.equal(status, 201)
  const component = body.data.id
  t.equal((await ask(server, 'POST', '/room/room/component', { type: 'recording', options: {} })).status, 200)
  await a.publisher.join()
  await b.publisher.join()
  await a.publisher.publish('audio', 'video')
  await Promise.all([a.light('on'), b.light('on')])
  await a.publisher.sends(60)
  const stopped = await ask(server, 'DELETE', `/room/room/component/${component}`)
  t.match(stopped.body.data.recordings, [{ roomId: 'room', status: /finished|available/ }])
  t.notOk('peerId' in stopped.body.data.recordings[0])
  await Promise.all([a.light('off'), b.light('off')])
  t.same((await ask(server, 'DELETE', `/room/room/component/${component}`)).body, { errors: 'component not found' })

  const recording = await until('the file is whole', async () => (await ask(server, 'GET', '/recording')).body.data.find(({ status }: any) => status === 'available'))
  t.equal(dirname(recording.file), t.testdirName)
  const path = `/recording/${recording.id}/${basename(recording.file)}`
  const whole = await ask(server, 'GET', path)
  t.same([whole.status, whole.headers.get('content-type')], [200, 'video/webm'])
  t.same(whole.bytes, readFileSync(recording.file))
  t.same(lookAt(whole.bytes).codecs, ['A_OPUS', 'V_VP8'])
  const size = whole.bytes.length
  for (const [range, from, to] of [['bytes=10-19', 10, 20], ['bytes=100-', 100, size], ['bytes=-7', size - 7, size], [`bytes=5-${size + 9}`, 5, size]] as const) {
    const part = await ask(server, 'GET', path, undefined, { range })
    t.same([part.status, part.headers.get('content-range'), part.headers.get('content-length')], [206, `bytes ${from}-${to - 1}/${size}`, String(to - from)], range)
    t.same(part.bytes, whole.bytes.subarray(from, to))
  }
  for (const range of [`bytes=${size}-`, 'bytes=-0']) {
    const none = await ask(server, 'GET', path, undefined, { range })
    t.same([none.status, none.headers.get('content-range')], [416, `bytes */${size}`], range)
  }
  for (const range of ['bytes=9-5', 'bytes=0-1,4-5', 'bytes=-', 'lines=1-2', `bytes=${'9'.repeat(99)}-`]) t.equal((await ask(server, 'GET', path, undefined, { range })).status, 200, range)
  for (const file of ['other.webm', '..%2F..%2Fetc%2Fpasswd', encodeURIComponent(recording.file), '%00', '..', basename(recording.file).slice(1)]) {
    t.equal((await ask(server, 'GET', `/recording/${recording.id}/${file}`)).status, 404, file)
  }
  t.equal((await ask(server, 'GET', path, undefined, { authorization: '' })).status, 401)
  t.equal((await ask(server, 'DELETE', `/recording/${recording.id}`)).status, 204)
  t.throws(() => readFileSync(recording.file), { code: 'ENOENT' })
  t.same((await ask(server, 'DELETE', `/recording/${recording.id}`)).body, { errors: 'recording not found' })

  await ask(server, 'DELETE', '/room/room/peer/b')
  t.match(await b.failed, { code: 4410 })
  await ask(server, 'DELETE', '/room/room')
  t.same(await a.failed, { code: 4410, reason: 'Room stopped' })
  t.match(await server.stop(), { code: 0 })
  t.same(server.errors, [])
})

t.test('nobody comes in without a token that is still good, and nobody is mixed', async (t) => {
  const server = await startProcess(t, { RECORDINGS_DIR: t.testdir() })
  await ask(server, 'POST', '/room', { roomId: 'room' })
  const { body: { data: { token, peer_websocket_url: url } } } = await ask(server, 'POST', '/room/room/peer', { type: 'webrtc', options: { peerId: 'a' } })
  const come = async (shown: string): Promise<number> => await FakeClient.connect(`${url}?token=${encodeURIComponent(shown)}`).then(() => 101, ({ statusCode }) => statusCode)
  for (const bad of ['x', token.slice(1), `${token}xxxx`, token.split('.')[0], server.token]) t.equal(await come(bad), 401)
  const { join } = await startApp(t, { url: server.listening, token: server.token })
  t.match(await (await join({ roomId: 'room', peerId: 'relayed' })).closed, { code: 4403, reason: 'the room is of clients that connect directly' })
  const fishjam = await ask(server, 'POST', '/room/room/peer', { type: 'webrtc', options: { peerId: 'a', dialect: 'fishjam' } })
  t.equal(fishjam.body.data.peer_websocket_url, server.direct, 'what that client appends is not said')
  await ask(server, 'DELETE', '/room/room/peer/a')
  t.equal(await come(token), 401, 'a peer that was removed')
  const former = await ask(server, 'POST', '/room/room/peer', { type: 'webrtc', options: { peerId: 'a' } })
  await ask(server, 'DELETE', '/room/room')
  await ask(server, 'POST', '/room', { roomId: 'room' })
  await ask(server, 'POST', '/room/room/peer', { type: 'webrtc', options: { peerId: 'a' } })
  t.equal(await come(former.body.data.token), 401, 'a peer of a room of before that had the same name')
  await ask(server, 'DELETE', '/room/room/peer/a')
  await join({ roomId: 'room', peerId: 'relayed' })
  await until('it is in', async () => (await ask(server, 'GET', '/room/room')).body.data.peers.some(({ id }: any) => id === 'relayed'))
  const refused = await ask(server, 'POST', '/room/room/peer', { type: 'webrtc', options: { peerId: 'a' } })
  t.same([refused.status, refused.body], [409, { errors: 'room mode' }])
})

t.test('more metadata than a ticket has room for is refused, and the room stays open to all', async (t) => {
  const server = await startProcess(t)
  await ask(server, 'POST', '/room', { roomId: 'room', maxPeers: 1 })
  const { status, body } = await ask(server, 'POST', '/room/room/peer', { type: 'webrtc', options: { peerId: 'a', metadata: 'x'.repeat(5_000) } })
  t.equal(status, 400)
  t.match(body.errors, /put less into the metadata/)
  t.same((await ask(server, 'GET', '/room/room')).body.data.peers, [])
  t.same(server.errors, [])
  await connect(t, server, 'room', 'b')
})

t.test('what is recorded is whole when the process is ended', async (t) => {
  const server = await startProcess(t, { RECORDINGS_DIR: t.testdir() })
  await ask(server, 'POST', '/room', { roomId: 'room' })
  const a = await connect(t, server, 'room', 'a')
  await ask(server, 'POST', '/room/room/component', { type: 'recording' })
  await a.publisher.join()
  await a.publisher.publish('audio', 'video')
  await a.light('on')
  await a.publisher.sends(60)
  const [{ id }] = (await ask(server, 'GET', '/recording')).body.data
  const { code, ms } = await server.stop()
  t.equal(code, 0)
  t.ok(ms < 2_500, `${ms} ms`)
  const look = lookAt(readFileSync(`${t.testdirName}/${id}.webm`))
  t.ok(look.hasCues)
  t.ok(look.durationMs > 300 && look.durationMs < 60_000, `${look.durationMs} ms`)
})
