import fc from 'fast-check'
import t from 'tap'
import { MAX_ORIGINS, Room, TooManyOriginsError } from '../../../examples/media-server/room.js'
import { FakeClient, settle, step } from './fake-client.js'

t.test('a newcomer hears who is there, the others of it, and then of its tracks', async (t) => {
  const room = new Room()
  const a = new FakeClient(room, 'a', '{"name":"ada"}')
  a.publish('audio')
  a.publish('video')
  await settle(a)
  a.take()
  const b = new FakeClient(room, 'b', '{"name":"bob"}')
  const [connected, tracksAdded, offerData] = b.take()
  t.match(connected, {
    type: 'connected', endpointId: 'b', endpointIdToEndpoint: { a: { metadataJson: '{"name":"ada"}' }, b: {} }
  })
  t.match(tracksAdded, { type: 'tracksAdded', endpointId: 'a', trackIdToTrack: { 'a:audio0': {}, 'a:video1': {} } })
  t.match(offerData, { type: 'offerData', tracksTypes: { audio: 1, video: 1 } })
  t.same(a.take(), [{ type: 'endpointAdded', endpointId: 'b', metadataJson: '{"name":"bob"}' }])
})

t.test('an author hears nothing of what it did', async (t) => {
  const room = new Room()
  const [a, b] = [new FakeClient(room, 'a'), new FakeClient(room, 'b')]
  const trackId = a.publish('audio')
  await settle(a, b)
  a.take()
  b.take()
  a.participant.receive({ type: 'updateEndpointMetadata', metadataJson: '1' })
  a.participant.receive({ type: 'updateTrackMetadata', trackId, metadataJson: '2' })
  a.participant.receive({ type: 'updateTrackMetadata', trackId: 'a:none', metadataJson: '3' })
  t.same(a.take(), [])
  t.same(b.take(), [
    { type: 'endpointUpdated', endpointId: 'a', metadataJson: '1' },
    { type: 'trackUpdated', endpointId: 'a', trackId, metadataJson: '2' }
  ])
  a.unpublish(trackId)
  await settle(a, b)
  t.same(a.takeTypes(), ['offerData', 'sdpAnswer'])
  t.same(b.take(), [{ type: 'tracksRemoved', endpointId: 'a', trackIds: [trackId] }])
})

t.test('tracks that end before a client has heard of them are never mentioned to it', async (t) => {
  const room = new Room()
  const [a, b] = [new FakeClient(room, 'a'), new FakeClient(room, 'b')]
  b.participant.receive({ type: 'renegotiateTracks' })
  b.take()
  const trackId = a.publish('audio')
  await settle(a)
  a.participant.receive({ type: 'updateTrackMetadata', trackId, metadataJson: '1' })
  a.unpublish(trackId)
  await settle(a)
  t.same(b.take(), [])
})

t.test('a client that comes again under its id is a new one', async (t) => {
  const room = new Room()
  const [old, b] = [new FakeClient(room, 'a'), new FakeClient(room, 'b')]
  old.publish('audio')
  await settle(old, b)
  b.take()
  room.leave(old.participant)
  const a = new FakeClient(room, 'a')
  room.leave(old.participant)
  t.same(b.takeTypes(), ['endpointRemoved', 'endpointAdded'])
  t.equal(room.size, 2)
  a.publish('video')
  await settle(a, b)
  t.same([...b.ready], ['a:video0'])
})

t.test('in a room with manual subscriptions each gets what it is subscribed to, whenever that was said', async (t) => {
  const room = new Room('manual')
  const [a, b] = [new FakeClient(room, 'a'), new FakeClient(room, 'b')]
  room.subscribe('c', ['a'])
  a.publish('audio')
  b.publish('audio')
  await settle(a, b)
  t.same([[...a.ready], [...b.ready]], [[], []])
  room.subscribe('b', ['a', 'c', 'b'])
  const c = new FakeClient(room, 'c')
  c.publish('video')
  await settle(a, b, c)
  t.same([a, b, c].map(({ ready }) => [...ready].sort()), [[], ['a:audio0', 'c:video0'], ['a:audio0']])
  room.subscribe('b', ['a'])
  room.subscribe('c', ['b'])
  a.publish('video')
  await settle(a, b, c)
  t.same([a, b, c].map(({ ready }) => [...ready].sort()), [
    [], ['a:audio0', 'a:video1', 'c:video0'], ['a:audio0', 'a:video1', 'b:audio0']
  ], 'beside what was said before')
  t.ok(a.remote.has('c'), 'who is there is told to everybody')
  room.leave(c.participant)
  room.unsubscribe('c')
  const again = new FakeClient(room, 'c')
  await settle(a, b, again)
  t.same([...again.ready], [])
  for (const client of [a, b, c, again]) t.same(client.failures, [])
})

