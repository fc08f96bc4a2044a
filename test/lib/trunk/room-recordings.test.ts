import t from 'tap'
import { RoomRecordings } from '../../../lib/trunk/room-recordings.js'
import type { Recording } from '../../../lib/trunk/schema.js'

function recording (recordingId: string, status = 'active', revision = 1, roomId = 'room', more: Partial<Recording> = {}): Recording {
  return { recordingId, roomId, status, revision, startedAtMs: 0, file: '', durationMs: 0, error: '', ...more }
}

const ids = (recordings: RoomRecordings, roomId = 'room'): string[] => recordings.of(roomId).map(({ recordingId }) => recordingId)

t.test('of each recording the latest is kept, in whatever order it is told', async (t) => {
  const recordings = new RoomRecordings()
  t.same(recordings.of('room'), [])
  recordings.told(recording('r', 'available', 3))
  recordings.told(recording('r', 'active', 1))
  recordings.told(recording('r', 'failed', 3))
  t.match(recordings.of('room'), [{ status: 'available', revision: 3 }])
})

t.test('of a room 64 are kept: first those are forgotten that are over', async (t) => {
  const recordings = new RoomRecordings()
  recordings.told(recording('running'))
  for (let n = 0; n < 100; n++) recordings.told(recording(`over ${n}`, 'available', 3))
  t.same([ids(recordings).length, ids(recordings)[0], ids(recordings)[1]], [64, 'running', 'over 37'])
  for (let n = 0; n < 1_024; n++) recordings.told(recording(`active ${n}`))
  t.same([ids(recordings).length, ids(recordings)[0]], [1_024, 'active 0'], 'of those that are being made many more, and none of the others then')
  recordings.told(recording('one more'))
  t.same([ids(recordings).length, ids(recordings)[0]], [1_024, 'active 1'])
})

t.test('a snapshot has 128 KiB of texts at most: first those that are being made, then the latest', async (t) => {
  const recordings = new RoomRecordings()
  recordings.told(recording('running', 'active', 1, 'room', { file: 'x'.repeat(4_000) }))
  for (let n = 0; n < 40; n++) recordings.told(recording(`over ${n}`, 'available', 3, 'room', { file: 'x'.repeat(4_000) }))
  t.same(ids(recordings), ['running', ...Array.from({ length: 31 }, (_, n) => `over ${n + 9}`)])
})

t.test('of ten thousand rooms that are over the oldest is forgotten, and none where a recording is being made', async (t) => {
  const recordings = new RoomRecordings()
  recordings.told(recording('r', 'active', 1, 'running'))
  for (let n = 0; n < 10_000; n++) recordings.told(recording('r', 'available', 3, `over ${n}`))
  t.same([ids(recordings, 'running'), ids(recordings, 'over 0'), ids(recordings, 'over 1'), ids(recordings, 'over 9999')], [['r'], [], ['r'], ['r']])
  recordings.told(recording('r', 'failed', 2, 'running'))
  for (let n = 0; n < 10_000; n++) recordings.told(recording('r', 'active', 1, `running ${n}`))
  t.same([ids(recordings, 'running'), ids(recordings, 'running 0')], [[], ['r']])
  recordings.told(recording('r', 'active', 1, 'one more'))
  t.same(ids(recordings, 'running 0'), [], 'they are bounded as well')
})
