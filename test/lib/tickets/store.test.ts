import fc from 'fast-check'
import t from 'tap'
import { MemoryTicketStore } from '../../../lib/tickets/store.js'
import { errors, tickets } from '../../../plugins/trunkline.js'
import { startEndpoint } from '../../endpoint-server.js'
import { holds, startApp } from '../../support.js'

const step = fc.record({ peerId: fc.constantFrom('a', 'b', 'c', 'd', 'e'), issue: fc.nat(30) })

t.test('it answers the largest of each peer', async (t) => {
  holds(t, fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const store = new MemoryTicketStore()
    const model = new Map<string, number>()
    for (const { peerId, issue } of steps) {
      const largest = Math.max(model.get(peerId) ?? 0, issue)
      model.set(peerId, largest)
      const answer = store.claim(peerId, issue)
      if (answer !== largest) throw new Error(`${answer} instead of ${largest}`)
    }
  }))
})

t.test('whoever is forgotten, what is void stays void, and what is newer than all is good', async (t) => {
  holds(t, fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 4 }), (steps, max) => {
    const store = new MemoryTicketStore(max)
    const model = new Map<string, number>()
    let newest = 0
    for (const { peerId, issue } of steps) {
      const largest = Math.max(model.get(peerId) ?? 0, issue)
      model.set(peerId, largest)
      const answer = store.claim(peerId, issue)
      if (answer < largest) throw new Error(`${answer} is less than ${largest}: a ticket is good again`)
      if (issue > newest && answer !== issue) throw new Error('a new one is refused')
      newest = Math.max(newest, issue)
      if (store.size > max) throw new Error('it remembers too many')
    }
  }))
})

t.test('who comes back is not the one that is forgotten', async (t) => {
  const store = new MemoryTicketStore(2)
  t.equal(store.claim('a', 1), 1)
  t.equal(store.claim('b', 2), 2)
  t.equal(store.claim('a', 0), 1, 'who only asks changes nothing')
  t.equal(store.claim('a', 1), 1)
  t.equal(store.claim('c', 3), 3)
  t.equal(store.claim('a', 1), 1)
  t.equal(store.claim('b', 0), 2)
  t.equal(store.claim('b', 1), 2)
})

t.test('a hundred thousand are remembered', async (t) => {
  const store = new MemoryTicketStore()
  for (let issue = 1; issue <= 100_001; issue++) store.claim(`p${issue}`, issue)
  t.equal(store.size, 100_000)
  t.equal(store.claim('p1', 1), 1, 'its own number is the floor')
})

t.test('however many have come, another comes in', async (t) => {
  const show = tickets({ store: new MemoryTicketStore(2) })
  const { app } = await startApp(t, (await startEndpoint(t)).options, { authenticate: show })
  const admit = async (peerId: string): Promise<string> => (await app.trunkline.admit({ roomId: 'room', peerId })).token
  const comes = async (token: string): Promise<unknown> => await show({} as never, { token, from: 'query' })
  const isVoid = { code: new errors.TicketVoidError().code }

  const [first, again, removed] = [await admit('a'), await admit('a'), await admit('b')]
  await comes(first)
  await comes(again)
  await comes(removed)
  app.trunkline.kick('b')
  await t.rejects(comes(removed), isVoid)
  for (let n = 0; n < 5; n++) await comes(await admit(`other ${n}`))
  for (const token of [first, again, removed]) await t.rejects(comes(token), isVoid, 'of one who is forgotten')
  const back = await admit('a')
  await comes(back)
  await comes(back)
  await t.rejects(comes(again), isVoid)
})
