import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { Throttle } from '../../../lib/dialects/throttle.js'
import type { ThrottleLimits } from '../../../lib/dialects/throttle.js'
import { ManualClock } from '../../../lib/testing/index.js'
import { holds } from '../../support.js'

const MINUTE_MS = 60_000

/** A throttle whose client does as it is told; a clock that stands still. */
function drive (limits: Partial<ThrottleLimits> = {}) {
  const clock = new ManualClock()
  const counts = { throttled: 0, throttles: 0 }
  const log: string[] = []
  const throttle = new Throttle({ messagesPerSecond: 10, messageBurst: 3, pausedMs: 2_000, ...limits }, clock, counts, {
    pause: () => log.push('pause'), resume: () => log.push('resume'), tooMany: () => log.push('too many')
  })
  return { clock, counts, log, throttle, say: (n: number) => { for (let i = 0; i < n; i++) throttle.count() } }
}

t.test('the burst passes; for one more the client waits until there is a token again', async (t) => {
  const { clock, counts, log, say } = drive()
  say(3)
  t.same([log, clock.timers], [[], 0])
  say(1)
  t.same([log, clock.timers, counts], [['pause'], 1, { throttled: 1, throttles: 1 }])
  clock.advance(199)
  t.same(log, ['pause'], 'what it owed is paid, and nothing more')
  clock.advance(1)
  t.same([log, clock.timers, counts], [['pause', 'resume'], 0, { throttled: 0, throttles: 1 }])
  say(1)
  t.equal(log.length, 2)
  say(1)
  t.same(log, ['pause', 'resume', 'pause'])
})

t.test('what had been read is counted all the same, with one timer', async (t) => {
  const { clock, log, say } = drive()
  say(13)
  t.equal(clock.timers, 1)
  clock.advance(1_099)
  t.same([log, clock.timers], [['pause'], 1])
  clock.advance(1)
  t.same(log, ['pause', 'resume'])
})

t.test('who waits for as long as it may goes on; a millisecond more is too much', async (t) => {
  // 3 are free, and 19 owed: 2 000 ms until there is one.
  const within = drive()
  within.say(22)
  within.clock.advance(MINUTE_MS)
  t.same(within.log, ['pause', 'resume'])
  const beyond = drive()
  beyond.say(23)
  beyond.clock.advance(2_000)
  t.same(beyond.log, ['pause'])
  beyond.clock.advance(1)
  t.same([beyond.log, beyond.clock.timers, beyond.counts.throttled], [['pause', 'too many'], 0, 0])
})

t.test('pauses add up within a minute, and are forgotten after it', async (t) => {
  const twice = (apartMs: number): string[] => {
    const { clock, log, say } = drive()
    for (let i = 0; i < 2; i++) {
      say(15)
      clock.advance(apartMs)
    }
    return log
  }
  t.same(twice(MINUTE_MS - 2_000), ['pause', 'resume', 'pause', 'too many'])
  t.same(twice(MINUTE_MS + 2_000), ['pause', 'resume', 'pause', 'resume'])
})

t.test('for as long as somebody else held it up a client may wait for nothing', async (t) => {
  const { clock, log, throttle, say } = drive()
  throttle.held()
  throttle.held()
  clock.advance(3_000)
  throttle.released()
  throttle.released()
  say(3 + 49)
  clock.advance(5_000)
  t.same(log, ['pause', 'resume'], 'three seconds excused, and two that it may have to wait')
  say(1 + 1)
  clock.advance(1_000)
  t.same(log, ['pause', 'resume', 'pause', 'too many'])
})

t.test('while both hold it up nothing is counted; and no more than a minute is excused', async (t) => {
  const { clock, log, throttle, say } = drive()
  throttle.held()
  say(60)
  clock.advance(5_000)
  throttle.released()
  clock.advance(800)
  t.same(log, ['pause', 'resume'])
  throttle.held()
  clock.advance(10 * MINUTE_MS)
  throttle.released()
  say(2_000)
  clock.advance(MINUTE_MS + 2_000)
  t.same(log, ['pause', 'resume', 'pause'])
  clock.advance(1)
  t.equal(log.at(-1), 'too many')
})

t.test('at its end it leaves no timer, and counts as one less', async (t) => {
  const { clock, counts, log, throttle, say } = drive()
  say(10)
  throttle.stop()
  throttle.stop()
  clock.advance(MINUTE_MS)
  t.same([log, clock.timers, counts], [['pause'], 0, { throttled: 0, throttles: 1 }])
})

t.test('whatever is said when: it waits while it owes, and goes exactly where a plain sum of its pauses says so', async (t) => {
  const step = fc.record({ say: fc.integer({ min: 0, max: 40 }), advance: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 40_000 })) })
  holds(t, fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const { clock, log, say } = drive({ pausedMs: 5_000 })
    /** Whether it is kept waiting, for each millisecond. */
    let owed = -3
    let debtFrom = 0
    const pauses: Array<{ from: number, to: number }> = []
    const start = clock.now()
    for (const { say: n, advance } of steps) {
      if (log.at(-1) === 'too many') return
      const now = clock.now() - start
      owed = Math.max(-3, owed - (now - debtFrom) / 100) + n
      debtFrom = now
      say(n)
      const waits = log.at(-1) === 'pause'
      if (owed > 1e-9 && n > 0) assert.ok(waits, 'who owes waits')
      clock.advance(advance)
      if (waits) pauses.push({ from: now, to: Math.min(now + advance, now + Math.ceil((owed + 1) * 100 - 1e-6)) })
      const end = clock.now() - start
      // To the second: what began a minute ago may or may not count.
      const waited = (since: number, until: number): number => pauses.reduce((sum, { from, to }) => sum + Math.max(0, Math.min(to, until) - Math.max(from, since)), 0)
      const marks = pauses.flatMap(({ to }) => Array.from({ length: 11 }, (_, i) => Math.min(to, end) - i * 1_000))
      if (log.at(-1) === 'too many') assert.ok(marks.some((at) => waited(at - MINUTE_MS - 1_000, at + 1) > 5_000), 'nobody has to go who has not waited too much')
      else assert.ok(marks.every((at) => waited(at - MINUTE_MS + 1_000, at) <= 5_000), 'who has waited too much has to go')
    }
  }), { numRuns: 500 })
})

t.test('who catches up after a resume is slowed down, and not sent away for it within the next minute of pauses', async (t) => {
  const { clock, log, throttle, say } = drive()
  throttle.catchUp()
  say(2_000)
  clock.advance(MINUTE_MS + 2_000)
  t.same(log, ['pause'])
  clock.advance(1)
  t.equal(log.at(-1), 'too many')
})
