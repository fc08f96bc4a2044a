import Fastify from 'fastify'
import { expect, test } from 'tstyche'
import trunkline, { janus, tickets } from 'trunkline'
import type { Admittance, AppMetadata, ForwardResult, Identity, MediaEvent, MediaServer, MediaServerControl, Peer, Recording, RecordingChange, Room, TicketClaims, Tickets, Trunkline, TrunklineOptions, TrunkState } from 'trunkline'
import { CloseCode, Link, mayReconnect } from 'trunkline/client'
import type { LinkState, SocketConstructor } from 'trunkline/client'
import { createEndpoint } from 'trunkline/media-server'
import type { EndpointPeer } from 'trunkline/media-server'
import { FakeMediaServer } from 'trunkline/testing'
import { WebSocket } from 'ws'

declare module 'trunkline' {
  interface TrunklineTypes {
    metadata: { userId: string }
  }
}

const app = Fastify()
const mediaServer = { url: 'ws://localhost', token: 'x' }

test('the app\'s metadata flows into every hook', () => {
  expect<AppMetadata>().type.toBe<{ userId: string }>()
  expect(app.trunkline).type.toBe<Trunkline<{ userId: string }>>()
  app.trunkline.addHook('onPeerJoin', (peer) => { expect(peer).type.toBe<Peer<{ userId: string }>>() })
  app.trunkline.addHook('onUplink', (event, peer) => {
    expect(event).type.toBe<MediaEvent>()
    expect(peer.metadata.userId).type.toBe<string>()
  })
  app.trunkline.addHook('onPeerLeave', (_peer, { cause }) => { expect<'kicked'>().type.toBeAssignableTo<typeof cause>() })
  app.trunkline.addHook('onRecording', (recording, room) => {
    expect(recording).type.toBe<RecordingChange>()
    expect(room.peers).type.toBe<ReadonlyArray<Peer<{ userId: string }>>>()
  })
  app.trunkline.addHook('onTrunk', (state) => { expect(state).type.toBe<TrunkState>() })
  expect(app.trunkline.peers.get('p')).type.toBe<Peer<{ userId: string }> | undefined>()
})

test('what a forwarding hook answers', () => {
  expect<ForwardResult>().type.toBe<void | undefined | false | string | Buffer>()
  expect(app.trunkline.addHook).type.toBeCallableWith('onUplink', () => false)
  expect(app.trunkline.addHook).type.toBeCallableWith('onUplink', async () => Buffer.alloc(0))
  expect(app.trunkline.addHook).type.not.toBeCallableWith('onUplink', () => true)
  expect(app.trunkline.addHook).type.not.toBeCallableWith('onUplnk', () => {})
})

test('options', () => {
  expect(app.register).type.toBeCallableWith(trunkline, { mediaServer, authenticate: () => ({ roomId: 'r', metadata: { userId: 'u' } }) })
  expect<TrunklineOptions>().type.not.toBeAssignableFrom({ mediaServer, authenticate: () => ({ roomId: 'r', metadata: { userId: 1 } }) })
  expect<TrunklineOptions>().type.not.toBeAssignableFrom({ mediaServer, authenticate: () => ({ metadata: { userId: 'u' } }) })
  expect<TrunklineOptions>().type.not.toBeAssignableFrom({ mediaServer })
  expect(app.register).type.not.toBeCallableWith(trunkline, { mediaServer, authenticate: () => ({ roomId: 'r', metadata: { user_id: 'u' } }) })
  expect(app.register).type.not.toBeCallableWith(trunkline, { mediaServer, authenticate: () => ({ roomId: 'r' }) })
  const options: TrunklineOptions = { mediaServer, authenticate: () => ({ roomId: 'r', metadata: { userId: 'u' } }) }
  expect(app.register).type.toBeCallableWith(trunkline, options)
  app.register(trunkline, {
    mediaServer,
    authenticate: () => ({ roomId: 'r', metadata: { userId: 'u' } }),
    hooks: { onUplink: (_event, { metadata }) => { expect(metadata).type.toBe<{ userId: string }>() } }
  })
  expect<Identity<unknown>>().type.toBeAssignableFrom({ roomId: 'r' })
  expect<TrunklineOptions<number>['authenticate']>().type.toBeAssignableFrom((): Identity<number> => ({ roomId: 'r', metadata: 1 }))
})

test('the media server\'s side', () => {
  createEndpoint<{ name: string }>({ token: 'x', onPeer: (peer) => { expect(peer).type.toBe<EndpointPeer<{ name: string }>>() } })
  createEndpoint({ token: 'x', onPeer: ({ metadata }) => { expect(metadata).type.toBe<unknown>() } })
})

test('a peer logs like Fastify does', () => {
  app.trunkline.addHook('onPeerJoin', ({ log }) => {
    log.info('is here')
    log.info({ a: 1 }, 'is here')
    expect(log.child({ b: 2 })).type.toBe<typeof log>()
  })
})

test('the other entries', () => {
  expect(mayReconnect(CloseCode.restart)).type.toBe<boolean>()
  expect(FakeMediaServer.listen()).type.toBe<Promise<FakeMediaServer>>()
})

