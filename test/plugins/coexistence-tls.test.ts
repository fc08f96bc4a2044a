import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import protobuf from 'protobufjs'
import t from 'tap'
import type { Test } from 'tap'
import WebSocket from 'ws'
import { Link } from '../../lib/client/index.js'
import type { SocketConstructor } from '../../lib/client/index.js'
import { FakeClient, fakeFrame } from '../../lib/testing/index.js'
import { LINK_SUBPROTOCOL } from '../../lib/session/messages.js'
import { createEndpoint } from '../../lib/trunk/endpoint.js'
import trunkline from '../../plugins/trunkline.js'
import { selfSigned } from '../certificate.js'
import { startApp, startMediaServer, trunkState } from '../support.js'
import type { TestOptions } from '../support.js'

// All that counts bytes or watches a socket, on sockets that are encrypted.

const { cert, key } = selfSigned()

interface TlsApp {
  app: FastifyInstance
  /** `wss://...` */
  base: string
  join (identity?: object): Promise<FakeClient>
}

async function startTlsApp (t: Test, mediaServer: Parameters<typeof startApp>[1], options: TestOptions = {}): Promise<TlsApp> {
  const { app, host } = await startApp(t, mediaServer, { ...options, fastify: { https: { cert, key } } as FastifyServerOptions })
  const base = `wss://${host}`
  return {
    app,
    base,
    join: async (identity = { roomId: 'r', peerId: 'p' }) => {
      const client = await FakeClient.connect(`${base}/signaling?token=${encodeURIComponent(JSON.stringify(identity))}`, { ca: cert })
      t.teardown(() => client.cut())
      return client
    }
  }
}

const PeerMessage = protobuf.parse(`
  syntax = "proto3";
  message PeerMessage { oneof content { Nothing authenticated = 1; AuthRequest auth_request = 2; bytes peer_media_event = 5; bytes server_media_event = 6; } }
  message Nothing {}
  message AuthRequest { string token = 1; string sdk_version = 2; }
`).root.lookupType('PeerMessage')
const write = (message: object): Uint8Array => PeerMessage.encode(PeerMessage.fromObject(message)).finish()
const read = (message: Buffer): Record<string, unknown> => PeerMessage.toObject(PeerMessage.decode(message)) as Record<string, unknown>

t.test('clients of each kind come in over TLS, and are told when the app closes', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const { app, base, join } = await startTlsApp(t, server.options)
  await t.rejects(FakeClient.connect(`${base}/signaling`), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  const plain = await join()
  plain.send('x')
  t.equal(await plain.receiveText(), 'x')

  const fishjam = await FakeClient.connect(`${base}/socket/peer/websocket`, { ca: cert })
  fishjam.send(write({ authRequest: { token: '{"roomId":"r"}', sdkVersion: 'web-0.25.1' } }))
  t.same(read((await fishjam.receive()).data), { authenticated: {} })
  fishjam.send(write({ peerMediaEvent: Buffer.from('x') }))
  t.same(read((await fishjam.receive()).data), { serverMediaEvent: Buffer.from('x') })

  class Trusting extends WebSocket {
    constructor (url: string, protocols: string[]) {
      super(url, protocols, { ca: cert })
    }
  }
  const link = new Link({ url: `${base}/signaling`, token: '{"roomId":"r"}', WebSocket: Trusting as unknown as SocketConstructor, reconnect: { delayMs: () => null } })
  const event = new Promise((resolve) => link.on('mediaEvent', resolve))
  const failed = new Promise<{ code: number }>((resolve) => link.on('failed', resolve))
  link.join()
  link.send('x')
  t.equal(await event, 'x')

  await app.close()
  for (const client of [plain, fishjam]) t.same(await client.closed, { code: 1012, reason: 'restarting' })
  t.equal((await failed).code, 1012)
})

t.test('over TLS, the host\'s own pages are let in, and others are not', async (t) => {
  const server = await startMediaServer(t)
  const { base } = await startTlsApp(t, server.options)
  const url = `${base}/signaling?token=${encodeURIComponent('{"roomId":"r"}')}`
  const client = await FakeClient.connect(url, { ca: cert, headers: { origin: base.replace('wss', 'https') } })
  await client.cut()
  await t.rejects(FakeClient.connect(url, { ca: cert, headers: { origin: 'https://evil.example' } }), { message: /403/ })
})

