import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { fullJitter } from '../../lib/backoff.js'
import { CloseCode, fitReason, isSendable, mayReconnect } from '../../lib/close-codes.js'
import { Heartbeats } from '../../lib/heartbeat.js'
import type { Heartbeat } from '../../lib/heartbeat.js'
import { nearest } from '../../lib/nearest.js'
import { Reader, VARINT, Writer, varintSize, writeVarint } from '../../lib/protobuf.js'
import { Inbox, ManualClock } from '../../lib/testing/index.js'
import { holds } from '../support.js'

t.test('backoff: anywhere between nothing and a ceiling that doubles up to its bound', async (t) => {
  holds(t, fc.property(fc.nat(1000), fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 1, max: 100_000 }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, baseMs, maxMs, random) => {
    const delay = fullJitter(baseMs, maxMs, () => random).delayMs(attempt)
    assert.ok(Number.isInteger(delay) && delay >= 0 && delay <= maxMs)
    assert.ok(delay <= baseMs * 2 ** attempt)
  }))
  const highest = fullJitter(100, 5_000, () => 0.999999)
  t.same([0, 1, 2, 5, 6, 1e9].map((attempt) => highest.delayMs(attempt)), [99, 199, 399, 3199, 4999, 4999])
})

t.test('close codes: the range carries the advice', async (t) => {
  const back = Object.entries(CloseCode).filter(([, code]) => mayReconnect(code)).map(([name]) => name)
  t.same(back.sort(), ['goingAway', 'mediaServerReset', 'relinking', 'restart', 'tooSlow', 'trunkLost', 'tryAgainLater'])
  t.same([1005, 1006, 4000, 4399].map(mayReconnect), [true, true, true, true])
  t.same([1000, 1002, 1011, 3999, 4400, 4999].map(mayReconnect), [false, false, false, false, false, false])
  t.same([999, 1004, 1005, 1006, 1015, 2000, 5000].map(isSendable), [false, false, false, false, false, false, false])
  t.same([1000, 1001, 1012, 3000, 4999].map(isSendable), [true, true, true, true, true])
})

t.test('a close reason fits its frame, and is cut between characters', async (t) => {
  t.equal(fitReason('x'.repeat(123)), 'x'.repeat(123))
  t.equal(fitReason('x'.repeat(124)), 'x'.repeat(120) + '...')
  holds(t, fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (reason) => {
    const fitting = fitReason(reason)
    assert.ok(Buffer.byteLength(fitting) <= 123)
    assert.ok(fitting === reason || reason.startsWith(fitting.slice(0, -3)))
  }))
})

t.test('heartbeat: whoever sends anything lives, and who is silent for two beats after a ping is dead', async (t) => {
  const clock = new ManualClock()
  let bytes: number | null = 0
  let pings = 0
  let deaths = 0
  const heartbeat = new Heartbeats(1_000, clock, 1).watch({ bytesRead: () => bytes, ping: () => { pings++ }, dead: () => { deaths++ } })
  clock.advance(2_000)
  t.same([pings, deaths], [2, 0])
  bytes = 1
  clock.advance(3_000)
  t.same([pings, deaths], [5, 0], 'one byte starts the count anew')
  bytes = null
  clock.advance(10_000)
  t.equal(deaths, 0, 'one that we do not read is not judged')
  bytes = 1
  clock.advance(3_000)
  t.equal(deaths, 1)
  clock.advance(10_000)
  t.equal(deaths, 1)
  t.equal(clock.timers, 0)
  heartbeat.stop()
})

