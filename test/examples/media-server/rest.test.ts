import t from 'tap'
import { ADDED_MS, MAX_PEERS, MAX_ROOMS } from '../../../examples/media-server/rooms.js'
import { startRest } from './rest-server.js'

t.test('rooms are made, told of and deleted', async (t) => {
  const { ask, notices } = await startRest(t)
  const { status, body } = await ask('POST', '/room', { roomId: 'a/b ä', maxPeers: 3, subscribeMode: 'manual' })
  t.equal(status, 201)
  const room = { id: 'a/b ä', config: { maxPeers: 3, subscribeMode: 'manual' }, components: [], peers: [] }
  t.same(body, { data: { room } })
  const path = `/room/${encodeURIComponent(room.id)}`
  t.same((await ask('GET', path)).body, { data: room })
  const again = await ask('POST', '/room', { roomId: room.id })
  t.same([again.status, again.body], [409, { errors: 'room exists' }])
  const other = (await ask('POST', '/room')).body.data.room
  t.match(other, { id: /^[0-9a-f-]{36}$/, config: { maxPeers: null, subscribeMode: 'auto' } })
  t.same((await ask('GET', '/room')).body.data.map(({ id }: { id: string }) => id), [room.id, other.id])
  t.same((await ask('DELETE', path)).status, 204)
  for (const method of ['GET', 'DELETE']) {
    const gone = await ask(method, path)
    t.same([gone.status, gone.body], [404, { errors: 'room not found' }])
  }
  t.same(notices, [
    { type: 'roomCreated', roomId: room.id }, { type: 'roomCreated', roomId: other.id }, { type: 'roomDeleted', roomId: room.id }
  ])
})

t.test('nobody is heard without the token', async (t) => {
  const { ask, rooms } = await startRest(t)
  for (const authorization of ['', 'Bearer', 'Bearer secre', 'Bearer secrets', 'Basic secret', 'secret']) {
    const { status, body } = await ask('POST', '/room', {}, authorization === '' ? {} : { authorization })
    t.same([status, body], [401, { errors: 'invalid token' }], authorization)
  }
  for (const [path, status] of [['/room/%ff', 400], [`/room/${'x'.repeat(400)}`, 414]] as const) {
    const refused = await ask('GET', path, undefined, {})
    t.match([refused.status, refused.body], [status, { errors: String }], 'what is no path')
  }
  t.equal(rooms.size, 0)
  t.equal((await ask('GET', '/health', undefined, {})).status, 200, 'but that it is alive')
})

t.test('what is no request is said to be none, and nothing is made of it', async (t) => {
  const { ask, rooms } = await startRest(t)
  await ask('POST', '/room', { roomId: 'room' })
  const bad: Array<[string, unknown, number]> = [
    ['/room', '{', 400], ['/room', [], 400], ['/room', { roomId: '' }, 400], ['/room', { roomId: 'x'.repeat(129) }, 400],
    ['/room', { roomId: 'ä'.repeat(65) }, 400], ['/room', { roomId: '\ud800' }, 400], ['/room', { roomId: 5 }, 400],
    ['/room', { maxPeers: 0 }, 400], ['/room', { maxPeers: MAX_PEERS + 1 }, 400], ['/room', { maxPeers: '3' }, 400],
    ['/room', { subscribeMode: 'some' }, 400], ['/room', { roomId: 'x', padding: 'x'.repeat(64 * 1024) }, 413],
    ['/room/room/peer', {}, 400], ['/room/room/peer', { type: 'sip' }, 400],
    ['/room/room/peer', { type: 'webrtc', options: { peerId: '' } }, 400], ['/room/room/peer', { type: 'webrtc', options: { dialect: 'janus' } }, 400],
    ['/room/room/peer', { type: 'webrtc', options: { metadata: 'x'.repeat(16 * 1024) } }, 400],
    ['/room/room/peer/x/subscribe', { origins: 'x' }, 400], ['/room/room/component', { type: 'hls' }, 400],
    ['/nowhere', {}, 404], ['/room/none/peer', { type: 'webrtc' }, 404]
  ]
  for (const [path, body, expected] of bad) {
    const answer = await ask('POST', path, body)
    t.equal(answer.status, expected, `${path} ${JSON.stringify(body).slice(0, 60)}`)
    t.type(answer.body.errors, 'string')
  }
  t.equal(rooms.size, 1)
  t.same((await ask('GET', '/room/room')).body.data.peers, [])
})

t.test('made rooms stay when they are empty, others end with the last peer; all peers are told of', async (t) => {
  const { ask, come, notices } = await startRest(t)
  await ask('POST', '/room', { roomId: 'made' })
  notices.length = 0
  const [a, b] = [come('a', 'made'), come('b', 'opened')]
  b.emit('detach')
  t.same((await ask('GET', '/room')).body.data.map(({ id, peers }: any) => [id, peers]), [
    ['made', [{ id: 'a', type: 'webrtc', status: 'connected', metadata: { name: 'a' } }]],
    ['opened', [{ id: 'b', type: 'webrtc', status: 'disconnected', metadata: { name: 'b' } }]]
  ])
  await a.go()
  await b.go()
  t.same((await ask('GET', '/room')).body.data.map(({ id }: any) => id), ['made'])
  t.same(notices.map(({ type, roomId, peerId }) => `${type} ${roomId} ${peerId ?? ''}`), [
    'peerConnected made a', 'roomCreated opened ', 'peerConnected opened b', 'peerDisconnected made a', 'peerDisconnected opened b', 'roomDeleted opened '
  ])
})

