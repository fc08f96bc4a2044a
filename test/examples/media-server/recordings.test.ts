import { existsSync, readdirSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import t, { type Test } from 'tap'
import { ManualClock } from 'trunkline/testing'
import type { RtpPacket } from 'werift'
import { RtpHeader, RtpPacket as Packet } from 'werift'
import { DiskFile, MAX_WAITING_BYTES } from '../../../examples/media-server/disk-file.js'
import type { Kind, Source } from '../../../examples/media-server/forwarder.js'
import type { Recording } from '../../../examples/media-server/recording.js'
import { RecordingActiveError, Recordings, type RecordingsOptions } from '../../../examples/media-server/recordings.js'
import { Room } from '../../../examples/media-server/room.js'
import { MAX_FILES, RoomRecording, SECOND_TRACK_MS } from '../../../examples/media-server/room-recording.js'
import { FakeClient, settle } from './fake-client.js'

const of = { roomId: 'room', peerId: 'a', componentId: 'c' }

/** A track whose packets the test makes. */
class FakeSource implements Source {
  readonly kind: Kind
  keyFrames = 0
  listeners = new Set<(packet: RtpPacket) => void>()
  #number = 0

  constructor (kind: Kind = 'audio') {
    this.kind = kind
  }

  onPacket (listener: (packet: RtpPacket) => void): () => void {
    this.listeners.add(listener)
    return () => { this.listeners.delete(listener) }
  }

  requestKeyFrame (): void {
    this.keyFrames++
  }

  emit (bytes = 3): void {
    const packet = new Packet(new RtpHeader({ sequenceNumber: this.#number, timestamp: 960 * this.#number++, payloadType: 96, marker: true }), Buffer.alloc(bytes, 0x10))
    for (const listener of this.listeners) listener(packet)
  }
}

function setUp (t: Test, options: Partial<RecordingsOptions> = {}) {
  const changes: Recording[] = []
  const timing = new ManualClock(0)
  const recordings = new Recordings({ directory: t.testdir(), timing, onChange: (change) => { changes.push(change) }, ...options })
  t.teardown(() => recordings.close())
  return { recordings, changes, timing, told: () => changes.map(({ status, revision }) => `${status} ${revision}`) }
}

t.test('so many are made at a time; one more has failed, and says why', async (t) => {
  const { recordings, told } = setUp(t, { limits: { active: 2 } })
  const [first] = [recordings.begin(of), recordings.begin(of)]
  const third = recordings.begin(of)
  await third.over
  t.match(third.state, { status: 'failed', revision: 2, error: /^2 recordings/ })
  first!.stop()
  await first!.over
  t.equal(recordings.begin(of).state.status, 'active')
  t.same(told(), ['active 1', 'active 1', 'active 1', 'failed 2', 'finished 2', 'failed 3', 'active 1'])
})

t.test('one without media has failed', async (t) => {
  const { recordings } = setUp(t)
  const recording = recordings.begin(of)
  recording.stop()
  await recording.over
  t.match(recording.state, { status: 'failed', error: 'nothing was published' })
})

t.test('of too many the oldest that is over is forgotten, with its file', async (t) => {
  const { recordings } = setUp(t, { limits: { recordings: 3 } })
  const source = new FakeSource()
  const active = recordings.begin(of)
  await t.rejects(recordings.delete(active.state.id), RecordingActiveError)
  const done = [recordings.begin(of), recordings.begin(of)]
  for (const recording of done) {
    recording.add(source)
    source.emit()
    recording.stop()
    await recording.over
    t.equal(recording.state.status, 'available')
    t.equal(statSync(recording.state.file!).mode & 0o077, 0, 'nobody else may read it')
  }
  t.equal(source.listeners.size, 0)
  recordings.begin(of)
  t.same(recordings.all.map(({ id }) => id).slice(0, 2), [active.state.id, done[1]!.state.id])
  while (existsSync(done[0]!.state.file!)) await new Promise((resolve) => { setImmediate(resolve) })
  t.ok(existsSync(done[1]!.state.file!))
  t.equal(await recordings.delete(done[1]!.state.id), true)
  t.notOk(existsSync(done[1]!.state.file!))
  t.equal(await recordings.delete(done[1]!.state.id), false)
})

t.test('a room that is recorded anew all the time loses its own files, and no other its', async (t) => {
  const { recordings } = setUp(t, { limits: { recordings: 4 } })
  const make = async (roomId: string): Promise<string> => {
    const recording = recordings.begin({ ...of, roomId })
    recording.stop()
    await recording.over
    return recording.state.id
  }
  const quiet = await make('quiet')
  const loud = [await make('loud'), await make('loud')]
  for (let n = 0; n < 5; n++) loud.push(await make('loud'))
  t.same(recordings.all.map(({ id }) => id), [quiet, ...loud.slice(-3)])
})

t.test('a file that is as large as it may be is finished', async (t) => {
  const { recordings, timing } = setUp(t, { limits: { fileBytes: 5_000 } })
  const recording = recordings.begin(of)
  const source = new FakeSource()
  recording.add(source)
  recording.begin()
  for (let i = 0; i < 10; i++) source.emit(1_000)
  timing.advance(1_000)
  source.emit(1_000)
  while (recording.state.status === 'active') {
    await new Promise((resolve) => { setImmediate(resolve) })
    timing.advance(1_000)
  }
  await recording.over
  t.equal(recording.state.status, 'available')
  t.equal(timing.timers, 0)
})

t.test('by default files go where nobody else may read them', async (t) => {
  const { recordings } = setUp(t, { directory: undefined })
  const recording = recordings.begin(of)
  const source = new FakeSource()
  recording.add(source)
  source.emit()
  recording.stop()
  await recording.over
  const directory = dirname(recording.state.file!)
  t.teardown(() => rm(directory, { recursive: true }))
  t.ok(directory.startsWith(tmpdir()))
  t.equal(statSync(directory).mode & 0o777, 0o700)
})

t.test('a disk that is full or too slow fails the file, once', async (t) => {
  const errors: Error[] = []
  const full = new DiskFile(Promise.resolve('/dev/full'), (error) => { errors.push(error) })
  full.append(Buffer.alloc(10))
  await t.rejects(full.finish([]), { code: 'ENOSPC' })
  full.append(Buffer.alloc(10))
  t.match(errors, [{ code: 'ENOSPC' }])

  const slow: Error[] = []
  const file = new DiskFile(new Promise(() => {}), (error) => { slow.push(error) })
  const MiB = Buffer.alloc(1024 * 1024)
  for (let bytes = 0; bytes <= 2 * MAX_WAITING_BYTES; bytes += MiB.length) file.append(MiB)
  await Promise.resolve()
  t.match(slow, [{ message: 'the disk is too slow' }])
})

t.test('files of a peer begin and end with its tracks', async (t) => {
  const { recordings, timing } = setUp(t)
  const room: Room = new Room('auto', (publisher, tracks) => { recording.tracksChanged(publisher, tracks) })
  const recording = new RoomRecording('room', recordings, timing)
  const statuses = (): string[] => recordings.all.map(({ peerId, status }) => `${peerId} ${status === 'failed' || status === 'finished' ? 'over' : status}`)
  const a = new FakeClient(room, 'a')
  await settle(a)
  t.same(statuses(), [], 'nothing is published')
  const audio = a.publish('audio')
  await settle(a)
  timing.advance(SECOND_TRACK_MS - 1)
  const video = a.publish('video')
  await settle(a)
  t.same(statuses(), ['a active'], 'the second track comes into the same file')
  a.publish('video')
  await settle(a)
  t.same(statuses(), ['a active'], 'of each kind the first alone')
  a.unpublish(audio)
  await settle(a)
  t.same(statuses(), ['a active'], 'it goes on with what is left')
  a.unpublish(video)
  await settle(a)
  t.same(statuses(), ['a over', 'a active'], 'the next video begins a file')
  timing.advance(SECOND_TRACK_MS)
  a.publish('audio')
  await settle(a)
  t.same(statuses(), ['a over', 'a over', 'a active'], 'what comes later begins another one')
  room.leave(a.participant)
  t.same(statuses(), ['a over', 'a over', 'a over'])

  const b = new FakeClient(room, 'b')
  b.publish('audio')
  await settle(b)
  recording.stop()
  b.publish('video')
  await settle(b)
  t.same(statuses().slice(3), ['b over'])
  await recordings.close()
  t.equal(timing.timers, 0)
})

t.test('a peer that publishes anew all the time makes so many files and no more', async (t) => {
  const { recordings, timing } = setUp(t)
  const room: Room = new Room('auto', (publisher, tracks) => { recording.tracksChanged(publisher, tracks) })
  const recording = new RoomRecording('room', recordings, timing)
  const a = new FakeClient(room, 'a')
  for (let i = 0; i < MAX_FILES + 5; i++) {
    const track = a.publish('audio')
    await settle(a)
    a.unpublish(track)
    await settle(a)
  }
  t.equal(recordings.all.length, MAX_FILES)
  await recordings.close()
  t.equal(readdirSync(t.testdirName).length, MAX_FILES)
})