t.test('heartbeats: one timer for all, each every so often, and not all at once; none is left', async (t) => {
  const clock = new ManualClock()
  const heartbeats = new Heartbeats(1_000, clock, 10)
  const start = clock.now()
  const beats: Record<string, number[]> = {}
  const watch = (name: string): Heartbeat => {
    let bytes = 0
    beats[name] = []
    return heartbeats.watch({ bytesRead: () => bytes++, ping: () => { beats[name]!.push(clock.now() - start) }, dead: () => t.fail('it lives') })
  }
  const first = watch('first')
  clock.advance(450)
  const second = watch('second')
  const third = watch('third')
  t.equal(clock.timers, 1)
  clock.advance(2_000)
  t.same(beats, { first: [1_000, 2_000], second: [1_400, 2_400], third: [1_400, 2_400] }, 'a first one may come early by one part')
  third.stop()
  third.stop()
  clock.advance(1_000)
  t.same([beats.first!.length, beats.second!.length, beats.third!.length], [3, 3, 2])
  first.stop()
  t.equal(clock.timers, 1)
  second.stop()
  t.equal(clock.timers, 0)
  watch('fourth')
  clock.advance(1_000)
  t.equal(beats.fourth!.length, 1)
})

t.test('heartbeats: who stops, or comes, while others have their turn', async (t) => {
  const clock = new ManualClock()
  const heartbeats = new Heartbeats(1_000, clock, 10)
  const pings: string[] = []
  const watch = (name: string, ping = (): void => {}): Heartbeat => heartbeats.watch({ bytesRead: () => null, ping: () => { pings.push(name); ping() }, dead () {} })
  watch('one', () => {
    two.stop()
    if (pings.length === 1) watch('three')
  })
  const two = watch('two')
  clock.advance(1_000)
  t.same(pings, ['one'])
  clock.advance(1_000)
  t.same(pings, ['one', 'one', 'three'])
})

t.test('nearest: what was most likely meant', async (t) => {
  const names = ['path', 'origins', 'trunkDownMs', 'heartbeat']
  t.equal(nearest('paht', names), 'path')
  t.equal(nearest('TRUNKDOWNMS', names), 'trunkDownMs')
  t.equal(nearest('heartBeats', names), 'heartbeat')
  t.equal(nearest('somethingElse', names), null)
  t.equal(nearest('', []), null)
})

t.test('varints', async (t) => {
  holds(t, fc.property(fc.maxSafeNat(), (value) => {
    const bytes = Buffer.alloc(10)
    const end = writeVarint(bytes, value, 0)
    assert.equal(end, varintSize(value))
    assert.equal(new Reader(bytes, 0, end).varint(), value)
    assert.throws(() => new Reader(bytes, 0, end - 1).varint(), { code: 'TRK_ERR_MALFORMED' })
  }))
})

t.test('a reader never reads beyond its message', async (t) => {
  const inner = new Writer().uint(1, 300).finish()
  const outer = Buffer.concat([new Writer().bytes(1, inner.subarray(0, 2)).finish(), Buffer.from([0x02])])
  const reader = new Reader(outer)
  t.ok(reader.next())
  const message = reader.message()
  t.ok(message.next())
  t.equal(message.wireType, VARINT)
  t.throws(() => message.varint(), { code: 'TRK_ERR_MALFORMED' })
})

t.test('the manual clock calls in order, what is set meanwhile too', async (t) => {
  const clock = new ManualClock(0)
  const called: string[] = []
  clock.after(20, () => called.push(`after ${clock.now()}`))
  const every = clock.every(8, () => {
    called.push(`every ${clock.now()}`)
    if (clock.now() === 16) clock.after(1, () => called.push(`inner ${clock.now()}`))
  })
  clock.advance(20)
  every.cancel()
  clock.advance(100)
  t.same(called, ['every 8', 'every 16', 'inner 17', 'after 20'])
})

t.test('an inbox keeps what comes until it is taken, and tells who waits in vain', async (t) => {
  const inbox = new Inbox<number>()
  inbox.push(1)
  const two = inbox.take((item) => item === 2)
  inbox.push(2)
  t.equal(await two, 2)
  const never = inbox.take((item) => item === 3)
  inbox.end(new Error('over'))
  await t.rejects(never, { message: 'over' })
  t.equal(await inbox.take(), 1)
  await t.rejects(inbox.take(), { message: 'over' })
})
