import { existsSync } from 'node:fs'
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { FakeClient, Inbox } from '../../lib/testing/index.js'
import type { Notification, RecordingChange, Trunkline } from '../../plugins/trunkline.js'
import { until } from '../e2e/support/until.js'
import { DirectClient } from '../examples/media-server/direct-client.js'
import { startProcess } from '../examples/media-server/process.js'
import type { MediaServer } from '../examples/media-server/process.js'
import { startApp, trunkState } from '../support.js'
import type { TestApp } from '../support.js'

interface Backend extends TestApp {
  trunkline: Trunkline
  notified: Inbox<Notification>
  /** With the ids of the peers that this backend has in the room. */
  recorded: Inbox<RecordingChange & { present: string[] }>
}

/** A backend of the embedded media server, by the reference driver. */
async function startBackend (t: Test, { listening, token }: MediaServer, mode: 'relay' | 'direct'): Promise<Backend> {
  const [notified, recorded] = [new Inbox<Notification>(), new Inbox<RecordingChange & { present: string[] }>()]
  const test = await startApp(t, { url: listening, token }, {
    mode,
    hooks: {
      onNotification: (notification) => { notified.push(notification) },
      onRecording: (recording, { peers }) => { recorded.push({ ...recording, present: peers.map(({ id }) => id) }) }
    }
  })
  await trunkState(test.app, 'up')
  return { ...test, trunkline: test.app.trunkline, notified, recorded }
}

t.test('a client is at the media server alone, and the app hears of it, has it recorded, and ends it', async (t) => {
  const server = await startProcess(t, { RECORDINGS_DIR: t.testdir() })
  const { trunkline, notified, recorded, sockets } = await startBackend(t, server, 'direct')
  const { id: roomId } = await trunkline.rooms.create()
  const admittance = await trunkline.admit({ roomId, peerId: 'ada', metadata: { name: 'Ada' } })
  t.equal(admittance.url, `${server.direct}/signaling`)
  t.same((await trunkline.rooms.get(roomId)).peers, [{ id: 'ada', status: 'disconnected', metadata: { name: 'Ada' } }], 'it is waited for')

  const ada = await DirectClient.join(t, admittance)
  t.match(ada.session, { peerId: 'ada', roomId })
  t.match(await notified.take(({ type }) => type === 'peerConnected'), { roomId, peerId: 'ada' })
  t.same((await trunkline.rooms.get(roomId)).peers, [{ id: 'ada', status: 'connected', metadata: { name: 'Ada' } }])

  await trunkline.startRecording(roomId)
  await ada.publisher.join()
  await ada.publisher.publish('audio', 'video')
  const active = await recorded.take()
  t.match(active, { roomId, status: 'active', revision: 1, present: [] })
  await ada.light('on')
  await ada.publisher.sends(20)
  await trunkline.stopRecording(roomId)
  const changes = [active, await recorded.take(), await recorded.take()]
  t.same(changes.map(({ recordingId, status, revision }) => [recordingId, status, revision]), ['active', 'finished', 'available'].map((status, i) => [active.recordingId, status, i + 1]))
  t.ok(existsSync(changes[2]!.file!))
  t.match(trunkline.recordings(roomId).recordings, [{ recordingId: active.recordingId, status: 'available' }])
  await ada.light('off')

  t.match(trunkline.stats(), { peers: 0, links: 0, trunk: { state: 'up', sockets: 1 } })
  t.equal(sockets.size, 0, 'nobody has connected to the backend')

  await trunkline.removePeer(roomId, 'ada')
  t.match(await ada.failed, { code: 4410 })
  t.match(await notified.take(({ type }) => type === 'peerDisconnected'), { roomId, peerId: 'ada' })
  await t.rejects(DirectClient.join(t, admittance), { message: /^4401/ }, 'what it was let in with is void')
  await t.rejects(trunkline.removePeer(roomId, 'ada'), { code: 'TRK_ERR_PEER_NOT_FOUND', statusCode: 404 })

  await trunkline.rooms.delete(roomId)
  t.match(await notified.take(({ type }) => type === 'roomDeleted'), { roomId })
  await t.rejects(trunkline.admit({ roomId }), { code: 'TRK_ERR_ROOM_NOT_FOUND', statusCode: 404 })
  t.match(await server.stop(), { code: 0 })
  t.same(server.errors, [])
})

