import fc from 'fast-check'
import t from 'tap'
import { MemoryTicketStore } from '../../../lib/tickets/store.js'
import { holds } from '../../support.js'

const T = 1_700_000_000_000

t.test('it answers the largest of each peer until that may be forgotten', async (t) => {
  const step = fc.record({
    peerId: fc.constantFrom('a', 'b', 'c'), issue: fc.nat(20), lifeMs: fc.integer({ min: -1_000, max: 20_000 }), passMs: fc.nat(8_000)
  })
  holds(t, fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    let now = T
    const store = new MemoryTicketStore(() => now)
    const model = new Map<string, { issue: number, untilMs: number }>()
    for (const { peerId, issue, lifeMs, passMs } of steps) {
      now += passMs
      const untilMs = now + lifeMs
      for (const [id, known] of model) if (known.untilMs <= now) model.delete(id)
      const known = model.get(peerId)?.issue ?? 0
      const answer = store.claim(peerId, issue, untilMs)
      if (answer !== Math.max(known, issue)) throw new Error(`${answer} instead of ${Math.max(known, issue)}`)
      if (issue > known && untilMs > now) model.set(peerId, { issue, untilMs })
      if (store.size < model.size) throw new Error('it has forgotten one')
    }
    // Nothing stays for good.
    now += 60_000
    store.claim('a', 0, now)
    if (store.size !== 0) throw new Error(`${store.size} are left`)
  }))
})

t.test('when it is full it forgets nobody: those that it does not know are refused until there is room', async (t) => {
  let now = T
  const store = new MemoryTicketStore(() => now, 3)
  for (const [i, peerId] of ['a', 'b', 'c'].entries()) store.claim(peerId, 1, T + 10_000 * (i + 1))
  const full = { code: 'TRK_ERR_TICKET_STORE_FULL', statusCode: 503 }
  t.throws(() => store.claim('d', 1, T + 10_000), full)
  t.equal(store.claim('d', 0, T + 10_000), 0, 'asking takes no room')
  t.equal(store.claim('a', 2, T + 10_000), 2, 'who is known is served')
  t.equal(store.claim('b', 1, T + 10_000), 1)
  now = T + 9_999
  t.throws(() => store.claim('d', 1, now + 10_000), full)
  now = T + 10_000
  t.equal(store.claim('d', 1, now + 10_000), 1, 'a is over')
  t.equal(store.claim('c', 0, now), 1)
  t.throws(() => store.claim('a', 1, now + 10_000), full)
})

t.test('a hundred thousand fit, and are all gone in time', async (t) => {
  let now = T
  const store = new MemoryTicketStore(() => now)
  for (let i = 0; i < 100_000; i++) store.claim(`p${i}`, 1, T + 60_000 + i)
  t.throws(() => store.claim('one more', 1, T + 60_000), { code: 'TRK_ERR_TICKET_STORE_FULL' })
  now = T + 110_000
  store.claim('one more', 1, now + 1)
  t.ok(store.size >= 50_000 && store.size < 60_000, 'half of them')
  now = T + 200_000
  store.claim('x', 0, now)
  t.equal(store.size, 0)
})
