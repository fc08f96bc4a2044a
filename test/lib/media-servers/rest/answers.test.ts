import t from 'tap'
import type { FakeControlFault } from '../../../../lib/testing/index.js'
import { MAX_ANSWER_BYTES } from '../../../../lib/media-servers/rest/rest-client.js'
import { answerAll, asking, room, thrownBy } from './asking.js'
import { TOKEN, startControl } from './support.js'

const recording = { id: 'x', roomId: 'r', status: 'available', revision: 2, startedAt: 5, file: 'x.webm', durationMs: 7, error: null }

t.test('what a status means, whatever was asked', async (t) => {
  const { server, control } = await startControl(t)
  const means: Array<[FakeControlFault, string, string]> = [
    [{ status: 401, body: { errors: 'x' } }, 'TRK_ERR_CONTROL_UNAUTHORIZED', '(401)'],
    [{ status: 403, body: '<html>' }, 'TRK_ERR_CONTROL_UNAUTHORIZED', '(403)'],
    [{ status: 400, body: { errors: 'bad\u0000\u202eroom\n' } }, 'TRK_ERR_CONTROL_REFUSED', ' 400: bad  room'],
    [{ status: 500, body: { errors: 'ä'.repeat(300) } }, 'TRK_ERR_CONTROL_REFUSED', ` 500: ${'ä'.repeat(200)}`],
    [{ status: 500, body: '<html>broken</html>' }, 'TRK_ERR_CONTROL_REFUSED', ' 500: it does not say why'],
    [{ status: 503, body: '<html>' }, 'TRK_ERR_CONTROL_REFUSED', ' 503: it does not say why'],
    [{ status: 404, body: '<html>' }, 'TRK_ERR_CONTROL_ANSWER', '(404)'],
    [{ status: 404, body: { error: 'Not Found', statusCode: 404 } }, 'TRK_ERR_CONTROL_ANSWER', '(404)'],
    [{ status: 302, headers: { location: '/room' } }, 'TRK_ERR_CONTROL_ANSWER', '(302, a redirection, and none is followed)'],
    [{ status: 200, body: '<!doctype html><title>It works</title>' }, 'TRK_ERR_CONTROL_ANSWER', '(200, and not JSON)'],
    [{ status: 200, body: '{"data":{"room":' }, 'TRK_ERR_CONTROL_ANSWER', '(200, and not JSON)'],
    [{ status: 200, body: Buffer.from('{"data":"\xff"}', 'latin1') }, 'TRK_ERR_CONTROL_ANSWER', '(200, and not JSON)'],
    [{ status: 200, body: Buffer.alloc(MAX_ANSWER_BYTES + 1, ' ') }, 'TRK_ERR_CONTROL_ANSWER', '(its answer is too large)']
  ]
  for (const [asked, ask] of Object.entries(asking)) {
    for (const [fault, code, said] of means) {
      answerAll(server, asked, fault)
      const error = await thrownBy(ask(control))
      t.match(error, { code }, `${asked}: ${said}`)
      t.ok(error?.message.startsWith(`${asked}: `) === true && error.message.includes(said), `it says ${said}`)
    }
  }
})

t.test('what is missing, or there already, is told by the text', async (t) => {
  const { server, control } = await startControl(t)
  const means: Array<[string, number, string, string]> = [
    ...Object.keys(asking).filter((asked) => asked.includes('/r')).map((asked): [string, number, string, string] => [asked, 404, 'room not found', 'TRK_ERR_ROOM_NOT_FOUND']),
    ['DELETE /room/r/peer/p', 404, 'peer not found', 'TRK_ERR_PEER_NOT_FOUND'],
    ['POST /room/r/peer/p/subscribe', 404, 'peer not found', 'TRK_ERR_PEER_NOT_FOUND'],
    ['POST /room', 409, 'room exists', 'TRK_ERR_ROOM_EXISTS'],
    ['POST /room/r/peer', 409, 'room mode', 'TRK_ERR_ROOM_MODE'],
    ['POST /room/r/peer', 503, 'room full', 'TRK_ERR_ROOM_FULL']
  ]
  for (const [asked, status, errors, code] of means) {
    answerAll(server, asked, { status, body: { errors } })
    t.match(await thrownBy(asking[asked]!(control)), { code }, `${asked} ${status} ${errors}`)
  }
})

t.test('which peer, and of which room', async (t) => {
  const { server, control } = await startControl(t)
  server.respond = () => ({ status: 404, body: { errors: 'peer not found' } })
  for (const asked of [control.removePeer('r', 'p'), control.subscribe('r', 'p', [])]) t.match(await thrownBy(asked), { message: /no peer 'p' in the room 'r'/ })
})

