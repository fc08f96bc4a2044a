import t from 'tap'
import type { Test } from 'tap'
import { janus } from '../../../lib/media-servers/janus.js'
import type { JanusOptions } from '../../../lib/media-servers/janus.js'
import type { FakeClient } from '../../../lib/testing/index.js'
import type { Recording } from '../../../plugins/trunkline.js'
import { FakeVideoRoom } from '../../janus/support/fake-videoroom.js'
import { Queue, startApp, startMediaServer, trunkState } from '../../support.js'
import type { TestApp, TestOptions } from '../../support.js'
import { driverWith } from '../direct-driver.js'

interface Stage extends TestApp {
  server: FakeVideoRoom
  /** The next one that `onRecording` gets; waits for it if need be. */
  told: () => Promise<Recording>
}

async function start (t: Test, driver: Partial<JanusOptions> | ((server: FakeVideoRoom) => Partial<JanusOptions>) = {}, options: TestOptions = {}): Promise<Stage> {
  const server = await FakeVideoRoom.listen()
  t.teardown(() => server.close())
  const told = new Queue<Recording>()
  const stage = await startApp(t, janus({
    url: server.janus.url,
    apiSecret: 'secret',
    plugins: ['janus.plugin.videoroom', 'janus.plugin.recordplay'],
    roomSecret: () => 'room secret',
    recordingPollMs: 100,
    retry: { baseMs: 1, maxMs: 5 },
    ...typeof driver === 'function' ? driver(server) : driver
  }), { hooks: { onRecording: ({ id, ...recording }) => told.push(recording) }, ...options })
  await trunkState(stage.app, 'up')
  return { ...stage, server, told: () => told.next() }
}

/** With the Admin API. */
async function startWatching (t: Test, further: Partial<JanusOptions> = {}): Promise<Stage> {
  return await start(t, ({ adminUrl }) => ({ adminUrl, adminSecret: async () => 'admin secret', ...further }))
}

/** A client with a session and a handle. */
async function attach (client: FakeClient, plugin = 'janus.plugin.videoroom'): Promise<{ sessionId: number, handleId: number }> {
  const ask = async (message: Record<string, unknown>): Promise<number> => {
    client.send(JSON.stringify({ transaction: 't', ...message }))
    return (JSON.parse(await client.receiveText()) as { data: { id: number } }).data.id
  }
  const sessionId = await ask({ janus: 'create' })
  return { sessionId, handleId: await ask({ janus: 'attach', session_id: sessionId, plugin }) }
}

t.test('a driver that cannot', async (t) => {
  const { app } = await startApp(t, driverWith({}, (await startMediaServer(t)).options))
  await t.rejects(app.trunkline.startRecording('room'), { code: 'TRK_ERR_RECORDING_UNSUPPORTED', statusCode: 501, message: /the driver 'driver of the test' cannot/ })
  await t.rejects(app.trunkline.stopRecording('room'), { code: 'TRK_ERR_RECORDING_UNSUPPORTED' })
})

t.test('a room is recorded, as far as Janus says', async (t) => {
  const { app, server, told } = await start(t)
  const [recording] = await app.trunkline.startRecording('1234')
  t.equal(server.recorded.get(1234), true)
  t.match(recording, { recordingId: /^janus-room-1234-\d+$/, roomId: '1234', status: 'active', revision: 1, startedAt: Date, file: null })
  t.same(await told(), recording)
  t.same(await app.trunkline.startRecording('1234'), [recording], 'again is no news')
  const [ended] = await app.trunkline.stopRecording('1234')
  t.match(ended, { ...recording, status: 'finished', revision: 2 })
  t.same(await told(), ended)
  t.equal(server.recorded.get(1234), false)
  t.same(await app.trunkline.stopRecording('1234'), [])
  await app.trunkline.startRecording('lobby')
  t.equal(server.recorded.get('lobby'), true, 'a room with a name')
})

t.test('what Janus refuses is said', async (t) => {
  const { app } = await start(t, { roomSecret: 'wrong', room: (roomId) => roomId === 'none' ? 99 : 1234 })
  await t.rejects(app.trunkline.startRecording('a'), { code: 'TRK_ERR_JANUS', message: 'Janus refuses: Unauthorized (wrong secret), check mediaServer.roomSecret (433)' })
  await t.rejects(app.trunkline.startRecording('none'), { code: 'TRK_ERR_ROOM_NOT_FOUND', message: /'none'/ })
  const without = await start(t, { roomSecret: '' })
  await t.rejects(without.app.trunkline.startRecording('1234'), { message: /Missing mandatory element \(secret\)/ })
  const down = trunkState(without.app, 'down')
  await without.server.janus.close()
  await down
  await t.rejects(without.app.trunkline.startRecording('1234'), { code: 'TRK_ERR_TRUNK_DOWN' })
})

