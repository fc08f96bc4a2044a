import { readdirSync } from 'node:fs'
import t from 'tap'
import type { Test } from 'tap'
import { janus } from '../../lib/media-servers/janus.js'
import type { JanusAdmittance, JanusOptions } from '../../lib/media-servers/janus.js'
import { FakeClient } from '../../lib/testing/index.js'
import type { RecordingChange, TrunklineOptions } from '../../plugins/trunkline.js'
import { until } from '../e2e/support/until.js'
import { withoutJanus } from '../setup/janus.js'
import { Queue, startApp, trunkState } from '../support.js'
import type { TestApp, TestOptions } from '../support.js'
import { ROOM, VIDEOROOM_ADMIN_KEY } from './support/janus-config.js'
import { JanusServer } from './support/janus-server.js'
import { Publisher } from './support/publisher.js'

const VIDEOROOM = 'janus.plugin.videoroom'
const TOKEN_SECRET = 'a secret to sign with'
const skip = withoutJanus()

async function startServer (t: Test): Promise<JanusServer> {
  const server = await JanusServer.start({
    config: { 'janus.plugin.videoroom': { general: { string_ids: true } }, janus: { general: { token_auth: true, token_auth_secret: TOKEN_SECRET } } }
  })
  t.teardown(() => server.stop())
  return server
}

function driver (server: JanusServer, further: Partial<JanusOptions> = {}): TrunklineOptions['mediaServer'] {
  return janus({
    url: server.url,
    apiSecret: server.apiSecret,
    adminKey: VIDEOROOM_ADMIN_KEY,
    roomSecret: ROOM.secret,
    room: (roomId) => roomId,
    newRoom: () => ({ signed_tokens: true, rec_dir: server.recordings }),
    tokenSecret: TOKEN_SECRET,
    publicUrl: server.url,
    ...further
  })
}

async function start (t: Test, server: JanusServer, options: TestOptions): Promise<TestApp & { told: Queue<RecordingChange> }> {
  const told = new Queue<RecordingChange>()
  const test = await startApp(t, driver(server), { dialects: ['janus'], hooks: { onRecording: (recording) => { told.push(recording) } }, ...options })
  await trunkState(test.app, 'up')
  return { ...test, told }
}

/** A client of Janus itself that shows a token, and has a handle if that is good. */
async function connect (t: Test, { url, token }: { url: string, token: string }): Promise<Publisher> {
  const client = await FakeClient.connect(url, { protocols: ['janus-protocol'] })
  t.teardown(() => client.cut())
  return new Publisher(client, { token })
}

t.test('clients are let in to Janus itself by the app, which has them recorded and removed', { skip }, async (t) => {
  const server = await startServer(t)
  const { app, host, told, sockets } = await start(t, server, {
    mode: 'direct',
    after: (app) => { app.post('/admit', async (request) => await app.trunkline.admit(request.body as { roomId: string, metadata: unknown }, { request })) }
  })
  const { rooms } = app.trunkline
  await rooms.create({ roomId: 'lobby' })
  await rooms.create({ roomId: 'stage' })
  const admit = async (who: object): Promise<{ status: number, body: JanusAdmittance & { code?: string } }> => {
    const response = await fetch(`http://${host}/admit`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(who) })
    return { status: response.status, body: await response.json() as JanusAdmittance }
  }

  const { body: admittance } = await admit({ roomId: 'lobby', peerId: 'alice', metadata: { name: 'Alice' } })
  t.match(admittance, { peerId: 'alice', url: server.url, token: /:/, roomToken: /:/ }, 'the token of the room as well')
  t.same((await rooms.get('lobby')).peers, [{ id: 'alice', status: 'disconnected', metadata: { name: 'Alice' } }])
  const alice = await connect(t, admittance)
  await alice.attach(VIDEOROOM)
  const join = async (room: string, token?: string): Promise<Record<string, unknown>> => {
    const { plugindata } = await alice.message({ request: 'join', ptype: 'publisher', room, id: 'alice', ...(token === undefined ? {} : { token }) })
    return plugindata.data as Record<string, unknown>
  }
  t.match(await join('lobby'), { error_code: 433 }, 'without it, nobody')
  t.match(await join('stage', admittance.roomToken), { error_code: 433 }, 'and not into another room')
  t.match(await join('lobby', admittance.roomToken), { videoroom: 'joined' })
  await alice.send(t, { request: 'publish' })
  t.same((await rooms.get('lobby')).peers, [{ id: 'alice', status: 'connected', metadata: { name: 'Alice' } }])

  await app.trunkline.startRecording('lobby')
  const active = await told.next()
  t.match(active, { roomId: 'lobby', status: 'active' }, 'the room as a whole: whose files there are only the Admin API tells, and of peers that are relayed')
  t.ok((await rooms.get('lobby')).isRecorded)
  await app.trunkline.stopRecording('lobby')
  t.match(await told.next(), { recordingId: active.recordingId, status: 'finished' })
  t.ok(readdirSync(server.recordings).some((file) => file.endsWith('.mjr')), 'Janus has written it')

  t.match(app.trunkline.stats(), { peers: 0, links: 0, trunk: { state: 'up' } })
  await until('the requests are over', () => sockets.size === 0)
  const kicked = alice.hear(({ plugindata }) => plugindata?.data.leaving === 'ok')
  await app.trunkline.removePeer('lobby', 'alice')
  await kicked
  t.same((await rooms.get('lobby')).peers, [])

  t.match(await admit({ roomId: 'nowhere', metadata: null }), { status: 404, body: { code: 'TRK_ERR_ROOM_NOT_FOUND' } })
  const stranger = await connect(t, { url: server.url, token: `${admittance.token}x` })
  t.match(await stranger.ask({ janus: 'create' }), { janus: 'error', error: { code: 403 } })
})

t.test('who comes by way of a backend has no token for such a room, and is told so by VideoRoom', { skip }, async (t) => {
  const server = await startServer(t)
  const { app } = await start(t, server, { mode: 'direct' })
  await app.trunkline.rooms.create({ roomId: 'lobby' })
  const relay = await start(t, server, {})
  const client = await FakeClient.connect(`${relay.base}/janus?token=${encodeURIComponent(JSON.stringify({ roomId: 'lobby', peerId: 'r' }))}`, { protocols: ['janus-protocol'] })
  t.teardown(() => client.cut())
  const relayed = new Publisher(client)
  await relayed.attach(VIDEOROOM)
  t.match((await relayed.message({ request: 'join', ptype: 'publisher', room: 'lobby' })).plugindata.data, { error_code: 433 })
})

t.test('without what its tokens are made of, it cannot let anybody in', { skip }, async (t) => {
  for (const missing of [{ tokenSecret: undefined }, { publicUrl: undefined }]) {
    const server = { url: 'ws://127.0.0.1:1', apiSecret: '', recordings: '' } as unknown as JanusServer
    await t.rejects(startApp(t, driver(server, missing), { mode: 'direct', dialects: ['janus'] }), { code: /^TRK_ERR_OPTION/ })
  }
})
