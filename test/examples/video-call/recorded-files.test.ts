import t from 'tap'
import type { RecordingChange } from 'trunkline'
import { MAX_IN_ROOM, MAX_ROOMS, RecordedFiles } from '../../../examples/video-call/recorded-files.js'

function recording (recordingId: string, change: Partial<RecordingChange> = {}): RecordingChange {
  const status = change.status ?? 'available'
  return {
    id: `${recordingId}/${status}`,
    recordingId,
    roomId: 'room',
    status,
    revision: status === 'active' ? 1 : status === 'finished' ? 2 : 3,
    startedAt: new Date(5_000),
    file: status === 'available' ? `/files/${recordingId}.webm` : null,
    durationMs: status === 'available' ? 1_500 : null,
    error: null,
    ...change
  }
}

const nobody = async (): Promise<null> => null

t.test('a file is offered as soon as it is whole, to those of its room', async (t) => {
  const files = new RecordedFiles()
  for (const status of ['active', 'finished'] as const) {
    files.told(recording('one', { status }), nobody)
    t.same(await files.inRoom('room'), [], status)
    t.equal(files.path('one'), undefined)
  }
  files.told(recording('one'), nobody)
  t.same(await files.inRoom('room'), [{ id: 'one', name: null, startedAt: 5_000, durationMs: 1_500, url: '/recordings/one.webm' }])
  t.equal(files.path('one'), '/files/one.webm')
  t.same(await files.inRoom('another'), [])
})

t.test('one that failed is not', async (t) => {
  const files = new RecordedFiles()
  files.told(recording('one', { status: 'active' }), nobody)
  files.told(recording('one', { status: 'failed', file: '/files/part.webm', error: 'no space' }), nobody)
  t.same(await files.inRoom('room'), [])
  t.equal(files.path('one'), undefined)
})

t.test('who is in it is asked for once, when it is first heard of', async (t) => {
  const files = new RecordedFiles()
  let asked = 0
  for (const status of ['active', 'finished', 'available', 'available'] as const) {
    files.told(recording('one', { status }), async () => {
      asked++
      return status === 'active' ? 'Ada' : 'somebody else'
    })
  }
  t.match(await files.inRoom('room'), [{ name: 'Ada' }])
  t.equal(asked, 1)
  files.told(recording('two'), async () => { throw new Error('the media server is away') })
  t.match(await files.inRoom('room'), [{ name: 'Ada' }, { name: null }], 'nobody knows')
})

t.test('news that come late, or twice, do no harm', async (t) => {
  const files = new RecordedFiles()
  files.told(recording('one'), nobody)
  files.told(recording('one'), nobody)
  files.told(recording('one', { status: 'active' }), nobody)
  t.match(await files.inRoom('room'), [{ id: 'one', durationMs: 1_500 }])
  t.equal((await files.inRoom('room')).length, 1)
})

t.test('the latest of a room are remembered', async (t) => {
  const files = new RecordedFiles()
  for (let number = 0; number <= MAX_IN_ROOM; number++) files.told(recording(`${number}`), nobody)
  const listed = await files.inRoom('room')
  t.equal(listed.length, MAX_IN_ROOM)
  t.match([listed[0], listed.at(-1)], [{ id: '1' }, { id: `${MAX_IN_ROOM}` }])
  t.equal(files.path('0'), undefined, 'of others there is no file either')
})

t.test('the rooms that were heard of last are remembered', async (t) => {
  const files = new RecordedFiles()
  for (let number = 0; number < MAX_ROOMS; number++) files.told(recording(`${number}`, { roomId: `${number}` }), nobody)
  files.told(recording('again', { roomId: '0' }), nobody)
  files.told(recording('new', { roomId: 'new' }), nobody)
  t.equal((await files.inRoom('0')).length, 2, 'the oldest, of which there was something new')
  t.equal((await files.inRoom('new')).length, 1)
  t.same(await files.inRoom('1'), [], 'that which was heard of longest ago is forgotten')
  t.equal(files.path('1'), undefined, 'with its files')
})