t.test('JSON of another shape is no answer', async (t) => {
  const { server, control } = await startControl(t)
  const peer = { id: 'p', type: 'webrtc', status: 'disconnected', metadata: null }
  const shapes: Array<[string, unknown[]]> = [
    ['GET /room', [null, [], {}, { data: {} }, { data: [{}] }, { data: [{ ...room, id: 1 }] }, { data: [{ ...room, peers: null }] }, { data: [{ ...room, peers: [{ ...peer, status: 'maybe' }] }] }]],
    ['GET /room/r', [{ data: [room] }, { data: { ...room, id: 'another' } }, { data: { ...room, config: { maxPeers: 'many' } } }]],
    ['POST /room', [{ data: room }, { data: { room: { ...room, id: 'another' } } }]],
    ['POST /room/r/peer', [{ data: { peer, token: '', peer_websocket_url: 'ws://x' } }, { data: { peer, token: 't' } }, { data: { peer: { ...peer, id: 'q' }, token: 't', peer_websocket_url: 'ws://x' } }]],
    ['POST /room/r/component', [{ data: { id: 'c', type: 'recording' } }, { data: { id: 'c', type: 'recording', properties: { recordings: [{ ...recording, status: 'gone' }] } } }]],
    ['DELETE /room/r/component/c', [{ data: [] }, ...[{ id: '' }, { revision: -1 }, { revision: 1.5 }, { startedAt: 9e15 }, { startedAt: 'now' }, { file: 1 }, { durationMs: -1 }].map((wrong) => ({ data: { recordings: [{ ...recording, ...wrong }] } }))]]
  ]
  for (const [asked, bodies] of shapes) {
    for (const body of bodies) {
      answerAll(server, asked, { status: 200, body })
      t.match(await thrownBy(asking[asked]!(control)), { code: 'TRK_ERR_CONTROL_ANSWER' }, `${asked} ${JSON.stringify(body)}`)
    }
  }
  server.respond = () => ({ status: 200, body: { data: { ...room, components: [{ id: '\ud800', type: 'recording' }] } } })
  t.match(await thrownBy(control.stopRecording('r')), { code: 'TRK_ERR_CONTROL_ANSWER' }, 'a component that cannot be asked for')
})

t.test('what more an answer says is passed over, and what it leaves out that is unknown is null', async (t) => {
  const { server, control } = await startControl(t)
  server.respond = () => ({ status: 200, body: { data: { id: 'r', config: { codec: 'vp8' }, components: [{ id: 'h', type: 'hls', properties: {} }], peers: [{ id: 'p', status: 'connected', tracks: [] }], more: 1 }, page: 1 } })
  t.strictSame(await control.getRoom('r'), { id: 'r', maxPeers: null, isRecorded: false, peers: [{ id: 'p', status: 'connected', metadata: null }] })
  server.respond = ({ method }) => ({ status: 200, body: { data: method === 'GET' ? room : { recordings: [recording, { id: 'y', roomId: 'r', status: 'active', revision: 0 }] } } })
  t.strictSame(await control.stopRecording('r'), [
    { recordingId: 'x', roomId: 'r', status: 'available', revision: 2, startedAt: new Date(5), file: 'x.webm', durationMs: 7, error: null },
    { recordingId: 'y', roomId: 'r', status: 'active', revision: 0, startedAt: null, file: null, durationMs: null, error: null }
  ])
  server.respond = ({ method }) => method === 'GET' ? { status: 200, body: { data: room } } : { status: 404, body: { errors: 'component not found' } }
  t.strictSame(await control.stopRecording('r'), [], 'somebody else has ended it')
})

t.test('what is asked says what the app has said, and shows the token', async (t) => {
  const { server, control } = await startControl(t)
  await control.createRoom({ roomId: 'a/b', maxPeers: 2, subscribeMode: 'manual' })
  await control.addPeer({ roomId: 'a/b', peerId: 'p', metadata: { name: 'Ä' }, dialect: 'fishjam' })
  await control.subscribe('a/b', 'p', ['q', 'ä'])
  await control.startRecording('a/b')
  t.strictSame(server.requests.map(({ method, path, body }) => [method, path, body]), [
    ['POST', '/room', { roomId: 'a/b', maxPeers: 2, subscribeMode: 'manual' }],
    ['POST', '/room/a%2Fb/peer', { type: 'webrtc', options: { peerId: 'p', metadata: { name: 'Ä' }, dialect: 'fishjam' } }],
    ['POST', '/room/a%2Fb/peer/p/subscribe', { origins: ['q', 'ä'] }],
    ['POST', '/room/a%2Fb/component', { type: 'recording', options: {} }]
  ])
  t.ok(server.requests.every(({ headers }) => headers.authorization === `Bearer ${TOKEN}`))
})

t.test('what cannot be asked is not', async (t) => {
  const { server, control } = await startControl(t)
  const loop: { loop?: unknown } = {}
  loop.loop = loop
  const peer = { roomId: 'r', peerId: 'p', metadata: null, dialect: 'trunkline' }
  for (const asked of [
    control.removePeer('r', '..'), control.removePeer('..', 'p'), control.deleteRoom('.'), control.getRoom('..'), control.createRoom({ roomId: '..' }),
    control.addPeer({ ...peer, metadata: loop }), control.addPeer({ ...peer, metadata: 1n }), control.subscribe('r', 'p', 'q' as never),
    control.createRoom({ roomId: 'r', subscribeMode: 'none' as never })
  ]) t.match(await thrownBy(asked), { code: 'TRK_ERR_CONTROL_ARGUMENT' })
  t.same(server.requests, [])
})

t.test('the API may be below a path', async (t) => {
  const { server } = await startControl(t)
  for (const path of ['api/v1', 'api/v1/']) {
    const { control } = await startControl(t, { url: server.url + path })
    await thrownBy(control.getRoom('r'))
    t.equal(server.requests.at(-1)!.path, '/api/v1/room/r')
  }
})