t.test('each file is a recording, as it is seen', async (t) => {
  const { app, server, told, join } = await startWatching(t)
  const [alice, watcher] = [await join({ roomId: '1234', peerId: 'alice' }), await join({ roomId: '1234' })]
  const hers = await attach(alice)
  const subscriber = await attach(watcher)
  server.publish(hers.handleId)
  const [first] = await app.trunkline.startRecording('1234')
  const name = `videoroom-1234-user-${hers.handleId}-1700000000000000-audio-0.mjr`
  t.same(first, { recordingId: name, roomId: '1234', peerId: 'alice', status: 'active', revision: 1, startedAt: new Date(1_700_000_000_000), file: `/recordings/${name}`, durationMs: null, error: null })
  t.same(await told(), first)

  const bob = await join({ roomId: '1234', peerId: 'bob' })
  const his = await attach(bob)
  const publisher = server.publish(his.handleId)
  t.match(await told(), { status: 'active', file: `/recordings/${publisher.files[0]!.replace('.tmp', '')}` }, 'who comes later')
  server.publishers.delete(hers.handleId)
  t.same(await told(), { ...first, status: 'available', revision: 2 }, 'who no longer publishes')
  await bob.close()
  t.match(await told(), { status: 'available', revision: 2 }, 'who has left')

  const late = server.publish((await attach(await join({ roomId: '1234' }))).handleId)
  await told()
  const second = late.files[0]!
  t.match(await app.trunkline.stopRecording('1234'), [{ file: `/recordings/${second.replace('.tmp', '')}`, status: 'available' }])
  t.match(await told(), { status: 'available' })
  t.equal(server.asked.filter(({ handle_id: id }) => id === subscriber.handleId).length, 1, 'who only subscribes is asked for once')
  const asked = server.asked.length
  await app.trunkline.startRecording('lobby')
  await app.trunkline.stopRecording('lobby')
  t.ok(server.asked.length > asked)
  t.equal(app.trunkline.stats().trunk.sockets, 1)
  await server.adminIsLeft()
  t.pass('no connection to the Admin API is left')
})

t.test('a file that is not there for a moment', async (t) => {
  const { app, server, told, join } = await startWatching(t)
  const publisher = server.publish((await attach(await join({ roomId: '1234' }))).handleId)
  const [first] = await app.trunkline.startRecording('1234')
  await told()
  const back = new Promise<void>((resolve) => {
    let looks = 0
    server.onAdmin = ({ janus }) => {
      if (janus !== 'handle_info' || ++looks > 3) return undefined
      if (looks === 3) resolve()
      return looks > 1 ? undefined : { janus: 'success', info: { plugin_specific: { type: 'publisher', room: 1234, id: publisher.id, streams: [] } } }
    }
  })
  await back
  await app.trunkline.stopRecording('1234')
  t.same(await told(), { ...first, status: 'available', revision: 2 })
  await app.trunkline.startRecording('1234')
  t.not((await told()).recordingId, first!.recordingId, 'that it was gone is not told')
})

t.test('what has begun since the last look is told when a recording is stopped', async (t) => {
  const { app, server, told, join } = await startWatching(t, { recordingPollMs: 60_000 })
  t.same(await app.trunkline.startRecording('1234'), [])
  server.publish((await attach(await join({ roomId: '1234' }))).handleId)
  t.match(await app.trunkline.stopRecording('1234'), [{ status: 'available', revision: 2 }])
  t.match([await told(), await told()], [{ status: 'active' }, { status: 'available' }])
})

t.test('who has left is recorded until Janus knows', async (t) => {
  const { app, server, told, join } = await startWatching(t, { requestMs: 200 })
  const client = await join({ roomId: '1234' })
  const { sessionId, handleId } = await attach(client)
  server.publish(handleId)
  await app.trunkline.startRecording('1234')
  await told()
  server.janus.onRequest = ({ janus: verb }) => verb === 'destroy' ? 'ignore' : 'answer'
  await client.close()
  await server.janus.receive('destroy')
  const ended = told()
  // By then the driver has given up the session.
  const looked = new Promise<void>((resolve) => {
    let looks = 0
    server.onAdmin = ({ handle_id: id }) => {
      if (id === handleId && ++looks === 20) resolve()
      return undefined
    }
  })
  t.equal(await Promise.race([ended.then(() => 'told'), looked.then(() => 'looked at')]), 'looked at')
  server.janus.expire(sessionId)
  t.match(await ended, { status: 'available' })
})

