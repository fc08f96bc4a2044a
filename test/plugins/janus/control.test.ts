import t from 'tap'
import type { Test } from 'tap'
import { janus } from '../../../lib/media-servers/janus.js'
import type { JanusAdmittance, JanusOptions } from '../../../lib/media-servers/janus.js'
import type { MediaServerControl } from '../../../lib/relay/control.js'
import type { Recording } from '../../../lib/relay/media-server.js'
import { FakeJanus, ManualClock } from '../../../lib/testing/index.js'
import type { FakePlugin } from '../../../lib/testing/index.js'
import { FakeVideoRoom } from '../../janus/support/fake-videoroom.js'
import { joinLink } from '../../link-client.js'
import { startApp, trunkState } from '../../support.js'
import type { TestApp, TestOptions } from '../../support.js'
import { attach, create, hearThat, say } from './support.js'

interface Stage extends TestApp {
  control: MediaServerControl
  /** What the relay was told of the trunk and of what is being recorded, in order. */
  heard: Array<string | Recording[]>
}

/** An app, and what goes between it and its driver. */
async function start (t: Test, options: JanusOptions, further: TestOptions = {}): Promise<Stage> {
  const driver = janus({ apiSecret: 'secret', retry: { baseMs: 1, maxMs: 5 }, ...options })
  const heard: Stage['heard'] = []
  let control!: MediaServerControl
  const stage = await startApp(t, {
    name: driver.name,
    create (context) {
      const mediaServer = driver.create(context)
      control = mediaServer.control!
      const begin = mediaServer.start.bind(mediaServer)
      mediaServer.start = (observer) => begin({
        ...observer,
        state (state) {
          heard.push(state.state)
          observer.state(state)
        },
        recordings (recordings, roomId) {
          t.equal(roomId, undefined, 'all of them')
          heard.push(recordings)
          observer.recordings(recordings)
        }
      })
      return mediaServer
    }
  }, further)
  await trunkState(stage.app, 'up')
  return { ...stage, control, heard }
}

async function startJanus (t: Test, plugin: FakePlugin): Promise<FakeJanus> {
  const server = await FakeJanus.listen({ plugin })
  t.teardown(() => server.close())
  return server
}

/** A VideoRoom of many rooms, with somebody in each. */
function rooms (count: number, further: Record<string, unknown> = {}): FakePlugin {
  return ({ body: { request, room } }) => {
    const data = request === 'list'
      ? { videoroom: 'success', list: Array.from({ length: count }, (_each, n) => ({ room: n + 1, max_publishers: 3, record: false, num_participants: 1, ...further })) }
      : { videoroom: 'participants', room, participants: [{ id: 42, display: 'Ä', publisher: true }] }
    return { synchronous: true, data }
  }
}

t.test('of many rooms a few are asked for at a time, and of very many not each', async (t) => {
  const server = await startJanus(t, rooms(1_003))
  const { control } = await start(t, { url: server.url })
  let [underWay, most, asked] = [0, 0, 0]
  server.onRequest = ({ janus: verb, body }) => {
    if (verb !== 'message' || (body as { request: string }).request !== 'listparticipants') return 'answer'
    asked++
    most = Math.max(most, ++underWay)
    return (carryOut) => setImmediate(() => {
      underWay--
      carryOut()
    })
  }
  const listed = await control.listRooms()
  t.equal(listed.length, 1_003)
  t.equal(most, 8)
  t.equal(asked, 1_000)
  t.equal(listed.filter(({ peers }) => peers.length === 1).length, 1_000)
  t.same(listed[0], { id: '1', maxPeers: 3, isRecorded: false, peers: [{ id: '42', status: 'connected', metadata: null }] })
  server.plugin = rooms(5, { num_participants: 0 })
  asked = 0
  t.equal((await control.listRooms()).length, 5)
  t.equal(asked, 0, 'nobody is there')
})

t.test('a room that ends while it is asked for is none; any other fault is one', async (t) => {
  const all = rooms(3)
  let code = 426
  const server = await startJanus(t, (message) => message.body.request === 'listparticipants' && message.body.room === 2
    ? { synchronous: true, data: { videoroom: 'event', error_code: code, error: 'gone' } }
    : all(message))
  const { control } = await start(t, { url: server.url })
  t.same((await control.listRooms()).map(({ id }) => id), ['1', '3'])
  code = 499
  await t.rejects(control.listRooms(), { code: 'TRK_ERR_JANUS', message: 'Janus refuses: gone (499)' })
})

