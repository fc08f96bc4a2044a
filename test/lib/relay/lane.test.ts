import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { ManualClock } from '../../../lib/testing/index.js'
import { Hooks } from '../../../lib/relay/hooks.js'
import type { ForwardResult } from '../../../lib/relay/hooks.js'
import { Lane } from '../../../lib/relay/lane.js'
import type { Peer } from '../../../lib/relay/peer.js'

const peer = { id: 'p' } as Peer
const HOOK_MS = 5_000

/** What a history may do to a lane. */
type Step = 'push' | 'hold' | 'open' | 'settle' | 'drop' | 'turn'

interface Driven {
  lane: Lane<unknown>
  delivered: string[]
  log: string[]
  /** Of the hooks that are busy. */
  answers: Array<(result: ForwardResult) => void>
}

function drive (asynchronous: (n: number) => boolean, hooksCount: number, maxBytes = 1e6): Driven {
  const hooks = new Hooks<unknown>(HOOK_MS, new ManualClock())
  const driven: Omit<Driven, 'lane'> = { delivered: [], log: [], answers: [] }
  for (let i = 0; i < hooksCount; i++) {
    hooks.add('onUplink', (event) => {
      const n = Number(event.text().split('+')[0])
      if (!asynchronous(n)) return `${event.text()}+`
      return new Promise((resolve) => driven.answers.push((result) => resolve(result === false ? false : `${event.text()}+`)))
    })
  }
  const lane = new Lane('onUplink', peer, hooks, {
    deliver: (data) => driven.delivered.push(data.toString()),
    dropped: () => driven.log.push('dropped'),
    failed: (error) => driven.log.push(error.message),
    full: () => driven.log.push('full'),
    drained: () => driven.log.push('drained')
  }, maxBytes)
  return { ...driven, lane }
}

const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve))

t.test('whatever is held, opened and waited for: each event passes once, in order, through every hook once', async (t) => {
  const steps = fc.array(fc.constantFrom<Step>('push', 'push', 'push', 'hold', 'open', 'settle', 'drop', 'turn'), { maxLength: 60 })
  await fc.assert(fc.asyncProperty(steps, fc.integer({ min: 0, max: 3 }), fc.integer({ min: 1, max: 3 }), async (history, hooksCount, everyNth) => {
    const { lane, delivered, log, answers } = drive((n) => n % everyNth === 0, hooksCount)
    let pushed = 0
    let dropped = 0
    const settle = async (result: ForwardResult): Promise<void> => {
      const answer = answers.shift()
      if (answer === undefined) return
      if (result === false) dropped++
      answer(result)
      await turn()
    }
    for (const step of history) {
      if (step === 'push') lane.push(Buffer.from(String(pushed++)), false)
      else if (step === 'hold') lane.hold()
      else if (step === 'open') lane.open()
      else if (step === 'settle') await settle(undefined)
      else if (step === 'drop') await settle(false)
      else await turn()
      assert.ok(answers.length <= 1, 'one hook at a time')
    }
    lane.open()
    while (answers.length > 0) await settle(undefined)
    assert.equal(delivered.length + dropped, pushed)
    assert.equal(log.filter((line) => line === 'dropped').length, dropped)
    const numbers = delivered.map((text) => Number(text.split('+')[0]))
    assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b), 'in order')
    for (const text of delivered) assert.match(text, new RegExp(`^\\d+\\+{${hooksCount}}$`))
  }), { numRuns: 500 })
  t.pass('the property holds')
})

t.test('a full queue says so once, and again when it is empty', async (t) => {
  const { lane, log, delivered } = drive(() => false, 0, 1000)
  for (let i = 0; i < 100; i++) lane.push(Buffer.from(String(i)), false)
  t.same(log, ['full'])
  lane.open()
  t.same(log, ['full', 'drained'])
  t.equal(delivered.length, 100)
})

t.test('what waits does not keep a large read alive', async (t) => {
  const kept: Buffer[] = []
  const lane = new Lane('onUplink', peer, new Hooks<unknown>(HOOK_MS, new ManualClock()), {
    deliver: (data) => kept.push(data), dropped: () => {}, failed: () => {}, full: () => {}, drained: () => {}
  }, 1e6)
  const read = Buffer.alloc(64 * 1024, 7)
  lane.push(read.subarray(100, 200), true)
  lane.push(read.subarray(0, 60 * 1024), true)
  lane.open()
  t.equal(kept[0]?.buffer.byteLength, 100)
  t.same(kept[0], read.subarray(100, 200))
  t.equal(kept[1]?.buffer, read.buffer, 'nor is most of it copied')
})

t.test('nor does what a hook had when its lane was held', async (t) => {
  const kept: Buffer[] = []
  const hooks = new Hooks<unknown>(HOOK_MS, new ManualClock())
  let answer = (): void => {}
  hooks.add('onUplink', async () => await new Promise<void>((resolve) => { answer = resolve }))
  const lane = new Lane('onUplink', peer, hooks, {
    deliver: (data) => kept.push(data), dropped: () => {}, failed: () => {}, full: () => {}, drained: () => {}
  }, 1e6)
  lane.open()
  lane.push(Buffer.alloc(64 * 1024, 7).subarray(100, 200), true)
  lane.hold()
  answer()
  await turn()
  lane.open()
  t.equal(kept[0]?.buffer.byteLength, 100)
})