t.test('a file that cannot be opened', async (t) => {
  const { app, server, told, join } = await startWatching(t)
  const { handleId } = await attach(await join({ roomId: '1234', peerId: 'alice' }))
  server.canOpen = false
  server.publish(handleId, { id: 42, ready: false })
  t.same(await app.trunkline.startRecording('1234'), [], 'who negotiates need not be recorded yet')
  await app.trunkline.stopRecording('1234')
  server.publish(handleId, { id: 42 })
  await t.rejects(app.trunkline.startRecording('1234'), { code: 'TRK_ERR_RECORDING', message: /the room '1234' is not recorded: Janus records nothing of the publisher 42 \(peer alice\)/ })
  t.equal(server.recorded.get(1234), false, 'and it is switched off again')
  t.match(await told(), { recordingId: `janus-room-1234-user-42-${handleId}`, status: 'failed', file: null, error: /could not open the file/ })

  server.canOpen = true
  t.equal((await app.trunkline.startRecording('1234')).length, 1)
  await told()
  server.canOpen = false
  const other = server.publish((await attach(await join({ roomId: '1234' }))).handleId, { id: 43 })
  t.match(await told(), { recordingId: /^janus-room-1234-user-43-/, status: 'failed', revision: 1, error: /publisher 43/ }, 'one who comes later is told, and the others are recorded still')
  other.files = ['videoroom-1234-user-43-1700000001000000-audio-0.mjr.tmp']
  t.match(await told(), { status: 'active' })
  t.equal(server.recorded.get(1234), true)
})

t.test('an Admin API that is of no use', async (t) => {
  const wrong = await startWatching(t, { adminSecret: 'wrong' })
  await t.rejects(wrong.app.trunkline.startRecording('1234'), { code: 'TRK_ERR_RECORDING', message: /it cannot be seen what Janus records: Unauthorized/ })
  t.equal(wrong.server.recorded.get(1234), false)
  const other = await FakeVideoRoom.listen()
  t.teardown(() => other.close())
  const stranger = await startWatching(t, { adminUrl: other.adminUrl })
  await t.rejects(stranger.app.trunkline.startRecording('1234'), { message: /adminUrl is that of another Janus/ })
  const silent = await startWatching(t, { requestMs: 100 })
  silent.server.onAdmin = () => null
  await t.rejects(silent.app.trunkline.startRecording('1234'), { message: /has not answered within 100 ms/ })
  const gone = await startWatching(t, { adminUrl: 'ws://127.0.0.1:1' })
  await t.rejects(gone.app.trunkline.startRecording('1234'), { message: /cannot be reached/ })

  const once = await startWatching(t)
  let faults = 1
  once.server.onAdmin = () => faults-- > 0 ? { janus: 'error', error: { code: 490, reason: 'not now' } } : undefined
  t.same(await once.app.trunkline.startRecording('1234'), [], 'it is asked again')
  faults = 1
  const { handleId } = await attach(await once.join({ roomId: '1234' }))
  once.server.publish(handleId)
  t.match(await once.told(), { status: 'active' }, 'and goes on to be')
  t.ok(once.log.some(({ reason, msg }) => reason === 'not now' && msg === 'it cannot be seen what Janus records'))
  t.notMatch(JSON.stringify(once.log), /(room|admin) secret/)
})

t.test('the trunk is lost while a room is recorded', async (t) => {
  const { app, server, told, join } = await startWatching(t)
  const { handleId } = await attach(await join({ roomId: '1234' }))
  server.publish(handleId)
  await app.trunkline.startRecording('1234')
  await told()
  const down = trunkState(app, 'down')
  server.janus.cut()
  await down
  server.publishers.delete(handleId)
  t.match(await told(), { status: 'available', revision: 2 }, 'Janus is still the same')
})

t.test('Janus is restarted while a room is recorded', async (t) => {
  for (const watching of [true, false]) {
    const { app, server, told, join } = watching ? await startWatching(t) : await start(t)
    const client = await join({ roomId: '1234' })
    server.publish((await attach(client)).handleId)
    await app.trunkline.startRecording('1234')
    await told()
    server.restart()
    t.match(await told(), { status: 'failed', revision: 2, error: 'Janus was restarted' })
    t.same(await app.trunkline.stopRecording('1234'), [])
  }
})

