import t from 'tap'
import { errors, tickets } from 'trunkline'
import { DoorTickets } from '../../../examples/media-server/door-tickets.js'
import { startEndpoint } from '../../endpoint-server.js'
import { startApp } from '../../support.js'

t.test('however many have come, another comes in, and what is void stays void', async (t) => {
  const show = tickets({ store: new DoorTickets(2) })
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

t.test('who comes back is not the one that is forgotten', async (t) => {
  const store = new DoorTickets(2)
  t.equal(store.claim('a', 1), 1)
  t.equal(store.claim('b', 2), 2)
  t.equal(store.claim('a', 0), 1, 'who only asks changes nothing')
  t.equal(store.claim('a', 1), 1)
  t.equal(store.claim('c', 3), 3)
  t.equal(store.claim('a', 1), 1)
  t.equal(store.claim('b', 0), 2)
  t.equal(store.claim('b', 1), 2)
})
