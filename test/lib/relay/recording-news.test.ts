import fc from 'fast-check'
import t from 'tap'
import { silentLogger } from '../../../lib/logger.js'
import { Hooks } from '../../../lib/relay/hooks.js'
import type { RecordingChange } from '../../../lib/relay/hooks.js'
import { RecordingNews } from '../../../lib/relay/recording-news.js'
import { ManualClock } from '../../../lib/testing/index.js'

const HOOK_MS = 10_000

function change (recordingId: string, revision: number): RecordingChange {
  return { id: `${recordingId}/${revision}`, recordingId, revision, roomId: 'room', status: revision === 1 ? 'active' : 'available', startedAt: null, file: null, durationMs: null, error: null }
}

/** Whatever was begun is through, unless it waits for the clock or for a hook. */
const settled = async (): Promise<void> => { await new Promise((resolve) => setImmediate(resolve)) }

/** @param hook what the app does; throws to fail */
function make (hook: (recording: RecordingChange) => void | Promise<void>, clock = new ManualClock()) {
  const hooks = new Hooks<unknown>(HOOK_MS, clock)
  /** As the hook was called. */
  const begun: string[] = []
  const handled: string[] = []
  hooks.add('onRecording', (recording) => {
    begun.push(recording.id)
    return hook(recording)
  })
  const news = new RecordingNews<unknown>({ hooks, roomOf: (id) => ({ id, peers: [] }), clock, log: silentLogger })
  const tell = (recording: RecordingChange, trunk = ''): void => news.tell(recording, () => { handled.push(recording.id + trunk) })
  return { clock, hooks, begun, handled, news, tell }
}

function failing (times: number): () => void {
  return () => { if (times-- > 0) throw new Error('no database') }
}

t.test('a change is told again after 1 s, 2 s, 4 s and so on, at most a minute apart, until a hook has dealt with it; only then it is handled', async (t) => {
  const { clock, begun, handled, news, tell } = make(failing(8))
  tell(change('r', 1))
  await settled()
  for (const [n, seconds] of [1, 2, 4, 8, 16, 32, 60, 60].entries()) {
    t.equal(begun.length, n + 1)
    t.equal(clock.timers, 1)
    clock.advance(seconds * 1_000 - 1)
    await settled()
    t.equal(begun.length, n + 1, `not before ${seconds} s`)
    t.same([handled, news.waiting], [[], 1])
    clock.advance(1)
    await settled()
  }
  t.equal(begun.length, 9)
  t.same([handled, news.waiting, clock.timers], [['r/1'], 0, 0])
})

t.test('after one that was dealt with the next begins with a second again, and waits for it', async (t) => {
  let left = 2
  const { clock, begun, tell } = make(({ revision }) => { if (revision !== 2 && left-- > 0) throw new Error('no') })
  tell(change('r', 1))
  tell(change('r', 2))
  tell(change('r', 3))
  for (const seconds of [1, 2]) {
    await settled()
    clock.advance(seconds * 1_000)
  }
  await settled()
  t.same(begun, ['r/1', 'r/1', 'r/1', 'r/2', 'r/3'])
  left = 1
  tell(change('r', 4))
  await settled()
  clock.advance(1_000)
  await settled()
  t.same(begun.slice(5), ['r/4', 'r/4'])
})

t.test('a hook that never answers is given up after its time, and keeps no other recording waiting', async (t) => {
  let isStuck = true
  const { clock, begun, handled, tell } = make(async ({ recordingId }) => { if (recordingId === 'stuck' && isStuck) await new Promise(() => {}) })
  tell(change('stuck', 1))
  tell(change('other', 1))
  await settled()
  t.same(handled, ['other/1'])
  clock.advance(HOOK_MS)
  await settled()
  isStuck = false
  clock.advance(1_000)
  await settled()
  t.same([begun, handled], [['stuck/1', 'other/1', 'stuck/1'], ['other/1', 'stuck/1']])
})

t.test('what is told again on the next trunk counts once while it waits, and is handled on that one', async (t) => {
  const { clock, begun, handled, news, tell } = make(failing(1))
  tell(change('r', 1), ' old')
  await settled()
  tell(change('r', 1), ' new')
  t.equal(news.waiting, 1)
  clock.advance(1_000)
  await settled()
  t.same([begun, handled], [['r/1', 'r/1'], ['r/1 new']])
  tell(change('r', 1), ' newest')
  t.same([begun.length, handled], [2, ['r/1 new', 'r/1 newest']], 'of what was dealt with the media server did not hear')
})

