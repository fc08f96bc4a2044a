import t from 'tap'
import { KeptNews } from '../../../../lib/media-servers/janus/kept-news.js'
import type { Recording } from '../../../../lib/relay/media-server.js'
import { silentLogger } from '../../../../lib/logger.js'
import { ManualClock } from '../../../../lib/testing/index.js'

const recording = (recordingId: string): Recording => ({ recordingId, roomId: 'room', status: 'active', revision: 1, startedAt: null, file: null, durationMs: null, error: null })

interface Told { recordingId: string, id: string, handled: () => void }

function keep (log = silentLogger, attempts = Infinity): { clock: ManualClock, news: KeptNews<Recording>, told: Told[] } {
  const clock = new ManualClock()
  const told: Told[] = []
  return { clock, told, news: new KeptNews<Recording>({ hook: 'onRecording', attempts, clock, log, tell: ({ recordingId }, id, handled) => { told.push({ recordingId, id, handled }) }, describe: ({ recordingId }) => ({ recordingId }) }) }
}

t.test('news are told until they are handled, less and less often', async (t) => {
  const { clock, news, told } = keep()
  news.add(recording('a'))
  news.add(recording('b'))
  t.same(told.map(({ recordingId }) => recordingId), ['a', 'b'])
  t.not(told[0]!.id, told[1]!.id)
  clock.advance(9_999)
  t.equal(told.length, 2)
  clock.advance(1)
  t.same(told.map(({ id }) => id), [told[0]!.id, told[1]!.id, told[0]!.id, told[1]!.id], 'in their order, under the same ids')
  told[1]!.handled()
  clock.advance(20_000)
  t.equal(told.length, 5)
  clock.advance(40_000)
  clock.advance(60_000)
  clock.advance(60_000)
  t.same(told.slice(4).map(({ recordingId }) => recordingId), ['a', 'a', 'a', 'a'])
  told[0]!.handled()
  t.equal(news.size, 0)
  t.equal(clock.timers, 0)
  news.add(recording('c'))
  clock.advance(10_000)
  t.equal(told.length, 10, 'and as often as ever for the next')
})

t.test('what is handled at once is not told again', async (t) => {
  const clock = new ManualClock()
  const news = new KeptNews<Recording>({ hook: 'onRecording', attempts: 1, clock, log: silentLogger, tell: (_recording, _id, handled) => handled(), describe: () => ({}) })
  news.add(recording('a'))
  t.equal(news.size, 0)
  t.equal(clock.timers, 0)
})

t.test('only so many are kept', async (t) => {
  const lost: string[] = []
  const { clock, news, told } = keep({ ...silentLogger, error: (fields: unknown) => { lost.push((fields as { recordingId: string }).recordingId) } })
  for (let n = 0; n < 1_002; n++) news.add(recording(String(n)))
  t.equal(news.size, 1_000)
  t.same(lost, ['0', '1'])
  news.again()
  t.equal(told.length, 2_002)
  t.equal(told[1_002]!.recordingId, '2')
  news.close()
  news.add(recording('late'))
  t.equal(news.size, 0)
  t.equal(clock.timers, 0)
  t.equal(news.size, 0)
})

t.test('what fails too often is given up', async (t) => {
  const lost: string[] = []
  const { clock, news, told } = keep({ ...silentLogger, error: (fields: unknown) => { lost.push((fields as { recordingId: string }).recordingId) } }, 2)
  news.add(recording('a'))
  clock.advance(10_000)
  t.equal(told.length, 2)
  t.equal(news.size, 1)
  clock.advance(60_000)
  t.same(lost, ['a'])
  t.equal(news.size, 0)
  t.equal(clock.timers, 0)
})
