import { existsSync, readdirSync, statSync } from 'node:fs'
import t from 'tap'
import type { Test } from 'tap'
import { janus } from '../../lib/media-servers/janus.js'
import type { JanusOptions } from '../../lib/media-servers/janus.js'
import type { Recording } from '../../plugins/trunkline.js'
import { withoutJanus } from '../setup/janus.js'
import { Queue, startApp, trunkState } from '../support.js'
import type { TestApp } from '../support.js'
import { ROOM } from './support/janus-config.js'
import { JanusServer } from './support/janus-server.js'
import { Publisher } from './support/publisher.js'

/** Whose files cannot be opened, as its folder cannot be made. */
const BROKEN = 5678
const room = String(ROOM.id)

t.test('a real Janus records', { skip: withoutJanus() }, async (t) => {
  const server = await JanusServer.start({
    config: { 'janus.plugin.videoroom': { [`room-${BROKEN}`]: { secret: ROOM.secret, publishers: 6, rec_dir: '/dev/null/recordings' } } }
  })
  t.teardown(() => server.stop())

  const start = async (t: Test, driver: { [Name in keyof JanusOptions]?: JanusOptions[Name] | undefined } = {}): Promise<TestApp & { told: Queue<Recording> }> => {
    const told = new Queue<Recording>()
    const stage = await startApp(t, janus({
      url: server.url,
      apiSecret: server.apiSecret,
      adminUrl: server.adminUrl,
      adminSecret: server.adminSecret,
      roomSecret: ROOM.secret,
      recordingPollMs: 100,
      plugins: ['janus.plugin.videoroom', 'janus.plugin.recordplay'],
      ...driver
    } as JanusOptions), { hooks: { onRecording: ({ id, ...recording }) => told.push(recording) } })
    await trunkState(stage.app, 'up')
    return { ...stage, told }
  }
  await t.test('who is there, and who comes', async (t) => {
    const { app, join, told } = await start(t)
    await Publisher.inRoom(t, await join({ roomId: room, peerId: 'alice' }), ROOM.id, 42)
    const [first] = await app.trunkline.startRecording(room)
    t.match(first, { recordingId: /^videoroom-1234-user-42-\d{16}-audio-0\.mjr$/, roomId: room, status: 'active', revision: 1 })
    t.equal(first!.file, `${server.recordings}/${first!.recordingId}`)
    t.ok(Math.abs(first!.startedAt!.getTime() - Date.now()) < 60_000)
    t.ok(existsSync(`${first!.file}.tmp`))
    t.same(await told.next(), first)

    const bob = await join({ roomId: room, peerId: 'bob' })
    await Publisher.inRoom(t, bob, ROOM.id, 43)
    const second = await told.next()
    t.match(second, { recordingId: /^videoroom-1234-user-43-/, status: 'active' })
    await bob.close()
    t.same(await told.next(), { ...second, status: 'available', revision: 2 })
    t.ok(statSync(second.file!).size > 0, 'it is whole')

    t.same(await app.trunkline.stopRecording(room), [{ ...first, status: 'available', revision: 2 }])
    t.ok(statSync(first!.file!).size > 100, 'at once')
    t.match(await told.next(), { recordingId: first!.recordingId, status: 'available' })
    t.same(readdirSync(server.recordings).filter((name) => name.endsWith('.tmp')), [])
    t.equal(server.connections(), 1, 'over one trunk')
  })

  await t.test('what cannot be', async (t) => {
    const { app, join, told } = await start(t)
    await Publisher.inRoom(t, await join({ roomId: String(BROKEN), peerId: 'alice' }), BROKEN, 42)
    await t.rejects(app.trunkline.startRecording(String(BROKEN)), { code: 'TRK_ERR_RECORDING', message: /records nothing of the publisher 42 \(peer alice\)/ })
    t.match(await told.next(), { status: 'failed', recordingId: /^janus-room-5678-user-42-/ })
    const client = new Publisher(await join({ roomId: room }))
    await client.attach('janus.plugin.videoroom')
    const { plugindata } = await client.message({ request: 'list' })
    t.match(plugindata.data.list.find((each: { room: number }) => each.room === BROKEN), { record: false }, 'it is switched off again')
    await t.rejects(app.trunkline.startRecording('99'), { code: 'TRK_ERR_ROOM_NOT_FOUND' })
    const wrong = await start(t, { roomSecret: 'wrong' })
    await t.rejects(wrong.app.trunkline.startRecording(room), { code: 'TRK_ERR_JANUS', message: /wrong secret/ })
    const blind = await start(t, { adminSecret: 'wrong' })
    await t.rejects(blind.app.trunkline.startRecording(room), { code: 'TRK_ERR_RECORDING', message: /it cannot be seen/ })
  })

  await t.test('without its Admin API', async (t) => {
    const { app, told } = await start(t, { adminUrl: undefined, adminSecret: undefined })
    const [recording] = await app.trunkline.startRecording(room)
    t.match(recording, { status: 'active', file: null })
    t.same(await told.next(), recording)
    t.match(await app.trunkline.stopRecording(room), [{ recordingId: recording!.recordingId, status: 'finished' }])
  })

  await t.test('a client that uses Record&Play', async (t) => {
    const { join, told } = await start(t)
    const client = new Publisher(await join({ roomId: room, peerId: 'alice' }))
    await client.attach('janus.plugin.recordplay')
    await client.send(t, { request: 'record', name: 'mine' })
    const recording = await told.next()
    t.match(recording, { recordingId: /^\d+$/, roomId: room, status: 'active' })
    t.match(await client.message({ request: 'stop' }), { plugindata: { data: { result: { status: 'stopped' } } } })
    t.same(await told.next(), { ...recording, status: 'finished', revision: 2 })
  })

  await t.test('until it is killed', async (t) => {
    const { app, join, told } = await start(t)
    await Publisher.inRoom(t, await join({ roomId: room }), ROOM.id, 42)
    await app.trunkline.startRecording(room)
    const recording = await told.next()
    await server.restart()
    t.same(await told.next(), { ...recording, status: 'failed', revision: 2, error: 'Janus was restarted' })
    t.ok(existsSync(`${recording.file}.tmp`), 'nobody has ended it')
    t.same(await app.trunkline.startRecording(room), [], 'and can be told to again')
  })
})
