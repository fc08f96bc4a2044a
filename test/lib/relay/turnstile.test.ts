import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { Refusal, busy } from '../../../lib/relay/refusal.js'
import { Turnstile } from '../../../lib/relay/turnstile.js'
import type { Visitor } from '../../../lib/relay/turnstile.js'
import { ManualClock } from '../../../lib/testing/index.js'
import { holds } from '../../support.js'

/** What becomes of those who come, in the order in which it does; promises settle between two steps. */
class Door {
  readonly clock = new ManualClock()
  readonly turnstile: Turnstile
  readonly went: string[] = []
  readonly refused: Array<[string, Refusal]> = []
  readonly gaveUp: string[] = []

  constructor (limits: Partial<ConstructorParameters<typeof Turnstile>[0]> = {}) {
    this.turnstile = new Turnstile({ authPerSecond: 1_000_000, concurrentAuth: 2, waitingAuth: 3, ...limits }, this.clock)
  }

  come (name: string, visitor?: Visitor): void {
    this.turnstile.enter(visitor).then(() => this.went.push(name), (error: unknown) => {
      if (error instanceof Refusal) this.refused.push([name, error])
      else this.gaveUp.push(name)
    })
  }

  get awaited (): [number, number] {
    const { running, waiting } = this.turnstile.stats()
    return [running, waiting]
  }
}

const settled = async (): Promise<void> => { await new Promise((resolve) => setImmediate(resolve)) }

t.test('so many at once, then so many wait, and one more is told when to come back', async (t) => {
  const door = new Door({ authPerSecond: 100 })
  for (const name of ['a', 'b']) door.come(name)
  t.same(door.awaited, [2, 0])
  for (const name of ['c', 'd', 'e']) door.come(name)
  await settled()
  t.same([door.went, door.refused.length], [['a', 'b'], 0])
  t.same(door.awaited, [2, 3])
  door.come('f')
  await settled()
  t.equal(door.refused[0]?.[0], 'f')
  t.match(door.refused[0]?.[1], { code: 1013, httpStatus: 503, message: 'too many at once', afterMs: 40 })
  door.turnstile.leave()
  await settled()
  t.same(door.went, ['a', 'b', 'c'])
  door.come('g')
  await settled()
  t.equal(door.refused.length, 1, 'there is room again')
  for (let i = 0; i < 4; i++) door.turnstile.leave()
  await settled()
  t.same(door.went, ['a', 'b', 'c', 'd', 'e', 'g'], 'in the order in which they came')
  t.match(door.turnstile.stats(), { running: 1, waiting: 0, mostRunning: 2, mostWaiting: 3 }, JSON.stringify(door.turnstile.stats()))
})

t.test('a tenth of a second\'s turns at once, and the rest one after the other', async (t) => {
  const door = new Door({ authPerSecond: 100, concurrentAuth: 1_000, waitingAuth: 1_000 })
  for (let i = 0; i < 12; i++) door.come(String(i))
  await settled()
  t.equal(door.went.length, 10)
  t.equal(door.clock.timers, 1)
  door.clock.advance(9)
  await settled()
  t.equal(door.went.length, 10)
  door.clock.advance(1)
  await settled()
  t.equal(door.went.length, 11)
  door.clock.advance(10)
  await settled()
  t.equal(door.went.length, 12)
  t.equal(door.clock.timers, 0, 'nobody waits, and no timer runs')
  const slow = new Door({ authPerSecond: 1 })
  slow.come('one')
  slow.come('two')
  await settled()
  t.same(slow.went, ['one'], 'a tenth of few is one')
})

t.test('who is in already waits beyond the bound, and before strangers', async (t) => {
  const door = new Door({ concurrentAuth: 1, waitingAuth: 1 })
  for (const name of ['a', 'b']) door.come(name)
  for (const name of ['in 1', 'in 2']) door.come(name, { isIn: true })
  door.come('stranger')
  for (let i = 0; i < 4; i++) {
    await settled()
    door.turnstile.leave()
  }
  await settled()
  t.same(door.went, ['a', 'in 1', 'in 2', 'b'])
  t.same(door.refused.map(([name]) => name), ['stranger'])
})

t.test('who is gone gives up its place', async (t) => {
  const door = new Door({ concurrentAuth: 1, waitingAuth: 2 })
  const gone = new AbortController()
  door.come('a')
  door.come('b', { gone: gone.signal })
  door.come('c')
  gone.abort()
  door.come('d')
  await settled()
  t.same([door.gaveUp, door.refused], [['b'], []])
  door.come('e', { gone: gone.signal })
  await settled()
  t.same(door.gaveUp, ['b', 'e'], 'one that is gone when it comes')
  door.turnstile.leave()
  door.turnstile.leave()
  await settled()
  t.same(door.went, ['a', 'c', 'd'])

  const slow = new Door({ authPerSecond: 1 })
  const last = new AbortController()
  slow.come('a')
  slow.come('b', { gone: last.signal })
  t.equal(slow.clock.timers, 1)
  last.abort()
  t.equal(slow.clock.timers, 0, 'nor is it waited for')
})

