import { EventEmitter } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import t, { type Test } from 'tap'
import { MediaConnection } from '../../../examples/media-server/media-connection.js'
import type { Recording } from '../../../examples/media-server/recording.js'
import { Recordings } from '../../../examples/media-server/recordings.js'
import { RoomRecording } from '../../../examples/media-server/room-recording.js'
import { Rooms } from '../../../examples/media-server/rooms.js'
import type { Peer } from '../../../examples/media-server/seat.js'
import { Sfu } from '../../../examples/media-server/sfu.js'
import { systemTiming } from '../../../examples/media-server/timing.js'
import { RtpPublisher } from './rtp-publisher.js'
import { lookAt } from './webm-look.js'

/** A room whose recordings are real files of real RTP; only the trunk is missing. */
function setUp (t: Test, directory: string = t.testdir()) {
  const rooms = new Rooms()
  const errors: unknown[] = []
  const sfu = new Sfu({ rooms, connect: (onEnd) => new MediaConnection({ address: '127.0.0.1', onEnd }), onError: (error) => { errors.push(error) } })
  const changes: Recording[] = []
  const waiting = new Set<() => void>()
  const recordings = new Recordings({
    directory,
    onChange (change) {
      changes.push(change)
      for (const look of waiting) look()
    }
  })
  t.teardown(async () => {
    sfu.close()
    await recordings.close()
  })
  const hosted = rooms.make('room', { maxPeers: null, subscribeMode: 'auto' })
  const record = (): void => {
    hosted.recording = new RoomRecording('room', recordings, systemTiming)
    for (const member of hosted.room.members) hosted.recording.tracksChanged(member, [...member.tracks])
  }
  const come = async (id: string) => {
    const peer = Object.assign(new EventEmitter(), { id, roomId: 'room', metadata: null, send: (_data: Uint8Array) => {}, close () {} }) satisfies Peer
    sfu.accept(peer)
    const publisher = new RtpPublisher(t, id, { send: (data) => { peer.emit('mediaEvent', data, true) }, onEvent (listener) { peer.send = listener } })
    await publisher.join()
    return Object.assign(publisher, { peer })
  }
  /** The first change that is such, past or to come. */
  const change = async (isSuch: (change: Recording) => boolean): Promise<Recording> => await new Promise((resolve) => {
    const look = (): void => {
      const found = changes.find(isSuch)
      if (found === undefined) return
      waiting.delete(look)
      resolve(found)
    }
    waiting.add(look)
    look()
  })
  return { hosted, rooms, sfu, recordings, changes, errors, record, come, change }
}

t.test('audio, and video a moment later, end up in one file, of the right length', async (t) => {
  const { hosted, record, come, change, changes } = setUp(t)
  record()
  const a = await come('a')
  await a.publish('audio')
  const active = await change(({ status }) => status === 'active')
  const beganAt = active.startedAt
  await a.publish('video')
  const file = `${t.testdirName}/${active.id}.webm`
  await a.sends(150)
  t.ok(a.keyFrames > 0, 'a key frame is asked for')
  hosted.recording?.stop()
  const wallMs = Date.now() - beganAt
  const available = await change(({ status }) => status === 'available')

  t.same(changes.map(({ id, status, revision }) => [id, status, revision]), [[active.id, 'active', 1], [active.id, 'finished', 2], [active.id, 'available', 3]])
  t.match(available, { roomId: 'room', peerId: 'a', file, error: null })
  const look = lookAt(readFileSync(file))
  t.same(look.codecs, ['A_OPUS', 'V_VP8'])
  t.ok(look.hasCues)
  t.ok(Math.abs(look.durationMs - wallMs) < 300, `${look.durationMs} ms of ${wallMs}`)
  t.equal(Math.round(look.durationMs), available.durationMs)
  const [audio, video] = look.tracks
  t.ok(video!.frames > 10 && audio!.frames > 20)
  t.ok(Math.abs(audio!.lastMs - video!.lastMs) < 300, 'both tracks end together, though they did not begin so')
  t.ok(audio!.firstMs < video!.firstMs)
  t.ok(audio!.gapMs < 40, `no hole of ${audio!.gapMs} ms`)
})

t.test('who leaves finishes its file; who comes again begins another; the others go on', async (t) => {
  const { record, come, change, changes, recordings, errors } = setUp(t)
  const [a, b] = [await come('a'), await come('b')]
  await a.publish('audio', 'video')
  record()
  await b.publish('audio')
  const first = await change(({ peerId }) => peerId === 'a')
  await a.sends(40)
  a.peer.emit('detach')
  a.peer.emit('attach')
  t.equal(changes.length, 2, 'signaling that is lost changes nothing')
  a.peer.emit('close', { code: 1000 })
  t.match(await change(({ id, status }) => id === first.id && status === 'available'), { peerId: 'a' })
  await a.close()
  const again = await come('a')
  await again.publish('audio')
  await change(({ id, peerId }) => peerId === 'a' && id !== first.id)
  t.same(recordings.all.map(({ peerId, status }) => `${peerId} ${status}`), ['a available', 'b active', 'a active'])
  await again.sends(10)
  await recordings.close()
  t.same(readdirSync(t.testdirName).length, 3)
  t.same(errors, [])
})

t.test('a folder that cannot be written to fails the recording, and nothing else', async (t) => {
  const directory = t.testdir({ file: 'no folder' })
  const { record, come, change, errors } = setUp(t, `${directory}/file`)
  record()
  const a = await come('a')
  await a.publish('audio', 'video')
  const failed = await change(({ status }) => status === 'failed')
  t.match(failed, { revision: 2, file: null, error: /EEXIST|ENOTDIR/ })
  t.same(errors, [])
})