t.test('what is no room and nobody is passed over', async (t) => {
  const answers: Record<string, Record<string, unknown>> = {
    list: { list: [null, 1, {}, { room: {} }, { room: 'lobby', max_publishers: 'many', num_participants: 'some' }] },
    listparticipants: { participants: [null, {}, { id: null }, { id: 'a', display: 7 }] }
  }
  const server = await startJanus(t, ({ body: { request } }) => ({ synchronous: true, data: answers[String(request)] ?? {} }))
  const { control } = await start(t, { url: server.url })
  t.same(await control.listRooms(), [{ id: 'lobby', maxPeers: null, isRecorded: false, peers: [{ id: 'a', status: 'connected', metadata: null }] }])
  answers.list = answers.listparticipants = { list: 7, participants: 'x' }
  t.same(await control.listRooms(), [])
  t.same((await control.getRoom('lobby')).peers, [])
})

t.test('who has lost its link is there, and expected back', async (t) => {
  const server = await startJanus(t, rooms(1))
  const { control, ...stage } = await start(t, { url: server.url })
  const { link, joined } = await joinLink(t, stage, { roomId: '1', peerId: 'alice' })
  const others = [{ id: '42', status: 'connected', metadata: null }]
  t.same((await control.getRoom('1')).peers, [{ id: 'alice', status: 'connected', metadata: null }, ...others])
  await link.client.cut()
  while (stage.app.trunkline.stats().detached === 0) await new Promise((resolve) => setImmediate(resolve))
  t.same((await control.getRoom('1')).peers, [{ id: 'alice', status: 'disconnected', metadata: null }, ...others])
  await joinLink(t, stage, { roomId: '1', peerId: 'alice' }, { peerId: 'alice', key: joined.key, received: 0 })
  t.same((await control.getRoom('1')).peers[0], { id: 'alice', status: 'connected', metadata: null })
})

t.test('which participant a peer is, it is told as it joins', async (t) => {
  const server = await startJanus(t, rooms(1))
  const { control, join } = await start(t, { url: server.url })
  const client = await join({ roomId: '1', peerId: 'alice' })
  const sessionId = await create(client)
  const handles = [await attach(client, sessionId), await attach(client, sessionId)]
  const said = async (handleId: number, data: Record<string, unknown>): Promise<string[]> => {
    server.event(sessionId, handleId, data)
    await hearThat(client, ({ plugindata }) => plugindata !== undefined)
    return (await control.getRoom('1')).peers.map(({ id }) => id)
  }
  const [first, second] = handles as [number, number]
  t.same(await said(first, { videoroom: 'joined', room: 2, id: 42 }), ['alice', '42'], 'in another room')
  t.same(await said(first, { videoroom: 'joined', room: 1, id: 42 }), ['alice'])
  t.same(await said(first, { videoroom: 'event', room: 1, leaving: 41 }), ['alice'], 'somebody else leaves')
  t.same(await said(first, { videoroom: 'event', room: 1, leaving: 'ok' }), ['alice', '42'])
  t.same(await said(second, { videoroom: 'joined', room: 1, id: 42 }), ['alice'])
  t.same(await said(second, { videoroom: 'destroyed', room: 1 }), ['alice', '42'])
  t.same(await said(second, { videoroom: 'joined', room: 1, id: {} }), ['alice', '42'])
  t.same(await said(second, { videoroom: 'joined', room: 1, id: 42 }), ['alice'])
  say(client, { janus: 'detach', session_id: sessionId, handle_id: second, transaction: 'detach' })
  await hearThat(client, ({ transaction }) => transaction === 'detach')
  t.same((await control.getRoom('1')).peers.map(({ id }) => id), ['alice', '42'])
  t.same(await said(first, { videoroom: 'joined', room: 1, id: 42 }), ['alice'])
  await client.close()
  while (server.sessions.has(sessionId)) await new Promise((resolve) => setImmediate(resolve))
  let looks = 0
  while ((await control.getRoom('1')).peers.length === 0 && looks < 100) looks++
  t.same((await control.getRoom('1')).peers.map(({ id }) => id), ['42'], 'its id may be that of somebody else')
})