t.test('after its end a lane is silent, and tells when its last hook is done', async (t) => {
  const { lane, delivered, log, answers } = drive(() => true, 2)
  lane.open()
  lane.push(Buffer.from('0'), false)
  lane.push(Buffer.from('1'), false)
  let idle = false
  const closed = lane.close().then(() => { idle = true })
  await turn()
  t.equal(idle, false)
  answers.shift()!(undefined)
  await closed
  lane.push(Buffer.from('2'), false)
  lane.open()
  await turn()
  t.same([delivered, log, answers.length], [[], [], 0])
  await lane.close()
})

t.test('holding a lane keeps also the event that a hook is busy with', async () => {
  const { lane, delivered, answers } = drive(() => true, 1)
  lane.open()
  lane.push(Buffer.from('0'), false)
  lane.push(Buffer.from('1'), false)
  lane.hold()
  answers.shift()!(undefined)
  await turn()
  assert.deepEqual(delivered, [])
  lane.open()
  assert.deepEqual(delivered, ['0+'])
  answers.shift()!(undefined)
  await turn()
  assert.deepEqual(delivered, ['0+', '1+'])
})

t.test('a reset forgets what waits and what a hook has: none of it passes later, and what comes after it does, in order', async (t) => {
  const steps = fc.array(fc.constantFrom<Step | 'reset' | 'skip'>('push', 'push', 'push', 'skip', 'reset', 'hold', 'open', 'open', 'settle', 'turn'), { maxLength: 60, size: 'max' })
  await fc.assert(fc.asyncProperty(steps, fc.integer({ min: 0, max: 2 }), fc.integer({ min: 1, max: 3 }), async (history, hooksCount, everyNth) => {
    const { lane, delivered, log, answers } = drive((n) => n % everyNth === 0, hooksCount)
    let pushed = 0
    let forgotten = -1
    let skipsAfterReset = 0
    let droppedAtReset = 0
    const settle = async (): Promise<void> => {
      answers.shift()?.(undefined)
      await turn()
    }
    for (const step of history) {
      if (step === 'push') lane.push(Buffer.from(String(pushed++)), false)
      else if (step === 'skip') {
        lane.skip()
        skipsAfterReset++
      } else if (step === 'reset') {
        lane.reset()
        forgotten = pushed - 1
        skipsAfterReset = 0
        droppedAtReset = log.filter((line) => line === 'dropped').length
        delivered.length = 0
      } else if (step === 'hold') lane.hold()
      else if (step === 'open') lane.open()
      else if (step === 'settle') await settle()
      else await turn()
      assert.ok(answers.length <= 1, 'one hook at a time, also across a reset')
    }
    lane.open()
    while (answers.length > 0) await settle()
    const numbers = delivered.map((text) => Number(text.split('+')[0]))
    assert.deepEqual(numbers, Array.from({ length: pushed - 1 - forgotten }, (_, i) => forgotten + 1 + i))
    assert.equal(log.filter((line) => line === 'dropped').length - droppedAtReset, skipsAfterReset)
  }), { numRuns: 500 })
  t.pass('the property holds')
})

t.test('a hook that fails ends the peer, also when its event was forgotten meanwhile', async (t) => {
  const hooks = new Hooks<unknown>(HOOK_MS, new ManualClock())
  let fail = (_error: Error): void => {}
  hooks.add('onUplink', async () => await new Promise<undefined>((_resolve, reject) => { fail = reject }))
  const failed: Error[] = []
  const lane = new Lane('onUplink', peer, hooks, {
    deliver: () => {}, dropped: () => {}, failed: (error) => failed.push(error), full: () => {}, drained: () => {}
  }, 1e6)
  lane.open()
  lane.push(Buffer.from('0'), false)
  lane.reset()
  fail(new Error('oops'))
  await turn()
  t.match(failed, [{ message: 'oops' }])
})

t.test('flushed: told when nothing waits and no hook is busy, and not before', async (t) => {
  const { lane, delivered, answers } = drive((n) => n < 3, 1)
  const flushes: string[] = []
  const flush = (name: string): void => { void lane.flushed().then(() => flushes.push(name)) }
  flush('one that is empty')
  await turn()
  for (const n of [1, 2, 3]) lane.push(Buffer.from(String(n)), false)
  flush('one that is held')
  lane.open()
  await turn()
  for (let i = 0; i < 2; i++) {
    t.same(flushes, ['one that is empty'])
    answers.shift()!(undefined)
    await turn()
  }
  t.same(delivered, ['1+', '2+', '3+'])
  t.same(flushes, ['one that is empty', 'one that is held'])

  for (const [name, end] of [['reset', () => lane.reset()], ['closed', () => { void lane.close() }]] as const) {
    lane.hold()
    lane.push(Buffer.from('4'), false)
    flush(name)
    await turn()
    t.not(flushes.at(-1), name)
    end()
    await turn()
    t.equal(flushes.at(-1), name, 'what waited is forgotten')
    lane.open()
  }
})