t.test('whoever is sent away is told a moment of its own, half a minute away at most', async (t) => {
  const { turnstile, clock } = new Door({ authPerSecond: 1_000 })
  const told = Array.from({ length: 4_000 }, () => turnstile.comeBackMs())
  t.same([told[0], told[999], told[3_999]], [1, 1_000, 4_000])
  t.equal(new Set(told).size, 4_000)
  clock.advance(3_000)
  t.equal(turnstile.comeBackMs(), 1_001, 'turns that are over are forgotten')
  clock.advance(60_000)
  t.equal(turnstile.comeBackMs(), 1)
  for (let i = 0; i < 29_998; i++) turnstile.comeBackMs()
  t.equal(turnstile.comeBackMs(), 30_000)
  t.equal(turnstile.comeBackMs(), 30_000)
})

t.test('once it is closed nobody gets through, nor waits', async (t) => {
  const door = new Door({ concurrentAuth: 1, authPerSecond: 1 })
  door.come('a')
  door.come('b')
  const closed = busy('closed')
  door.turnstile.close(() => closed)
  door.come('c')
  await settled()
  t.same(door.refused.map(([name, refusal]) => [name, refusal === closed]).sort(), [['b', true], ['c', true]])
  door.turnstile.leave()
  await settled()
  t.same(door.went, ['a'])
  t.equal(door.clock.timers, 0)
})

const STEP_MS = 10

type Step = { do: 'come', isIn: boolean } | { do: 'leave' } | { do: 'abort', index: number } | { do: 'advance', ms: number }

t.test('whatever comes: never more at once, never more often, in order, and nobody is forgotten', async (t) => {
  const anyStep: fc.Arbitrary<Step> = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('come' as const), isIn: fc.boolean() }) },
    { weight: 4, arbitrary: fc.constant({ do: 'leave' as const }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('abort' as const), index: fc.nat(100) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.nat(300) }) }
  )
  const limits = fc.record({ authPerSecond: fc.integer({ min: 1, max: 100 }), concurrentAuth: fc.integer({ min: 1, max: 5 }), waitingAuth: fc.integer({ min: 1, max: 6 }) })
  await fc.assert(fc.asyncProperty(limits, fc.array(anyStep, { maxLength: 100, size: 'max' }), async (limits, steps) => {
    const door = new Door(limits)
    const { turnstile, clock } = door
    const came: Array<{ name: string, gone: AbortController, isIn: boolean }> = []
    const begun: number[] = []
    let running = 0
    const look = async (): Promise<void> => {
      await settled()
      while (begun.length < door.went.length) {
        begun.push(clock.now())
        running++
      }
      assert.ok(running <= limits.concurrentAuth, 'more at once')
      const burst = Math.max(1, limits.authPerSecond / 10)
      for (const [i, at] of begun.entries()) {
        const many = begun.length - i
        // It may have begun a step before it was seen.
        assert.ok(many <= burst + (clock.now() - at + STEP_MS) * limits.authPerSecond / 1_000, `${many} in ${clock.now() - at} ms`)
      }
      assert.deepEqual([running, came.length - door.went.length - door.refused.length - door.gaveUp.length], door.awaited, 'somebody is forgotten')
      // Whoever could go has gone.
      if (turnstile.stats().waiting > 0) assert.ok(running === limits.concurrentAuth || clock.timers === 1, 'nobody looks after those who wait')
    }
    for (const step of steps) {
      switch (step.do) {
        case 'come': {
          const gone = new AbortController()
          const { waiting } = turnstile.stats()
          const refusals = door.refused.length
          came.push({ name: String(came.length), gone, isIn: step.isIn })
          door.come(String(came.length - 1), { isIn: step.isIn, gone: gone.signal })
          await settled()
          if (step.isIn || waiting < limits.waitingAuth) assert.equal(door.refused.length, refusals, 'refused though there is room')
          break
        }
        case 'leave': if (running > 0) { running--; turnstile.leave() } break
        case 'abort': came[step.index % (came.length || 1)]?.gone.abort(); break
        // One by one, so that each begins at its own time.
        case 'advance': for (let ms = 0; ms < step.ms; ms += STEP_MS) { clock.advance(STEP_MS); await look() }
      }
      await look()
    }
    for (const isIn of [false, true]) {
      const numbers = door.went.map(Number).filter((number) => came[number]!.isIn === isIn)
      assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b), 'out of order')
    }
    for (let i = 0; i < 200 && turnstile.stats().waiting > 0; i++) {
      while (turnstile.stats().running > 0) turnstile.leave()
      clock.advance(1_000)
    }
    await settled()
    assert.equal(turnstile.stats().waiting, 0)
    assert.equal(door.went.length + door.refused.length + door.gaveUp.length, came.length)
  }), { numRuns: 100 })
  t.pass('the property holds')
})

t.test('room is what may run and as many more, whatever strangers wait', async (t) => {
  holds(t, fc.property(fc.nat(12), (many) => {
    const door = new Door({ concurrentAuth: 3, waitingAuth: 100 })
    for (let i = 0; i < many; i++) door.come(String(i), { isIn: true })
    if (many >= 3) for (let i = 0; i < 5; i++) door.come(`stranger ${i}`)
    assert.equal(door.turnstile.room, Math.max(0, 6 - many))
  }))
})