t.test('a room that is deleted while it is recorded leaves its files, and the app hears of each once, in order', async (t) => {
  const server = await startProcess(t, { RECORDINGS_DIR: t.testdir() })
  const { trunkline, notified, recorded } = await startBackend(t, server, 'direct')
  await trunkline.rooms.create({ roomId: 'brief' })
  const client = await DirectClient.join(t, await trunkline.admit({ roomId: 'brief', metadata: null }))
  await trunkline.startRecording('brief')
  await client.publisher.join()
  await client.publisher.publish('audio', 'video')
  const changes = [await recorded.take()]
  await client.publisher.sends(20)
  await trunkline.rooms.delete('brief')
  t.match(await client.failed, { code: 4410, reason: 'Room stopped' })
  while (changes.at(-1)!.status !== 'available') changes.push(await recorded.take())
  t.same(changes.map(({ roomId, status }) => [roomId, status]), [['brief', 'active'], ['brief', 'finished'], ['brief', 'available']])
  t.equal(new Set(changes.map(({ id }) => id)).size, 3)
  t.ok(existsSync(changes[2]!.file!))
  t.match(await notified.take(({ type }) => type === 'roomDeleted'), { roomId: 'brief' })
  t.match(await server.stop(), { code: 0 })
  t.equal(recorded.length, 0)
})

t.test('of two admittances for one peer the one that is used last is good, and the room has one peer', async (t) => {
  const server = await startProcess(t)
  const { trunkline } = await startBackend(t, server, 'direct')
  await trunkline.rooms.create({ roomId: 'room', maxPeers: 1 })
  const who = { roomId: 'room', peerId: 'p', metadata: null }
  for (const kind of ['one after the other', 'at once']) {
    await t.test(kind, async (t) => {
      const [older, newer] = kind === 'at once' ? await Promise.all([trunkline.admit(who), trunkline.admit(who)]) : [await trunkline.admit(who), await trunkline.admit(who)]
      t.not(older.token, newer.token)
      const first = await DirectClient.join(t, older)
      const second = await DirectClient.join(t, newer)
      t.match(await first.failed, { code: 4409 })
      await t.rejects(DirectClient.join(t, older), { message: /^4401/ })
      t.same((await trunkline.rooms.get('room')).peers.map(({ id, status }) => [id, status]), [['p', 'connected']])
      await trunkline.removePeer('room', 'p')
      t.match(await second.failed, { code: 4410 })
    })
  }
  const both = await startBackend(t, server, 'direct')
  const admitted = await Promise.all([trunkline.admit(who), both.trunkline.admit(who)])
  const [one, two] = [await DirectClient.join(t, admitted[0]).catch(() => null), await DirectClient.join(t, admitted[1]).catch(() => null)]
  t.ok(one !== null || two !== null, 'of two backends as well')
  t.equal((await trunkline.rooms.get('room')).peers.length, 1)
})

t.test('a client that is gone when the media server has let it in leaves nothing there', async (t) => {
  const server = await startProcess(t)
  const { trunkline } = await startBackend(t, server, 'direct')
  await trunkline.rooms.create({ roomId: 'room' })
  /** It is gone once it was looked at so often: the third look is after the answer. */
  const gone = (): FastifyRequest => {
    let looks = 0
    return { protocol: 'http', host: 'x', raw: { socket: { get destroyed () { return ++looks > 2 } } } } as unknown as FastifyRequest
  }
  await t.rejects(trunkline.admit({ roomId: 'room', peerId: 'p', metadata: null }, { request: gone() }), { code: 'TRK_ERR_ADMIT_GONE' })
  t.same((await trunkline.rooms.get('room')).peers, [])

  await t.test('and ends nobody who was in before', async (t) => {
    const client = await DirectClient.join(t, await trunkline.admit({ roomId: 'room', peerId: 'p', metadata: null }))
    await t.rejects(trunkline.admit({ roomId: 'room', peerId: 'p', metadata: null }, { request: gone() }), { code: 'TRK_ERR_ADMIT_GONE' })
    t.same((await trunkline.rooms.get('room')).peers.map(({ id, status }) => [id, status]), [['p', 'connected']])
    t.equal(client.link.state, 'joined')
  })
})

