import fc from 'fast-check'
import t from 'tap'
import type { SeenPublisher } from '../../../../lib/media-servers/janus/publishers.js'
import { RoomRecording, finalName } from '../../../../lib/media-servers/janus/room-recording.js'
import type { Recording } from '../../../../lib/relay/media-server.js'
import { holds } from '../../../support.js'

const CONFIRM_MS = 500

function record (folder: string | null = '/recordings/'): { room: RoomRecording, told: Recording[] } {
  const told: Recording[] = []
  return { told, room: new RoomRecording({ roomId: 'meeting', room: 1234, folder, confirmMs: CONFIRM_MS, tell: (recording) => told.push(recording) }) }
}

const publisher = (handleId: number, files: string[], hasMedia = true): SeenPublisher => ({ peerId: `peer-${handleId}`, sessionId: 1, handleId, publisherId: String(handleId), hasMedia, files })

t.test('the names of files', async (t) => {
  t.equal(finalName('a-audio-0.mjr.tmp'), 'a-audio-0.mjr')
  t.equal(finalName('a.mjr.x-audio-0.mjr'), 'a.mjr.x-audio-0.mjr')
  const { room, told } = record()
  room.seen([publisher(1, ['videoroom-1234-user-1-1700000000123456-audio-0.mjr.tmp', 'mine-video-1.mjr.tmp', '/elsewhere/x.mjr'])], 5)
  t.match(told, [
    { recordingId: 'videoroom-1234-user-1-1700000000123456-audio-0.mjr', file: '/recordings/videoroom-1234-user-1-1700000000123456-audio-0.mjr', startedAt: new Date(1_700_000_000_123) },
    { recordingId: 'mine-video-1.mjr', file: '/recordings/mine-video-1.mjr', startedAt: new Date(5) },
    { file: '/elsewhere/x.mjr' }
  ])
  const nowhere = record(null)
  nowhere.room.seen([publisher(1, ['mine-video-1.mjr.tmp'])], 5)
  t.equal(nowhere.told[0]!.file, 'mine-video-1.mjr')
})

t.test('what is missing once may come back', async (t) => {
  const { room, told } = record()
  const there = [publisher(1, ['a.mjr.tmp'])]
  room.seen(there, 0)
  room.seen([], 1_000)
  room.seen(there, 1_400)
  room.seen([], 1_600)
  t.equal(told.length, 1)
  room.seen([], 1_600 + CONFIRM_MS)
  t.match(told.slice(1), [{ recordingId: 'a.mjr', status: 'available', revision: 2 }])
  t.same(room.active, [])
})

t.test('a publisher of whom nothing is recorded', async (t) => {
  const { room, told } = record()
  t.same(room.seen([publisher(1, []), publisher(2, [], false)], 0), [])
  const [mute] = room.seen([publisher(1, []), publisher(2, [], false)], CONFIRM_MS)
  t.equal(mute!.handleId, 1)
  room.failed(mute!, 'no file')
  room.failed(mute!, 'no file')
  t.match(told, [{ status: 'failed', revision: 1, error: 'no file' }])
  room.seen([publisher(1, ['a.mjr'])], 1_000)
  t.same(room.seen([publisher(1, [])], 2_000), [], 'a new lack has to last too')
  room.failed(room.seen([publisher(1, [])], 3_000)[0]!, 'no file')
  t.match(told.at(-1), { status: 'failed', recordingId: told[0]!.recordingId, revision: 2 })
})

t.test('whatever is seen, each recording begins once and ends once', async (t) => {
  const files = fc.uniqueArray(fc.integer({ min: 0, max: 5 }).map((n) => `${n}.mjr.tmp`))
  const look = fc.record({ files, passed: fc.integer({ min: 0, max: 2 * CONFIRM_MS }), isDoubtful: fc.boolean() })
  holds(t, fc.property(fc.array(look), fc.constantFrom('finished', 'available', 'failed'), (looks, last) => {
    const { room, told } = record()
    let at = 0
    for (const { files, passed, isDoubtful } of looks) {
      if (isDoubtful) room.doubt()
      room.seen([publisher(1, files)], at += passed)
      const active = room.active.map(({ recordingId }) => recordingId)
      for (const file of files) if (!active.includes(finalName(file))) throw new Error(`${file} is there, and not active`)
    }
    room.end(last)
    const open = new Map<string, number>()
    for (const { recordingId, status, revision } of told) {
      const before = open.get(recordingId)
      if (status === 'active' ? before !== undefined || revision !== 1 : before === undefined || revision <= before) throw new Error(`${recordingId} is ${status} out of turn`)
      if (status === 'active') open.set(recordingId, revision)
      else open.delete(recordingId)
    }
    return open.size === 0 && room.active.length === 0
  }))
})
