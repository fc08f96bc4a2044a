import { existsSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import trunkline, { janus, tickets } from 'trunkline'
import type { Admittance, RecordingChange, TrunklineOptions } from 'trunkline'
import { FakeClient } from 'trunkline/testing'
import { startProcess } from '../examples/media-server/process.js'
import { RtpPublisher } from '../examples/media-server/rtp-publisher.js'
import { until } from '../e2e/support/until.js'
import { withoutJanus } from '../setup/janus.js'
import { Queue } from '../support.js'
import { ROOM, VIDEOROOM_ADMIN_KEY } from './support/janus-config.js'
import { JanusServer } from './support/janus-server.js'
import { Publisher } from './support/publisher.js'

/** What the media servers' own clients differ in: not a word of it is the app's. What they answer resolves when so many more packets have gone out. */
type Client = (t: Test, url: string, admittance: Admittance) => Promise<(packets: number) => Promise<void>>

const ROOM_ID = '4711'

/** The app: it knows of no media server but by the option. */
async function startApp (t: Test, mediaServer: TrunklineOptions['mediaServer']): Promise<{ app: FastifyInstance, told: Queue<RecordingChange> }> {
  const told = new Queue<RecordingChange>()
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(trunkline, {
    mediaServer,
    authenticate: tickets(),
    hooks: { onRecording: (recording) => { told.push(recording) } }
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  await until('the trunk is up', () => app.trunkline.trunk.state === 'up')
  return { app, told }
}

/** A room's life, from its creation to its end. */
async function live (t: Test, mediaServer: TrunklineOptions['mediaServer'], enter: Client): Promise<void> {
  const { app, told } = await startApp(t, mediaServer)
  const { rooms } = app.trunkline
  const base = `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}`

  t.match(await rooms.create({ roomId: ROOM_ID, maxPeers: 4 }), { id: ROOM_ID, maxPeers: 4, isRecorded: false, peers: [] })
  await t.rejects(rooms.create({ roomId: ROOM_ID }), { code: 'TRK_ERR_ROOM_EXISTS', statusCode: 409 })

  const peerIds: string[] = []
  const sent: Array<(packets: number) => Promise<void>> = []
  for (const name of ['Ada', 'Grace']) {
    const admittance = await app.trunkline.admit({ roomId: ROOM_ID, metadata: { name } })
    peerIds.push(admittance.peerId)
    sent.push(await enter(t, base, admittance))
  }
  const inside = async (): Promise<string[]> => (await rooms.get(ROOM_ID)).peers.map(({ id }) => id).sort()
  t.same(await inside(), [...peerIds].sort(), 'filled')
  t.same((await rooms.list()).filter(({ id }) => id === ROOM_ID).map(({ peers }) => peers.length), [2])

  await app.trunkline.startRecording(ROOM_ID)
  const begun = [await told.next(), await told.next()]
  t.same(begun.map(({ status, roomId }) => [status, roomId]), [['active', ROOM_ID], ['active', ROOM_ID]], 'recorded: a file of each')
  t.match(app.trunkline.recordings(ROOM_ID), { isKnown: true, recordings: [{ status: 'active' }, { status: 'active' }] })
  t.ok((await rooms.get(ROOM_ID)).isRecorded)
  // A file with nothing in it is none.
  await Promise.all(sent.map(async (packets) => await packets(60)))
  await app.trunkline.stopRecording(ROOM_ID)
  const whole: RecordingChange[] = []
  while (whole.length < 2) {
    const change = await told.next()
    if (change.status !== 'finished') whole.push(change)
  }
  t.same(whole.map(({ status, recordingId }) => [status, recordingId]).sort(), begun.map(({ recordingId }) => ['available', recordingId]).sort())
  t.ok(whole.every(({ file }) => existsSync(file!)))
  t.notOk((await rooms.get(ROOM_ID)).isRecorded)

  for (const peerId of peerIds) await app.trunkline.removePeer(ROOM_ID, peerId)
  await until('the room is empty', async () => (await inside()).length === 0)
  t.equal(app.trunkline.peers.size, 0, 'emptied')
  await t.rejects(app.trunkline.removePeer(ROOM_ID, peerIds[0]!), { code: 'TRK_ERR_PEER_NOT_FOUND', statusCode: 404 })

  await rooms.delete(ROOM_ID)
  await t.rejects(rooms.get(ROOM_ID), { code: 'TRK_ERR_ROOM_NOT_FOUND', statusCode: 404 }, 'deleted')
  t.same((await rooms.list()).filter(({ id }) => id === ROOM_ID), [])
  t.match(app.trunkline.stats(), { peers: 0, trunk: { state: 'up', sockets: 1 } }, 'over one trunk')
}

t.test('a room lives and ends by the embedded media server', async (t) => {
  const { listening, token, errors } = await startProcess(t, { RECORDINGS_DIR: t.testdir() })
  await live(t, { url: listening, token }, async (t, base, { url, token, peerId }) => {
    const client = await FakeClient.connect(`${base}${url}?token=${token}`)
    t.teardown(() => client.cut())
    const publisher = new RtpPublisher(t, peerId, {
      send: (data) => { client.send(data) },
      onEvent: (listener) => {
        const hear = async (): Promise<void> => {
          for (;;) listener((await client.receive()).data)
        }
        hear().catch(() => {})
      }
    })
    await publisher.join()
    await publisher.publish('audio', 'video')
    return async (packets) => await publisher.sends(packets)
  })
  t.same(errors, [])
})

t.test('the same app, and a Janus', { skip: withoutJanus() }, async (t) => {
  const server = await JanusServer.start()
  t.teardown(() => server.stop())
  let participants = 40
  await live(t, janus({
    url: server.url,
    apiSecret: server.apiSecret,
    adminKey: VIDEOROOM_ADMIN_KEY,
    roomSecret: ROOM.secret,
    newRoom: () => ({ rec_dir: server.recordings }),
    adminUrl: server.adminUrl,
    adminSecret: server.adminSecret,
    recordingPollMs: 100
  }), async (t, base, { url, token }) => {
    const client = await FakeClient.connect(`${base}${url}?token=${token}`)
    t.teardown(() => client.cut())
    await Publisher.inRoom(t, client, Number(ROOM_ID), ++participants)
    return async () => {}
  })
})
