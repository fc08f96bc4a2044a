import fc from 'fast-check'
import protobuf from 'protobufjs'
import t from 'tap'
import { FakeClient, ManualClock, fakeFrame } from '../../../lib/testing/index.js'
import { authenticate, calls, startApp, startMediaServer } from '../../support.js'
import type { TestApp } from '../../support.js'

// The envelope as its clients have it, for an independent implementation.
const { root } = protobuf.parse(`
  syntax = "proto3";
  message PeerMessage {
    oneof content {
      Authenticated authenticated = 1; AuthRequest auth_request = 2; MediaEvent media_event = 3;
      Report rtc_stats_report = 4; bytes peer_media_event = 5; bytes server_media_event = 6;
    }
  }
  message Authenticated {}
  message AuthRequest { string token = 1; string sdk_version = 2; }
  message MediaEvent { string data = 1; }
  message Report { string data = 1; }
`)
const PeerMessage = root.lookupType('PeerMessage')
const write = (message: object): Buffer => Buffer.from(PeerMessage.encode(PeerMessage.fromObject(message)).finish())
const read = (message: Buffer): Record<string, unknown> => PeerMessage.toObject(PeerMessage.decode(message)) as Record<string, unknown>

const connect = async ({ base }: TestApp): Promise<FakeClient> => await FakeClient.connect(`${base}/socket/peer/websocket`)

async function join (test: TestApp, identity: object): Promise<FakeClient> {
  const client = await connect(test)
  client.send(write({ authRequest: { token: JSON.stringify(identity), sdkVersion: 'web-0.25.1' } }))
  const answer = read((await client.receive()).data)
  if (answer.authenticated === undefined) throw new Error('not authenticated')
  return client
}

t.test('a client authenticates in its first message, and its events pass in the fields that carry them', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const test = await startApp(t, server.options)
  const client = await join(test, { roomId: 'r', peerId: 'p', metadata: { a: 1 } })
  t.match(await server.receive('open'), { peerId: 'p', body: { roomId: 'r', metadata: '{"a":1}' } })
  client.send(write({ peerMediaEvent: Buffer.from([1, 2, 0, 255]) }))
  t.same(read((await client.receive()).data), { serverMediaEvent: Buffer.from([1, 2, 0, 255]) })
  client.send(write({ peerMediaEvent: Buffer.alloc(0) }))
  t.same(read((await client.receive()).data), { serverMediaEvent: Buffer.alloc(0) })
  client.send(write({ mediaEvent: { data: '{"type":"connect"}' } }))
  t.same(read((await client.receive()).data), { mediaEvent: { data: '{"type":"connect"}' } })
  await client.cut()
})

t.test('authenticated is said only when the media server has accepted the peer', async (t) => {
  const server = await startMediaServer(t, { onOpen: 'ignore' })
  const test = await startApp(t, server.options)
  const client = await connect(test)
  client.send(write({ authRequest: { token: '{"roomId":"r"}' } }))
  const open = await server.receive('open')
  t.equal(client.pending, 0)
  server.send(server.answer(open))
  t.same(read((await client.receive()).data), { authenticated: {} })
  await client.cut()
})

t.test('what carries no media event is passed over', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const test = await startApp(t, server.options)
  const client = await join(test, { roomId: 'r' })
  client.send('text')
  client.send(write({ rtcStatsReport: { data: '{}' } }))
  client.send(write({ authRequest: { token: 'again' } }))
  client.send(Buffer.from([0xfa, 0x01, 0x01, 0x00]))
  client.send(write({ peerMediaEvent: Buffer.from('event') }))
  t.same(read((await client.receive()).data), { serverMediaEvent: Buffer.from('event') })
  t.equal(test.app.trunkline.stats().uplink, 1)
  await client.cut()
})

t.test('the reasons that these clients know', async (t) => {
  const server = await startMediaServer(t)
  const test = await startApp(t, server.options)
  const refused = async (first: Buffer | string): Promise<{ code: number, reason: string }> => {
    const client = await connect(test)
    client.send(first)
    return await client.closed
  }
  const auth = (said: object): Buffer => write({ authRequest: { token: JSON.stringify(said) } })
  t.same(await refused(write({ authRequest: { token: '' } })), { code: 1000, reason: 'missing token' })
  t.same(await refused(auth({ error: {} })), { code: 1000, reason: 'invalid token' })
  t.same(await refused(auth({ error: { code: 'ERR_JWT_EXPIRED' } })), { code: 1000, reason: 'expired token' })
  t.same(await refused(auth({ error: { name: 'TokenExpiredError' } })), { code: 1000, reason: 'expired token' })
  t.same(await refused(auth({ error: { statusCode: 404 } })), { code: 1000, reason: 'room not found' })
  t.same(await refused(auth({ error: { statusCode: 403 } })), { code: 1000, reason: 'peer not found' })
  t.same(await refused(auth({ error: { statusCode: 503 } })), { code: 1013, reason: 'try again later' }, 'comes back')
  t.same(await refused(write({ peerMediaEvent: Buffer.from('x') })), { code: 1000, reason: 'unauthenticated' })
  t.same(await refused('{"type":"join"}'), { code: 1000, reason: 'unauthenticated' })
  t.same(await refused(Buffer.from([0xff])), { code: 1000, reason: 'unauthenticated' })
  t.equal(server.takeAll().length, 0, 'the media server has heard of none of them')
})

