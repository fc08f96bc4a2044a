import t from 'tap'
import { FakeClient, ManualClock, fakeFrame } from '../../lib/testing/index.js'
import { startApp, startMediaServer, trunkState } from '../support.js'
import type { TestApp } from '../support.js'

/** Fails unless this client's events still come back: nobody else's fault is to be felt. */
async function isWell (t: { equal (a: unknown, b: unknown): boolean }, client: FakeClient): Promise<void> {
  client.send('still here')
  t.equal(await client.receiveText(), 'still here')
}

/** Bytes on the client's TCP connection that `ws` itself would never send. */
function raw (client: FakeClient, bytes: Buffer): void {
  (client.socket as unknown as { _socket: { write (bytes: Buffer): void } })._socket.write(bytes)
}

const leaves = async ({ app }: TestApp): Promise<string> =>
  await new Promise((resolve) => app.trunkline.addHook('onPeerLeave', (peer, { code, cause }) => resolve(`${peer.id} ${code} ${cause}`)))

t.test('text that is not UTF-8, from a client', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const test = await startApp(t, server.options)
  const [bad, well] = [await test.join({ roomId: 'r', peerId: 'bad' }), await test.join({ roomId: 'r', peerId: 'well' })]
  await isWell(t, bad)
  const left = leaves(test)
  raw(bad, Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xff, 0xff]))
  t.equal((await bad.closed).code, 1007)
  t.equal(await left, 'bad 1007 bad message')
  t.equal((await server.receive('close')).peerId, 'bad')
  await isWell(t, well)
})

t.test('text that is not UTF-8, from the media server', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const { join, log } = await startApp(t, server.options)
  const [bad, well] = [await join({ roomId: 'r', peerId: 'bad' }), await join({ roomId: 'r', peerId: 'well' })]
  server.echo = false
  bad.send('x')
  const { epoch } = await server.receive('text')
  server.echo = true
  server.send(fakeFrame('text', Buffer.from([0xff]), 'bad', epoch))
  t.equal((await bad.closed).code, 1011)
  t.equal((await server.receive('close')).peerId, 'bad')
  t.ok(log.some(({ msg, peerId }) => /not UTF-8/.test(String(msg)) && peerId === 'bad'))
  await isWell(t, well)
})

t.test('a message of the largest size passes, one byte more is 1009', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const test = await startApp(t, server.options)
  const [bad, well] = [await test.join({ roomId: 'r', peerId: 'bad' }), await test.join()]
  bad.send(Buffer.alloc(128 * 1024, 7))
  t.equal((await bad.receive()).data.length, 128 * 1024)
  const left = leaves(test)
  bad.send(Buffer.alloc(128 * 1024 + 1))
  t.equal((await bad.closed).code, 1009)
  t.equal(await left, 'bad 1009 bad message')
  await isWell(t, well)
})

t.test('frames that break the WebSocket protocol', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const test = await startApp(t, server.options)
  const [bad, well] = [await test.join({ roomId: 'r', peerId: 'bad' }), await test.join()]
  await isWell(t, bad)
  const left = leaves(test)
  raw(bad, Buffer.from([0xf1, 0x80, 0, 0, 0, 0]))
  t.equal((await bad.closed).code, 1002)
  t.equal(await left, 'bad 1002 bad message')
  await isWell(t, well)
})

t.test('a message that the media server does not take', async (t) => {
  const server = await startMediaServer(t, { echo: true, welcome: { maxMessageBytes: 2048 } })
  const { join } = await startApp(t, server.options)
  const [bad, well] = [await join(), await join()]
  bad.send(Buffer.alloc(3000))
  t.same(await bad.closed, { code: 1009, reason: 'the media server takes no message of this size' })
  await isWell(t, well)
})

t.test('a media server that refuses a peer', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const { app, join, log } = await startApp(t, server.options)
  const well = await join()
  await isWell(t, well)
  server.onOpen = 'refuse'
  const refused = await join({ roomId: 'r', peerId: 'refused' })
  t.same(await refused.closed, { code: 4403, reason: 'not today' })
  t.ok(log.some(({ msg, peerId }) => msg === 'the media server refuses the peer' && peerId === 'refused'))
  await isWell(t, well)
  t.equal(app.trunkline.peers.size, 1)
})

t.test('a media server that never answers', async (t) => {
  const clock = new ManualClock()
  const server = await startMediaServer(t, { echo: true })
  const { app, join } = await startApp(t, server.options, { clock })
  const well = await join()
  await isWell(t, well)
  server.onOpen = 'ignore'
  const waits = await join({ roomId: 'r', peerId: 'waits' })
  await server.receive('open', ({ peerId }) => peerId === 'waits')
  clock.advance(4_999)
  t.ok(app.trunkline.peers.get('waits'))
  clock.advance(1)
  t.same(await waits.closed, { code: 1013, reason: 'the media server does not answer' })
  await isWell(t, well)
})

t.test('a media server that answers twice', async (t) => {
  const server = await startMediaServer(t, { echo: true, onOpen: 'accept twice' })
  const { app, join } = await startApp(t, server.options)
  const client = await join()
  await isWell(t, client)
  t.match(app.trunkline.stats().trunk.dropped, { 'late answer': 1 })
})

for (const encoding of ['protobuf', 'json'] as const) {
  t.test(`${encoding}: a batch that cannot be decoded closes the trunk with 1002, and nothing of it is acted upon`, async (t) => {
    const server = await startMediaServer(t, { echo: true })
    const { app, join } = await startApp(t, { ...server.options, encoding, retry: { baseMs: 1, maxMs: 1 } })
    const client = await join({ roomId: 'r', peerId: 'p' })
    const trunk = await server.nextTrunk()
    const { peerId } = await server.receive('open')
    const down = trunkState(app, 'down')
    const close = fakeFrame('close', { code: 4410, reason: 'x', id: 0 }, peerId, 1)
    if (encoding === 'protobuf') trunk.sendRaw(Buffer.from([0x0a, 0x03, 0x0a, 0x01, 0x70, 0xff]))
    else trunk.sendRaw('[{"peer_id":"p","close":{}},{"text":1}]')
    trunk.send(close)
    t.match(await trunk.closed, { code: 1002, reason: /not a valid message/ })
    await down
    await server.nextTrunk()
    await server.receive('open')
    client.send('and back')
    t.equal(await client.receiveText(), 'and back')
  })
}

t.test('a trunk message of the wrong kind is no batch', async (t) => {
  const server = await startMediaServer(t)
  await startApp(t, { ...server.options, retry: { baseMs: 1, maxMs: 1 } })
  const trunk = await server.nextTrunk()
  trunk.sendRaw('[]')
  t.equal((await trunk.closed).code, 1002)
  await server.nextTrunk()
})

t.test('more peers than there may be', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const { join } = await startApp(t, server.options, { limits: { peers: 2 } })
  const [first] = [await join(), await join()]
  const third = await join()
  t.same(await third.closed, { code: 1013, reason: 'too many peers' })
  await isWell(t, first!)
})

t.test('downlink events that wait for a hook are bounded', async (t) => {
  const server = await startMediaServer(t)
  const { join } = await startApp(t, server.options, {
    limits: { downlinkQueueBytes: 10_000, hookMs: 100 }, hooks: { onDownlink: async () => await new Promise(() => {}) }
  })
  const client = await join({ roomId: 'r', peerId: 'p' })
  client.send('x')
  const { epoch } = await server.receive('text')
  for (let i = 0; i < 12; i++) server.send(fakeFrame('binary', Buffer.alloc(1000), 'p', epoch))
  t.same(await client.closed, { code: 4008, reason: 'too slow' })
})