t.test('Janus is restarted, and told to stop at once', async (t) => {
  const { app, server, told, join } = await startWatching(t, { recordingPollMs: 60_000 })
  server.publish((await attach(await join({ roomId: '1234' }))).handleId)
  await app.trunkline.startRecording('1234')
  await told()
  const stopped = new Promise<Recording[]>((resolve, reject) => {
    app.trunkline.addHook('onTrunk', ({ state }) => { if (state === 'up') app.trunkline.stopRecording('1234').then(resolve, reject) })
  })
  server.restart()
  t.match(await told(), { status: 'failed' })
  t.same(await stopped, [], 'what was not ended in good order is not available')
})

t.test('Janus has ended the sessions, and records still', async (t) => {
  const { app, server, told, join } = await startWatching(t)
  server.publish((await attach(await join({ roomId: '1234' }))).handleId)
  await app.trunkline.startRecording('1234')
  await told()
  server.janus.restart()
  t.match(await told(), { status: 'finished', revision: 2, error: null }, 'whether it is whole nobody knows')
  server.publish((await attach(await join({ roomId: '1234' }))).handleId)
  t.match(await told(), { status: 'active' })
})

t.test('what a hook did not take is told again', async (t) => {
  const seen = new Queue<Recording>()
  let fails = 2
  const { app, server } = await start(t, {}, {
    hooks: {
      onRecording: (recording) => {
        seen.push(recording)
        if (fails-- > 0) throw new Error('not now')
      }
    }
  })
  await app.trunkline.startRecording('1234')
  const first = await seen.next()
  for (let lost = 1; lost <= 2; lost++) {
    server.janus.cut()
    t.same(await seen.next(), first)
  }
  await app.trunkline.stopRecording('1234')
  t.match(await seen.next(), { status: 'finished' }, 'and no more once it is')
})

t.test('who records with Record&Play', async (t) => {
  const { server, told, join } = await start(t)
  const client = await join({ roomId: 'room', peerId: 'alice' })
  const { sessionId, handleId } = await attach(client, 'janus.plugin.recordplay')
  server.janus.plugin = ({ body: { request } }) => ({ data: { recordplay: 'event', result: { status: request === 'record' ? 'recording' : 'stopped', id: 77 } } })
  const say = (request: string): void => client.send(JSON.stringify({ janus: 'message', session_id: sessionId, handle_id: handleId, transaction: request, body: { request } }))
  say('record')
  t.match([JSON.parse(await client.receiveText()), JSON.parse(await client.receiveText())], [{ janus: 'ack' }, { janus: 'event', transaction: 'record', plugindata: { data: { result: { id: 77 } } } }], 'the client hears of it too')
  t.match(await told(), { recordingId: '77', roomId: 'room', status: 'active', revision: 1, file: null })
  say('stop')
  t.match(await told(), { recordingId: '77', status: 'finished', revision: 2 })
  server.janus.event(sessionId, handleId, { recordplay: 'event', result: { status: 'recording', id: 78 } })
  t.match(await told(), { recordingId: '78', status: 'active' })
  await client.close()
  t.match(await told(), { recordingId: '78', status: 'finished' }, 'who has left records no more')
  const other = await join({ roomId: 'room' })
  const ids = await attach(other, 'janus.plugin.recordplay')
  server.janus.event(ids.sessionId, ids.handleId, { recordplay: 'event', result: { status: 'recording', id: 79 } })
  await told()
  server.restart()
  t.match(await told(), { recordingId: '79', status: 'failed', error: /forgotten/ })
})

t.test('options', async (t) => {
  const wrong = (options: Partial<Record<keyof JanusOptions, unknown>>, message: RegExp): void => {
    t.throws(() => janus({ url: 'ws://localhost', ...options } as JanusOptions), { message })
  }
  wrong({ adminUrl: 'http://localhost:7088' }, /'mediaServer.adminUrl' must be a URL that begins with ws/)
  wrong({ adminUrl: 'ws://' }, /'mediaServer.adminUrl' must be/)
  wrong({ adminSecret: 'x' }, /'mediaServer.adminSecret' is of no use without adminUrl/)
  wrong({ roomSecret: 1 }, /'mediaServer.roomSecret' must be a string/)
  wrong({ room: 'x' }, /'mediaServer.room' must be a function/)
  wrong({ recordingPollMs: 1 }, /'mediaServer.recordingPollMs'/)
})