t.test('nobody is subscribed to any number of others', async (t) => {
  const room = new Room('manual')
  const some = (n: number, from = 0): string[] => Array.from({ length: n }, (_, i) => String(from + i))
  room.subscribe('a', some(MAX_ORIGINS))
  room.subscribe('a', some(MAX_ORIGINS))
  t.throws(() => { room.subscribe('a', some(1, MAX_ORIGINS)) }, TooManyOriginsError)
})

const anyAction = fc.record({
  who: fc.nat(3),
  what: fc.constantFrom(
    'join', 'leave', 'audio', 'video', 'video', 'unpublish', 'unpublish', 'metadata', 'offer', 'step', 'round', 'round', 'settle'
  )
})

const sorted = (ids: Iterable<string>): string => [...ids].sort().join()

/** What goes wrong with a client once nothing happens any more; undefined when nothing does. */
function wrongWith (client: FakeClient, clients: FakeClient[]): unknown {
  if (client.failures.length > 0) return client.failures[0]
  const expected = sorted(clients.flatMap((other) => other === client ? [] : [...other.published.keys()]))
  const actual = {
    told: sorted([...client.remote.values()].flatMap((tracks) => [...tracks])),
    ready: sorted(client.ready),
    received: sorted(client.connection.received)
  }
  const wrong = Object.entries(actual).find(([, ids]) => ids !== expected)
  if (wrong !== undefined) return new Error(`${client.id}: expected ${expected}, ${wrong[0]} ${wrong[1]}`)
  const leaked = client.connection.listeners - client.ready.size
  return leaked === 0 ? undefined : new Error(`${client.id}: ${leaked} listeners of tracks that have ended`)
}

async function act (room: Room, clients: Map<string, FakeClient>, id: string, what: string): Promise<void> {
  const client = clients.get(id)
  if (what === 'round') {
    for (const each of clients.values()) {
      if (each.owesOffer) each.offer()
      else await step(each)
    }
  } else if (what === 'settle') await settle(...clients.values())
  else if (client === undefined) clients.set(id, new FakeClient(room, id))
  else if (what === 'leave') {
    clients.delete(id)
    room.leave(client.participant)
  } else if ((what === 'audio' || what === 'video') && client.published.size < 4) client.publish(what)
  else if (what === 'offer' && client.owesOffer) client.offer()
  else if (what === 'step') await step(client)

  const [trackId] = client?.published.keys() ?? []
  if (client === undefined || trackId === undefined) return
  if (what === 'unpublish') client.unpublish(trackId)
  else if (what === 'metadata') {
    client.participant.receive({ type: 'updateEndpointMetadata', metadataJson: '1' })
    client.participant.receive({ type: 'updateTrackMetadata', trackId, metadataJson: '1' })
  }
}

t.test('whatever clients do, in whatever order their negotiations go on, each ends up with all of the others', async () => {
  await fc.assert(fc.asyncProperty(fc.array(anyAction, { minLength: 20, maxLength: 120 }), async (actions) => {
    const room = new Room()
    const clients = new Map<string, FakeClient>()
    for (const { who, what } of actions) await act(room, clients, 'abcd'.charAt(who), what)
    const all = [...clients.values()]
    await settle(...all)
    for (const client of all) client.connection.received.length = 0
    for (const client of all) client.emitPackets()
    for (const client of all) {
      const wrong = wrongWith(client, all)
      if (wrong !== undefined) throw wrong
    }
  }), { numRuns: 1000 })
})