t.test('who is kicked by another id than its own, and who is over', async (t) => {
  const all = rooms(1)
  const kicked: unknown[] = []
  const server = await startJanus(t, (message) => {
    if (message.body.request === 'kick') kicked.push(message.body)
    return all(message)
  })
  const { app, control, join } = await start(t, { url: server.url, roomSecret: (roomId) => `secret of ${roomId}` })
  await control.removePeer('1', '42')
  t.same(kicked, [{ request: 'kick', id: 42, secret: 'secret of 1', room: 1 }])
  await t.rejects(control.removePeer('1', 'Ä'), { code: 'TRK_ERR_PEER_NOT_FOUND' }, 'what anybody may call itself is no id')
  const client = await join({ roomId: '1', peerId: 'alice' })
  const sessionId = await create(client)
  server.event(sessionId, await attach(client, sessionId), { videoroom: 'joined', room: 1, id: 42 })
  await hearThat(client, ({ plugindata }) => plugindata !== undefined)
  server.onRequest = ({ janus: verb }) => verb === 'destroy' ? 'ignore' : 'answer'
  await app.trunkline.removePeer('1', 'alice')
  t.match(await client.closed, { code: 4410 })
  t.same((await control.getRoom('1')).peers, [], 'of whom Janus has yet to hear')
  await t.rejects(control.removePeer('1', 'alice'), { code: 'TRK_ERR_PEER_NOT_FOUND' })
  t.equal(kicked.length, 1)
})

t.test('without a trunk there is nobody to ask', async (t) => {
  const server = await startJanus(t, rooms(1))
  const { app, control } = await start(t, { url: server.url })
  const down = trunkState(app, 'down')
  await server.close()
  await down
  for (const asked of [control.createRoom({ roomId: '1' }), control.getRoom('1'), control.listRooms(), control.deleteRoom('1'), control.removePeer('1', '42'), control.startRecording!('1'), control.stopRecording!('1')]) {
    await t.rejects(asked as Promise<unknown>, { code: 'TRK_ERR_TRUNK_DOWN' })
  }
})

t.test('who is let in is expected as long as its token is good', async (t) => {
  const clock = new ManualClock(1_700_000_000_999)
  const server = await startJanus(t, rooms(1, { max_publishers: 2 }))
  const { control } = await start(t, { url: server.url, tokenSecret: 'signing', publicUrl: 'wss://janus.example/ws', tokenMs: 10_000, plugins: ['janus.plugin.videoroom', 'janus.plugin.textroom'] }, { clock })
  const add = async (peerId: string): Promise<JanusAdmittance> => await control.addPeer!({ roomId: '1', peerId, metadata: { peerId }, dialect: 'janus' }) as JanusAdmittance
  t.same(await add('alice'), {
    peerId: 'alice',
    url: 'wss://janus.example/ws',
    token: '1700000010,janus,janus.plugin.videoroom,janus.plugin.textroom:p0Srq+5TCQFZRdlcJ6CTqENTC+U=',
    roomToken: '1700000010,janus.plugin.videoroom,room=1:s0EG1AhQyM3eaMLwv58njTd4rk0='
  })
  await t.rejects(add('bob'), { code: 'TRK_ERR_ROOM_FULL' })
  clock.advance(10_000)
  t.same((await control.getRoom('1')).peers.map(({ id }) => id), ['42'])
  await add('bob')
  for (let n = 0; n < 3; n++) await add('42')
  t.same((await control.getRoom('1')).peers, [{ id: 'bob', status: 'disconnected', metadata: { peerId: 'bob' } }, { id: '42', status: 'connected', metadata: { peerId: '42' } }], 'nobody is expected twice')
})

t.test('what is being recorded is told each time that the trunk is there', async (t) => {
  const server = await FakeVideoRoom.listen()
  t.teardown(() => server.close())
  const { app, heard, join } = await start(t, { url: server.janus.url, roomSecret: 'room secret', recordingPollMs: 60_000, plugins: ['janus.plugin.videoroom', 'janus.plugin.recordplay'] })
  t.same(heard, ['connecting', 'up', []])
  const again = async (lose: () => void): Promise<Stage['heard']> => {
    heard.length = 0
    const down = trunkState(app, 'down')
    lose()
    await down
    await trunkState(app, 'up')
    while (!Array.isArray(heard.at(-1))) await new Promise((resolve) => setImmediate(resolve))
    return heard.slice(heard.indexOf('up'))
  }
  const [recording] = await app.trunkline.startRecording('1234')
  const client = await join({ roomId: 'room', peerId: 'alice' })
  const sessionId = await create(client)
  server.janus.event(sessionId, await attach(client, sessionId, 'janus.plugin.recordplay'), { recordplay: 'event', result: { status: 'recording', id: 77 } })
  await hearThat(client, ({ plugindata }) => plugindata !== undefined)
  t.match(await again(() => server.janus.cut()), ['up', [recording, { recordingId: '77', roomId: 'room', status: 'active' }]], 'that of a client too')
  t.same(await again(() => server.restart()), ['up', []], 'by a Janus that was restarted nothing is')
})