t.test('an earlier change is told first as long as the later one waits; after it, it is passed over, handled and counted', async (t) => {
  const { clock, begun, handled, news, tell } = make(failing(1))
  tell(change('r', 3))
  await settled()
  tell(change('r', 1))
  tell(change('r', 2))
  clock.advance(1_000)
  await settled()
  t.same(begun, ['r/3', 'r/1', 'r/2', 'r/3'])
  tell(change('r', 2))
  t.same([begun.length, handled.at(-1), news.late], [4, 'r/2', 1])

  const running = make(async () => await new Promise<void>((resolve) => running.clock.after(1, resolve)))
  running.tell(change('r', 2))
  await settled()
  running.tell(change('r', 1))
  running.clock.advance(1)
  await settled()
  t.same([running.begun, running.handled, running.news.late, running.news.waiting], [['r/2'], ['r/2', 'r/1'], 1, 0], 'a hook had the later one')
})

t.test('a thousand wait; what comes beyond is left with the media server, and taken when it is told again', async (t) => {
  const { clock, handled, news, tell } = make(failing(1_000))
  for (let n = 0; n < 1_001; n++) tell(change(`r${n}`, 1))
  await settled()
  t.equal(news.waiting, 1_000)
  tell(change('r5', 1))
  t.equal(news.waiting, 1_000, 'one that waits already needs no room')
  clock.advance(1_000)
  await settled()
  t.same([news.waiting, handled.length, handled.includes('r1000/1')], [0, 1_000, false])
  tell(change('r1000', 1))
  await settled()
  t.ok(handled.includes('r1000/1'))
})

t.test('close: nothing is begun any more, a hook that is running is waited for, and what was not dealt with is not handled', async (t) => {
  let finish = (): void => {}
  const { clock, begun, handled, news, tell } = make(async ({ recordingId }) => {
    if (recordingId === 'failing') throw new Error('no')
    await new Promise<void>((resolve) => { finish = resolve })
  })
  tell(change('failing', 1))
  tell(change('running', 1))
  tell(change('running', 2))
  await settled()
  tell(change('just told', 1))
  let isClosed = false
  const closed = news.close().then(() => { isClosed = true })
  tell(change('too late', 1))
  await settled()
  t.same([begun, clock.timers, isClosed], [['failing/1', 'running/1'], 1, false], 'a timer for the hook, and none to tell again')
  finish()
  await closed
  clock.advance(120_000)
  await settled()
  t.same([begun.length, handled, clock.timers], [2, ['running/1'], 0])
})

t.test('whatever fails, is told twice or out of order: all is dealt with that was not overtaken, in order', async (t) => {
  const step = fc.oneof(
    fc.record({ tell: fc.record({ recording: fc.nat({ max: 2 }), revision: fc.integer({ min: 1, max: 6 }) }) }),
    fc.record({ advanceMs: fc.constantFrom(0, 1, 999, 1_000, 5_000, 60_000) })
  )
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.infiniteStream(fc.constantFrom('deals', 'deals', 'throws', 'rejects', 'takes a while', 'is stuck')), async (steps, does) => {
    let isOver = false
    const dealt = new Map<string, number[]>()
    const told = new Set<string>()
    const clock = new ManualClock()
    const { handled, news, tell } = make(async ({ recordingId, revision }) => {
      const what = isOver ? 'deals' : does.next().value
      if (what === 'throws') throw new Error('no')
      if (what === 'rejects') await Promise.reject(new Error('no'))
      if (what === 'takes a while') await new Promise<void>((resolve) => clock.after(1_500, resolve))
      if (what === 'is stuck') await new Promise(() => {})
      dealt.set(recordingId, [...dealt.get(recordingId) ?? [], revision])
    }, clock)
    // Nobody's clock goes on for so long at once that a hook is late which has answered.
    const goOn = async (ms: number): Promise<void> => {
      for (let left = ms; left > 0; left -= 5_000) {
        clock.advance(Math.min(left, 5_000))
        await settled()
      }
    }
    for (const each of steps) {
      if ('tell' in each) {
        const { recording, revision } = each.tell
        const its = change(`r${recording}`, revision)
        told.add(its.id)
        tell(its)
      } else {
        await goOn(each.advanceMs)
      }
      await settled()
      for (const id of new Set(handled)) {
        const [recordingId, revision] = [id.slice(0, 2), Number(id.slice(3))]
        if (!(dealt.get(recordingId) ?? []).some((done) => done >= revision)) throw new Error(`${id} is handled, and nobody dealt with it`)
      }
    }
    await goOn(5_000)
    isOver = true
    // The longest wait, behind a hook that is stuck.
    for (let n = 0; n < 40; n++) {
      clock.advance(n % 2 === 0 ? HOOK_MS : 60_000)
      await settled()
    }
    if (news.waiting > 0 || clock.timers > 0) throw new Error('something waits for ever')
    const seen = new Set(handled)
    for (const id of told) if (!seen.has(id)) throw new Error(`${id} is not handled`)
    let missing = told.size
    for (const revisions of dealt.values()) {
      if (revisions.some((revision, n) => n > 0 && revision < revisions[n - 1]!)) throw new Error(`out of order: ${revisions.join()}`)
      missing -= new Set(revisions).size
    }
    if (missing > news.late) throw new Error('something was neither dealt with nor overtaken')
  }), { numRuns: 150 })
  t.pass('the property holds')
})