t.test('a room takes as many as it was made for', async (t) => {
  const { ask, come } = await startRest(t)
  await ask('POST', '/room', { roomId: 'room', maxPeers: 2 })
  come('a')
  come('b')
  t.throws(() => come('c'), { name: 'EndpointRefusal', code: 1013 })
  t.doesNotThrow(() => come('b'), 'one that comes again is none more')
})

t.test('so many rooms are made and not one more', async (t) => {
  const { ask, rooms } = await startRest(t)
  for (let i = 0; i < MAX_ROOMS; i++) rooms.make(String(i), { maxPeers: null, subscribeMode: 'auto' })
  const { status, body } = await ask('POST', '/room', {})
  t.equal(status, 503)
  t.match(body.errors, String(MAX_ROOMS))
  await ask('DELETE', '/room/7')
  t.equal((await ask('POST', '/room', {})).status, 201)
})

t.test('a deleted room ends its peers, and the next of its name is another', async (t) => {
  const { ask, come } = await startRest(t)
  const [a, b] = [come('a'), come('b')]
  t.equal((await ask('DELETE', '/room/room')).status, 204)
  t.same([a.ended, b.ended], [[4410, 'Room stopped'], [4410, 'Room stopped']])
  come('c')
  await a.go()
  t.same((await ask('GET', '/room/room')).body.data.peers.map(({ id }: any) => id), ['c'])
})

t.test('a peer is removed', async (t) => {
  const { ask, come } = await startRest(t)
  const [a, b] = [come('a'), come('b')]
  t.equal((await ask('DELETE', '/room/room/peer/a')).status, 204)
  t.same([a.ended, b.ended], [[4410, 'removed'], undefined])
  const again = await ask('DELETE', '/room/room/peer/a')
  t.same([again.status, again.body], [404, { errors: 'peer not found' }])
  t.same(b.sent.slice(1), ['endpointRemoved a'])
})

t.test('a client that connects directly is waited for, so long and no longer', async (t) => {
  const { ask, come, timing } = await startRest(t)
  await ask('POST', '/room', { roomId: 'room', maxPeers: 2 })
  const added = await ask('POST', '/room/room/peer', { type: 'webrtc', options: { peerId: 'a', metadata: { name: 'a' } } })
  const peer = { id: 'a', type: 'webrtc', status: 'disconnected', metadata: { name: 'a' } }
  t.same([added.status, added.body], [201, { data: { peer, token: 'token of a', peer_websocket_url: 'ws://direct' } }])
  t.same((await ask('GET', '/room/room')).body.data.peers, [peer])
  t.equal((await ask('POST', '/room/room/peer', { type: 'webrtc' })).status, 201)
  const full = await ask('POST', '/room/room/peer', { type: 'webrtc' })
  t.same([full.status, full.body], [503, { errors: 'room full' }])

  const a = come('a', 'room', 'direct')
  timing.advance(ADDED_MS)
  t.same((await ask('GET', '/room/room')).body.data.peers, [{ ...peer, status: 'connected' }], 'the other is not waited for any more')
  t.throws(() => come('other', 'room', 'direct'), { name: 'EndpointRefusal', code: 4404 })
  await a.go(4000)
  t.same((await ask('GET', '/room/room')).body.data.peers, [peer], 'it may have lost no more than its session')
  t.doesNotThrow(() => come('a', 'room', 'direct'))
  t.equal((await ask('DELETE', '/room/room/peer/a')).status, 204)
  t.throws(() => come('a', 'room', 'direct'), { code: 4404 }, 'one that was removed is none')
  t.equal(timing.timers, 0)
})

t.test('a room is of clients that are relayed, or of such that connect directly, until it is empty', async (t) => {
  const { ask, come } = await startRest(t)
  await ask('POST', '/room', { roomId: 'room' })
  const add = (): Promise<{ status: number, body: any }> => ask('POST', '/room/room/peer', { type: 'webrtc', options: { peerId: 'd' } })
  const r = come('r')
  const refused = await add()
  t.same([refused.status, refused.body], [409, { errors: 'room mode' }])
  await r.go()
  t.equal((await add()).status, 201)
  const refusal = { name: 'EndpointRefusal', code: 4403, message: 'the room is of clients that connect directly' }
  t.throws(() => come('r'), refusal, 'one that is waited for counts')
  const d = come('d', 'room', 'direct')
  t.throws(() => come('r'), refusal)
  await d.go()
  t.doesNotThrow(() => come('r'))
  await ask('POST', '/room', { roomId: 'other' })
  await ask('DELETE', '/room/room')
})

t.test('who is waited for, or has not begun, can be subscribed; a stranger cannot', async (t) => {
  const { ask, come, sfu } = await startRest(t)
  await ask('POST', '/room', { roomId: 'room', subscribeMode: 'manual' })
  await ask('POST', '/room/room/peer', { type: 'webrtc', options: { peerId: 'a' } })
  const subscribe = (id: string): Promise<{ status: number, body: any }> => ask('POST', `/room/room/peer/${id}/subscribe`, { origins: ['b'] })
  t.equal((await subscribe('a')).status, 204)
  const stranger = await subscribe('b')
  t.same([stranger.status, stranger.body], [404, { errors: 'peer not found' }])
  come('a', 'room', 'direct')
  t.equal((await subscribe('a')).status, 204)
  sfu.close()
  t.same((await subscribe('a')).body, { errors: 'room not found' })
})
