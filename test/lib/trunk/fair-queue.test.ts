import fc from 'fast-check'
import t from 'tap'
import { FairQueue } from '../../../lib/trunk/fair-queue.js'
import type { Line } from '../../../lib/trunk/fair-queue.js'
import { holds } from '../../support.js'

interface Item { key: string, n: number, size: number }

const QUANTUM = 4 * 1024
const LARGEST = 20_000

const key = fc.constantFrom('a', 'b', 'c', 'd')
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ push: key, by: fc.constantFrom('nobody', 'one', 'other'), size: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: LARGEST })) }) },
  { weight: 2, arbitrary: fc.constant('take' as const) },
  { weight: 1, arbitrary: fc.constant('settle' as const) }
)

t.test('what is pushed under a key comes out once and in order, and is counted', async (t) => {
  holds(t, fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
    const queue = new FairQueue<Item>()
    const model = new Map<string, Item[]>()
    const settled = new Set<Item>()
    const kept = new Map<string, Line<Item>>()
    let n = 0
    const isAsModelled = (): boolean => {
      const all = [...model.values()].flat()
      return queue.bytes === all.reduce((sum, { size }) => sum + size, 0) &&
        queue.keys === [...model.values()].filter(({ length }) => length > 0).length &&
        [...model].every(([key, items]) => queue.bytesOf(key) === items.reduce((sum, { size }) => sum + size, 0))
    }
    for (const step of steps) {
      if (step === 'take') {
        const next = queue.peek()
        if (next !== undefined && queue.take(next.size - 1) !== undefined) return false
        const item = queue.take()
        if (item !== next || (item !== undefined && item.key !== queue.takenKey)) return false
        if (item === undefined ? [...model.values()].some(({ length }) => length > 0) : model.get(item.key)!.shift() !== item) return false
      } else if (step === 'settle') {
        queue.settle((item) => settled.add(item))
        // Nothing that waits is left out; what is gone is of no interest.
        if (![...model.values()].flat().every((item) => settled.has(item))) return false
      } else {
        const item = { key: step.push, n: n++, size: step.size }
        // Two who keep a line of the same key, and one who keeps none.
        if (step.by === 'nobody') queue.push(step.push, item)
        else kept.set(step.by + step.push, queue.pushOn(kept.get(step.by + step.push) ?? queue.line(step.push), item))
        model.set(step.push, [...model.get(step.push) ?? [], item])
      }
      if (!isAsModelled()) return false
    }
    return true
  }))
})

t.test('each key that always has something waiting gets the same bytes, whatever the others have', async (t) => {
  const sizes = fc.array(fc.integer({ min: 1, max: LARGEST }), { minLength: 1, maxLength: 20 })
  holds(t, fc.property(fc.array(sizes, { minLength: 2, maxLength: 5 }), fc.integer({ min: 1, max: 400 }), (sizesByKey, takes) => {
    const queue = new FairQueue<Item>()
    const taken = sizesByKey.map(() => 0)
    const pushed = sizesByKey.map(() => 0)
    const fill = (key: number): void => {
      const sizes = sizesByKey[key]!
      while (queue.bytesOf(`${key}`) < 2 * LARGEST) queue.push(`${key}`, { key: `${key}`, n: 0, size: sizes[pushed[key]!++ % sizes.length]! })
    }
    for (let i = 0; i < takes; i++) {
      sizesByKey.forEach((_, key) => fill(key))
      const { key, size } = queue.take()!
      taken[Number(key)]! += size
      // The bound of deficit round robin: what one turn gives, and what may be saved up for the largest.
      if (Math.max(...taken) - Math.min(...taken) > 2 * (QUANTUM + LARGEST)) return false
    }
    return true
  }))
})

t.test('one that comes late waits for one turn of each of the others, however much these have', async (t) => {
  const queue = new FairQueue<Item>()
  for (const key of ['a', 'b', 'c']) for (let n = 0; n < 1000; n++) queue.push(key, { key, n, size: 1000 })
  for (let i = 0; i < 100; i++) queue.take()
  queue.push('late', { key: 'late', n: 0, size: 200 })
  let before = 0
  while (queue.take()!.key !== 'late') before++
  t.ok(before * 1000 <= 3 * (QUANTUM + 1000), `${before} before it`)
})

t.test('a line that is never empty, and one that is thrown away', async (t) => {
  const queue = new FairQueue<Item>()
  queue.push('a', { key: 'a', n: -1, size: 1 })
  // Never empty: its line is cleared on the way.
  queue.push('a', { key: 'a', n: 0, size: 1 })
  for (let n = 1; n < 1000; n++) {
    queue.push('a', { key: 'a', n, size: 1 })
    queue.take()
  }
  t.equal(queue.bytes, 2)
  t.equal(queue.peek()?.n, 998)
  queue.clear()
  t.same([queue.bytes, queue.keys, queue.take()], [0, 0, undefined])
  const line = queue.line('b')
  queue.pushOn(line, { key: 'b', n: 0, size: 1 })
  queue.clear()
  queue.pushOn(line, { key: 'b', n: 1, size: 1 })
  t.same([queue.bytes, queue.take()?.n, queue.take()], [1, 1, undefined], 'who keeps a line goes on with it')
})