t.test('a room is of relayed clients or of direct ones, whoever is first, of two registrations', async (t) => {
  const server = await startProcess(t)
  const direct = await startBackend(t, server, 'direct')
  const relay = await startBackend(t, server, 'relay')
  const isIn = async (roomId: string, peerId: string): Promise<void> => {
    await until(`${peerId} is in`, async () => (await direct.trunkline.rooms.get(roomId)).peers.some(({ id, status }) => id === peerId && status === 'connected'))
  }
  const forbidden = { code: 4403, reason: 'the room is of clients that connect directly' }

  await t.test('relayed first', async (t) => {
    await direct.trunkline.rooms.create({ roomId: 'relayed' })
    const relayed = await relay.join({ roomId: 'relayed', peerId: 'r' })
    await isIn('relayed', 'r')
    await t.rejects(direct.trunkline.admit({ roomId: 'relayed', metadata: null }), { code: 'TRK_ERR_ROOM_MODE', statusCode: 409, message: /'relayed' has clients that come by way of the backend/ })
    t.equal(relay.trunkline.peers.get('r')?.state, 'joined', 'and is not disturbed')
    await relayed.close()
    await until('the room is empty', async () => (await direct.trunkline.rooms.get('relayed')).peers.length === 0)
    t.ok(await DirectClient.join(t, await direct.trunkline.admit({ roomId: 'relayed', metadata: null })), 'until it is empty')
  })

  await t.test('direct first', async (t) => {
    await direct.trunkline.rooms.create({ roomId: 'direct' })
    const admittance = await direct.trunkline.admit({ roomId: 'direct', peerId: 'd', metadata: null })
    t.match(await (await relay.join({ roomId: 'direct', peerId: 'r' })).closed, forbidden, 'where one is waited for')
    const client = await DirectClient.join(t, admittance)
    t.match(await (await relay.join({ roomId: 'direct', peerId: 'r' })).closed, forbidden)
    t.equal(client.link.state, 'joined')
  })

  await t.test('at the same time', async (t) => {
    let won = { direct: 0, relayed: 0 }
    for (let n = 0; n < 20; n++) {
      const roomId = `race-${n}`
      await direct.trunkline.rooms.create({ roomId })
      const begin = [
        async () => await direct.trunkline.admit({ roomId, peerId: `d-${n}`, metadata: null }).catch((error: Error) => error),
        async () => await relay.join({ roomId, peerId: `r-${n}` })
      ]
      // Either is sent first as often.
      if (n % 2 === 1) begin.reverse()
      const both = await Promise.all(begin.map(async (each) => await each()))
      if (n % 2 === 1) both.reverse()
      const [admitted, relayed] = both as [Awaited<ReturnType<Trunkline['admit']>> | Error, FakeClient]
      if (admitted instanceof Error) {
        t.match(admitted, { code: 'TRK_ERR_ROOM_MODE' })
        await isIn(roomId, `r-${n}`)
        won = { ...won, relayed: won.relayed + 1 }
      } else {
        t.match(await relayed.closed, forbidden)
        await DirectClient.join(t, admitted)
        won = { ...won, direct: won.direct + 1 }
      }
      t.equal((await direct.trunkline.rooms.get(roomId)).peers.length, 1, 'never both')
    }
    t.comment(`direct first ${won.direct} times, relayed ${won.relayed} times`)
  })
})