test('the client', () => {
  const link = new Link({ url: '/signaling', token: async () => 'x', WebSocket })
  expect(link.state).type.toBe<LinkState>()
  expect<SocketConstructor>().type.toBeAssignableFrom(WebSocket)
  link.on('mediaEvent', (event) => { expect(event).type.toBe<string | Uint8Array>() })
  link.on('joined', ({ peerId, resumed }) => {
    expect(peerId).type.toBe<string>()
    expect(resumed).type.toBe<boolean>()
  })
  link.on('failed', ({ code }) => { expect(code).type.toBe<number>() })
  expect(link.on).type.not.toBeCallableWith('messages', () => {})
  expect(link.send).type.not.toBeCallableWith({})
})

test('revoking goes by the app\'s metadata', () => {
  expect(app.trunkline.revoke((peer) => peer.metadata.userId === 'x')).type.toBe<number>()
})

test('rooms at the media server', () => {
  expect(app.trunkline.rooms.create()).type.toBe<Promise<Room>>()
  expect(app.trunkline.rooms.create).type.toBeCallableWith({ roomId: 'r', maxPeers: 4, subscribeMode: 'manual' })
  expect(app.trunkline.rooms.create).type.not.toBeCallableWith({ subscribeMode: 'sometimes' })
  expect(app.trunkline.rooms.list()).type.toBe<Promise<Room[]>>()
  expect(app.trunkline.removePeer('r', 'p')).type.toBe<Promise<void>>()
  expect(app.trunkline.subscribe).type.toBeCallableWith('r', 'p', ['q'])
})

test('what app and clients say to each other', () => {
  expect(app.trunkline.send('p', { any: ['json'] })).type.toBe<number>()
  expect(app.trunkline.broadcast('r', null)).type.toBe<number>()
  app.trunkline.addHook('onMessage', (message, peer) => {
    expect(message).type.toBe<unknown>()
    expect(peer.metadata.userId).type.toBe<string>()
  })
  const link = new Link({ url: '/signaling' })
  link.on('message', (message) => { expect(message).type.toBe<unknown>() })
  expect(link.sendMessage({ hand: 'raised' })).type.toBe<boolean>()
})

test('the recording light', () => {
  const link = new Link({ url: '/signaling' })
  link.on('recordings', (light, [first]) => {
    expect(light).type.toBe<'on' | 'off' | 'unknown'>()
    expect(first!.startedAt).type.toBe<number | null>()
    expect(first).type.not.toHaveProperty('file')
  })
  expect(app.trunkline.recordings('r').isKnown).type.toBe<boolean>()
  app.trunkline.addHook('onRecording', ({ id, status }, room) => {
    expect(id).type.toBe<string>()
    expect(status).type.toBe<Recording['status']>()
    expect(room.peers[0]!.metadata.userId).type.toBe<string>()
  })
})

test('recordings', () => {
  expect(app.trunkline.startRecording('r')).type.toBe<Promise<Recording[]>>()
  expect(app.trunkline.stopRecording('r')).type.toBe<Promise<Recording[]>>()
  expect(app.trunkline.startRecording).type.not.toBeCallableWith()
  expect<MediaServer['control']>().type.toBe<MediaServerControl | undefined>()
  expect(janus).type.toBeCallableWith({ url: 'ws://x', room: (roomId: string) => roomId.length, roomSecret: async () => 'x', adminUrl: 'ws://x', adminSecret: 'x', recordingPollMs: 500 })
  expect(janus).type.not.toBeCallableWith({ url: 'ws://x', room: 1234 })
})

test('tickets, and who is admitted by them', () => {
  const auth = tickets({ secret: process.env.SECRET })
  expect(auth).type.toBe<Tickets>()
  expect(auth.check('x')).type.toBe<Promise<TicketClaims<{ userId: string }>>>()
  expect(app.register).type.toBeCallableWith(trunkline, { mediaServer, authenticate: auth })
  expect(app.register).type.toBeCallableWith(trunkline, { mediaServer, authenticate: tickets() })
  expect(app.register).type.toBeCallableWith(trunkline, { mediaServer, mode: 'direct' })
  expect(app.register).type.not.toBeCallableWith(trunkline, { mediaServer, mode: 'relay' })
  expect(app.register).type.toBeCallableWith(trunkline, { mediaServer, authenticate: auth, mode: process.env.MODE === 'direct' ? 'direct' as const : 'relay' as const })
  expect(app.trunkline.admit({ roomId: 'r', metadata: { userId: 'u' } })).type.toBe<Promise<Admittance>>()
  expect(app.trunkline.admit).type.not.toBeCallableWith({ roomId: 'r' })
  expect(app.trunkline.admit).type.not.toBeCallableWith({ roomId: 'r', metadata: { userId: 1 } })
  expect(app.trunkline.admit).type.not.toBeCallableWith({ roomId: 'r', metadata: { userId: 'u' } }, { dialect: 'sip' })
  app.get('/again', async (request) => await app.trunkline.admit(await auth.check('x', 60_000), { request, signal: AbortSignal.timeout(1) }))
})