t.test('over TLS, what may be sent before who one is is counted in bytes that arrive', async (t) => {
  const server = await startMediaServer(t)
  const { base } = await startTlsApp(t, server.options, { limits: { preAuthBytes: 2_000 } })
  const client = await FakeClient.connect(`${base}/signaling`, { ca: cert, protocols: [LINK_SUBPROTOCOL] })
  t.teardown(() => client.cut())
  // Pieces of a message that does not end, each with the six bytes that it is framed with: 3 024 is the bound and what framing may add.
  for (let i = 0; i < 30; i++) client.socket.send(Buffer.alloc(94), { fin: false })
  client.socket.ping(Buffer.alloc(18))
  await new Promise((resolve) => client.socket.once('pong', resolve))
  t.equal(client.socket.readyState, 1, 'at the bound')
  client.socket.ping()
  t.same(await client.closed, { code: 1009, reason: 'too large before authentication' }, 'above it')
})

t.test('over TLS, a client that has vanished is found out, and one that lives is not', async (t) => {
  const server = await startMediaServer(t)
  const { app, join } = await startTlsApp(t, server.options, { heartbeat: { clientMs: 50 } })
  const [alive, frozen] = [await join({ roomId: 'r', peerId: 'alive' }), await join({ roomId: 'r', peerId: 'frozen' })]
  frozen.socket.pause()
  t.equal((await server.receive('close')).peerId, 'frozen')
  t.ok(app.trunkline.peers.get('alive'))
  t.equal(alive.socket.readyState, 1)
})

t.test('over TLS, a client that reads too slowly is closed, and memory stays bounded', async (t) => {
  const server = await startMediaServer(t)
  const { app, join } = await startTlsApp(t, server.options, { limits: { closeMs: 50 } })
  const client = await join()
  client.send('x')
  const { epoch } = await server.receive('text')
  client.socket.pause()
  const ended = new Promise<string>((resolve) => app.trunkline.addHook('onPeerLeave', (_peer, { cause, code }) => resolve(`${code} ${cause}`)))
  const event = Buffer.alloc(64 * 1024)
  let sent = 0
  while (app.trunkline.peers.size > 0 && sent < 64 * 1024 * 1024) {
    server.send(fakeFrame('binary', event, 'p', epoch))
    sent += event.length
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.equal(await ended, '4008 too slow')
  t.ok(sent < 32 * 1024 * 1024, `${sent} bytes`)
})

t.test('over TLS, a client that does not answer holds the closing for no longer than limits.closeMs', async (t) => {
  const server = await startMediaServer(t)
  const { app, join } = await startTlsApp(t, server.options, { limits: { closeMs: 200 } })
  const client = await join()
  await server.receive('open')
  client.socket.pause()
  const started = Date.now()
  await app.close()
  const took = Date.now() - started
  t.ok(took >= 190 && took < 2_000, `${took} ms`)
})

t.test('the trunk over wss://, for whom its certificate is known', async (t) => {
  const endpoint = createEndpoint({ token: 'secret', onPeer: (peer) => { peer.on('mediaEvent', (data) => peer.send(data)) } })
  const server = createServer({ cert, key })
  server.on('upgrade', (request, socket, head) => { void endpoint.handleUpgrade(request, socket, head) })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    await endpoint.close()
    await new Promise((resolve) => server.close(resolve))
  })
  const options = { url: `wss://127.0.0.1:${(server.address() as AddressInfo).port}`, token: 'secret', retry: { baseMs: 5, maxMs: 5 } }

  const { app, join } = await startApp(t, { ...options, ca: cert })
  const client = await join()
  client.send('x')
  t.equal(await client.receiveText(), 'x')
  await app.close()
  t.same(await client.closed, { code: 1012, reason: 'restarting' })

  const stranger = await startApp(t, options)
  await trunkState(stranger.app, 'down')
  t.match(JSON.stringify(stranger.app.trunkline.trunk), /self-signed certificate/)
  t.notMatch(JSON.stringify(stranger.log), /secret/)
})

t.test('HTTP/2 alone is refused at start; with HTTP/1.1 beside it, WebSockets work', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const build = (options: object): FastifyInstance => {
    const app = Fastify(options)
    t.teardown(() => app.close())
    app.register(trunkline, { mediaServer: server.options, authenticate: () => ({ roomId: 'r' }) })
    return app
  }
  for (const options of [{ http2: true }, { http2: true, https: { cert, key } }, { http2: true, https: { cert, key, allowHTTP1: false } }]) {
    await t.rejects(async () => await build(options).ready(), { code: 'TRK_ERR_HTTP2', message: /allowHTTP1: true/ })
  }
  const both = build({ http2: true, https: { cert, key, allowHTTP1: true } })
  const base = (await both.listen({ port: 0, host: '127.0.0.1' })).replace('https:', 'wss:')
  const client = await FakeClient.connect(`${base}/signaling?token=x`, { ca: cert })
  t.teardown(() => client.cut())
  client.send('x')
  t.equal(await client.receiveText(), 'x')
  await both.close()
  t.same(await client.closed, { code: 1012, reason: 'restarting' })
})
