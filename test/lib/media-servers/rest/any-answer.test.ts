import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { asking, room, thrownBy } from './asking.js'
import { startControl } from './support.js'

const asked = fc.constantFrom(...Object.keys(asking))

t.test('whatever is answered, what was asked resolves, or rejects with a code of ours', async (t) => {
  const { server, control } = await startControl(t)
  const peer = { id: 'p', type: 'webrtc', status: 'connected', metadata: null }
  const recording = { id: 'x', roomId: 'r', status: 'active', revision: 1, startedAt: 1, file: null, durationMs: null, error: null }
  /** What is right but in one place, where anything stands. */
  const nearly = fc.tuple(
    fc.constantFrom<object>(room, [room], { room }, { ...room, peers: [peer] }, { peer, token: 't', peer_websocket_url: 'ws://x' }, { id: 'c', type: 'recording', properties: { recordings: [recording] } }, { recordings: [recording] }),
    fc.nat(), fc.oneof(fc.jsonValue(), fc.string({ unit: 'binary' }), fc.constant('\ud800'), fc.constant(null))
  ).map(([right, at, wrong]) => {
    let n = 0
    const text = JSON.stringify({ data: right })
    const count = [...text.matchAll(/"(\w+)":/g)].length
    return JSON.stringify(JSON.parse(text, (_key, value: unknown) => n++ === at % (count + 2) ? wrong : value)) ?? 'null'
  })
  const body = fc.oneof(fc.json(), nearly, fc.uint8Array().map((bytes) => Buffer.from(bytes)), fc.jsonValue().map((errors) => JSON.stringify({ errors })))
  const status = fc.oneof(fc.constantFrom(200, 201, 204, 404, 409, 500, 503), fc.integer({ min: 200, max: 599 }))
  let resolved = 0
  await fc.assert(fc.asyncProperty(asked, status, body, async (asked, status, body) => {
    server.respond = () => ({ status, body })
    const error = await thrownBy(asking[asked]!(control))
    if (error === null) resolved++
    else if (!/^TRK_ERR_/.test(String(error.code))) throw error
  }), { numRuns: 400 })
  t.ok(resolved > 0, 'some resolve')
})

t.test('so it does whatever bytes come', async (t) => {
  let bytes = Buffer.alloc(0)
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end(bytes))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { control } = await startControl(t, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
  const head = fc.constantFrom('', 'HTTP/1.1 200 OK\r\n', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n', 'HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.0 204 No\r\n\r\n')
  await fc.assert(fc.asyncProperty(asked, head, fc.uint8Array(), async (asked, head, rest) => {
    bytes = Buffer.concat([Buffer.from(head), rest])
    const error = await thrownBy(asking[asked]!(control))
    if (error !== null && !/^TRK_ERR_/.test(String(error.code))) throw error
  }), { numRuns: 200 })
  t.pass('the property holds')
})
