import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { TokenBucket } from '../../lib/token-bucket.js'
import { holds } from '../support.js'

const perSecond = fc.integer({ min: 1, max: 5_000 })
const burst = fc.integer({ min: 1, max: 50 })
/** Milliseconds between two attempts: many at once, some after a while. */
const gaps = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 3_000 })), { minLength: 1, maxLength: 200 })

t.test('the burst at once, not one more, and then the rate', async (t) => {
  const bucket = new TokenBucket(200, 3, 0)
  t.same([bucket.take(0), bucket.take(0), bucket.take(0), bucket.take(0)], [true, true, true, false])
  t.equal(bucket.waitMs(0), 5)
  t.equal(bucket.take(4), false)
  t.equal(bucket.take(5), true)
  t.equal(bucket.take(5), false)
  t.same([1, 2, 3, 4].map(() => bucket.take(1_000_000)), [true, true, true, false], 'no more than the burst is saved up')
})

t.test('what is owed is paid back first', async (t) => {
  const bucket = new TokenBucket(10, 1, 0)
  t.equal(bucket.take(0), true)
  bucket.owe()
  bucket.owe()
  t.equal(bucket.waitMs(0), 300)
  t.equal(bucket.take(299), false)
  t.equal(bucket.take(300), true)
})

t.test('a clock that is set back takes nothing, and its way back brings no more than the burst', async (t) => {
  const bucket = new TokenBucket(10, 2, 1_000_000)
  t.equal(bucket.take(1_000_000), true)
  t.equal(bucket.take(0), true)
  t.equal(bucket.take(0), false)
  t.equal(bucket.take(100), true)
  t.same([1, 2, 3].map(() => bucket.take(1_000_000)), [true, true, false])
})

t.test('in no interval is more taken than the burst and what the rate brings', async (t) => {
  holds(t, fc.property(perSecond, burst, gaps, (perSecond, burst, gaps) => {
    let now = 1_700_000_000_000
    const bucket = new TokenBucket(perSecond, burst, now)
    const taken: number[] = []
    for (const gap of gaps) {
      now += gap
      if (bucket.take(now)) taken.push(now)
    }
    for (let from = 0; from < taken.length; from++) {
      for (let to = from; to < taken.length; to++) assert.ok(to - from + 1 <= burst + perSecond * (taken[to]! - taken[from]!) / 1_000)
    }
  }))
})

t.test('after the wait that it names there is one, and not a millisecond before', async (t) => {
  holds(t, fc.property(perSecond, burst, gaps, fc.nat({ max: 100 }), (perSecond, burst, gaps, owed) => {
    let now = 1_700_000_000_000
    const bucket = new TokenBucket(perSecond, burst, now)
    for (const gap of gaps) bucket.take(now += gap)
    for (let i = 0; i < owed; i++) bucket.owe()
    const wait = bucket.waitMs(now)
    assert.equal(wait > 0 && bucket.take(now + wait - 1), false)
    assert.equal(bucket.take(now + wait), true)
  }))
})