t.test('an end reaches the client in the words that make it stop, or come back', async (t) => {
  const server = await startMediaServer(t)
  const test = await startApp(t, server.options)
  const [first, second] = [await join(test, { roomId: 'r', peerId: 'p' }), await join(test, { roomId: 'r', peerId: 'p' })]
  t.same(await first.closed, { code: 1000, reason: 'peer not found' }, 'replaced: stops')
  test.app.trunkline.kick('p', 'Peer removed')
  t.same(await second.closed, { code: 1000, reason: 'peer not found' }, 'kicked: stops')

  const end = async (code: number, reason: string): Promise<{ code: number, reason: string }> => {
    const client = await join(test, { roomId: 'r', peerId: 'q' })
    client.send(write({ peerMediaEvent: Buffer.from('x') }))
    const { epoch } = await server.receive('binary')
    server.send(fakeFrame('close', { code, reason, id: 0 }, 'q', epoch))
    return await client.closed
  }
  t.same(await end(4404, 'no such room'), { code: 1000, reason: 'room not found' })
  t.same(await end(4410, 'removed'), { code: 1000, reason: 'peer not found' })
  t.same(await end(4001, 'media server reset'), { code: 4001, reason: 'media server reset' })
  t.same(await end(1013, 'node not found'), { code: 1013, reason: 'try again' }, 'a reason that it would stop at is not passed on')
  const last = await join(test, { roomId: 'r' })
  await test.app.close()
  t.same(await last.closed, { code: 1012, reason: 'restarting' })
})

t.test('before it is let in, a client may send so much, and take so long', async (t) => {
  const server = await startMediaServer(t)
  const clock = new ManualClock()
  const test = await startApp(t, server.options, { clock, heartbeat: { clientMs: 1_000_000, trunkMs: 1_000_000 } })
  const token = (bytes: number): Buffer => write({ authRequest: { token: 'x'.repeat(bytes) } })
  const overhead = token(16_000).length - 16_000
  const largest = await connect(test)
  largest.send(token(16 * 1024 - overhead))
  t.same(await largest.closed, { code: 1000, reason: 'invalid token' })
  const larger = await connect(test)
  larger.send(token(16 * 1024 - overhead + 1))
  t.same(await larger.closed, { code: 1000, reason: 'peer not found' })

  const dripping = await connect(test)
  for (let i = 0; i < 40; i++) dripping.socket.send(Buffer.alloc(1024), { fin: false, binary: true })
  t.same(await dripping.closed, { code: 1000, reason: 'peer not found' }, 'a message that is never finished')

  const silent = await connect(test)
  await new Promise((resolve) => setImmediate(resolve))
  const { fn, seen } = calls(1)
  silent.socket.on('close', fn)
  clock.advance(4_999)
  t.equal(silent.socket.readyState, 1)
  clock.advance(1)
  await seen
  t.same(await silent.closed, { code: 1000, reason: 'unauthenticated' })
})

t.test('a second message before the answer is out of turn', async (t) => {
  const server = await startMediaServer(t)
  let asked = 0
  const test = await startApp(t, server.options, {
    limits: { hookMs: 100 },
    authenticate: async () => {
      asked++
      return await new Promise(() => {})
    }
  })
  const client = await connect(test)
  const raw = (client.socket as unknown as { _socket: { cork (): void, uncork (): void } })._socket
  raw.cork()
  client.send(write({ authRequest: { token: 'x' } }))
  client.send(write({ authRequest: { token: 'y' } }))
  raw.uncork()
  t.same(await client.closed, { code: 1000, reason: 'unauthenticated' })
  t.equal(asked, 0, 'it broke the rule before its turn had begun')
})

t.test('a client that is gone while it is looked up joins nothing', async (t) => {
  const server = await startMediaServer(t)
  let answer = (): void => {}
  const { fn: started, seen } = calls(1)
  const test = await startApp(t, server.options, {
    authenticate: async (request, credentials) => {
      started()
      await new Promise<void>((resolve) => { answer = resolve })
      return await authenticate(request, credentials)
    }
  })
  const client = await connect(test)
  client.send(write({ authRequest: { token: '{"roomId":"r"}' } }))
  await seen
  // Its socket is paused meanwhile: only closing the app shows that it is gone.
  await client.cut()
  answer()
  const closed = test.app.close()
  await closed
  t.equal(test.app.trunkline.peers.size, 0)
})

t.test('a message that is no envelope ends its sender, and nobody else', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const test = await startApp(t, server.options)
  const well = await join(test, { roomId: 'r', peerId: 'well' })
  const garbage = fc.sample(fc.uint8Array({ minLength: 1, maxLength: 50 }), 100).map((bytes) => Buffer.from(bytes))
  for (const bytes of [Buffer.from([0x1a, 0x03, 0x0a, 0x01, 0xff]), ...garbage]) {
    const client = await join(test, { roomId: 'r', peerId: 'bad' })
    client.send(bytes)
    client.send(Buffer.from([0xff]))
    t.equal((await client.closed).reason, 'peer not found')
  }
  well.send(write({ peerMediaEvent: Buffer.from('still here') }))
  t.same(read((await well.receive()).data), { serverMediaEvent: Buffer.from('still here') })
  await well.cut()
})
