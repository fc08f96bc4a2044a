import fc from 'fast-check'
import t from 'tap'
import { MemoryBudget } from '../../lib/memory-budget.js'
import type { Holder } from '../../lib/memory-budget.js'
import { holds } from '../support.js'

class Held implements Holder {
  bufferedBytes: number
  readonly isDetached: boolean
  wasShed = false

  constructor (bufferedBytes: number, isDetached = false) {
    this.bufferedBytes = bufferedBytes
    this.isDetached = isDetached
  }

  shed (): void {
    this.bufferedBytes = 0
    this.wasShed = true
  }
}

t.test('at the bound nobody goes, at one byte more the largest does', async (t) => {
  const holders = [new Held(300), new Held(500), new Held(200)]
  const budget = new MemoryBudget(1_000, () => holders)
  budget.received(16)
  t.same(holders.map(({ wasShed }) => wasShed), [false, false, false])
  holders[0]!.bufferedBytes++
  budget.received(16)
  t.same(holders.map(({ wasShed }) => wasShed), [false, true, false])
  t.same([budget.bytes, budget.shed], [501, 1])
})

t.test('detached sessions go first, the largest of them first, and no more than must', async (t) => {
  const holders = [new Held(5_000), new Held(100, true), new Held(600, true), new Held(0, true), new Held(300, true)]
  const budget = new MemoryBudget(5_100, () => holders)
  budget.received(1_000)
  t.same(holders.map(({ wasShed }) => wasShed), [false, false, true, false, true])
})

t.test('it is judged when a sixty-fourth of the bound has come in, and not before', async (t) => {
  const holders = [new Held(100_000)]
  const budget = new MemoryBudget(64_000, () => holders)
  budget.received(999)
  t.equal(budget.shed, 0)
  budget.received(1)
  t.equal(budget.shed, 1)
})

t.test('whoever holds what, the bound holds once it was judged, and no live one goes for what a detached one holds', async (t) => {
  const held = fc.record({ bytes: fc.nat(1_000), isDetached: fc.boolean() })
  holds(t, fc.property(fc.array(held, { maxLength: 30 }), fc.integer({ min: 1, max: 5_000 }), (given, maxBytes) => {
    const holders = given.map(({ bytes, isDetached }) => new Held(bytes, isDetached))
    const budget = new MemoryBudget(maxBytes, () => holders)
    budget.received(maxBytes)
    const detachedBytes = holders.filter(({ isDetached }) => isDetached).reduce((sum, { bufferedBytes }) => sum + bufferedBytes, 0)
    return budget.bytes <= maxBytes && (detachedBytes === 0 || !holders.some(({ isDetached, wasShed }) => !isDetached && wasShed))
  }))
})
