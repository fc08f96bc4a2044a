import t from 'tap'
import { ManualClock } from 'trunkline/testing'
import { LOOK_MS, MEDIA_LOOKS } from '../../../examples/media-server/absentees.js'
import type { ConnectionEnd } from '../../../examples/media-server/participant.js'
import { MAX_PEERS, Rooms } from '../../../examples/media-server/rooms.js'
import { Sfu } from '../../../examples/media-server/sfu.js'
import { FakeConnection } from './fake-client.js'
import { FakePeer } from './fake-peer.js'

function setUp () {
  const connections: FakeConnection[] = []
  const ends: Array<(end: ConnectionEnd) => void> = []
  const errors: unknown[] = []
  const timing = new ManualClock(0)
  const rooms = new Rooms(() => {}, timing)
  const sfu = new Sfu({
    rooms,
    timing,
    connect (onEnd) {
      const connection = new FakeConnection()
      connections.push(connection)
      ends.push(onEnd)
      return connection
    },
    onError (error) { errors.push(error) }
  })
  const come = (id: string, roomId?: string): FakePeer => {
    const peer = new FakePeer(id, roomId)
    sfu.accept(peer)
    peer.say({ type: 'connect', metadataJson: '{}' })
    return peer
  }
  return { sfu, rooms, timing, connections, ends, errors, come }
}

t.test('peers of one room hear of each other, those of another do not', async (t) => {
  const { come } = setUp()
  const [a, b, c] = [come('a'), come('b'), come('c', 'elsewhere')]
  t.same(a.sent, ['connected a', 'endpointAdded b'])
  t.same(b.sent, ['connected b'])
  t.same(c.sent, ['connected c'])
})

t.test('garbage ends its author; nobody else notices', async (t) => {
  const { come, connections, errors } = setUp()
  const garbage: Array<[Uint8Array, boolean]> = [[Buffer.from([0xff]), true], [Buffer.from('{}'), false]]
  const a = come('a')
  for (const [data, binary] of garbage) {
    const b = come('b')
    b.emit('mediaEvent', data, binary)
    t.same(b.ended, [4400, 'bad media event'])
    b.say({ type: 'connect', metadataJson: '' })
    await b.go()
  }
  t.equal(a.ended, undefined)
  t.same(a.sent, ['connected a', 'endpointAdded b', 'endpointRemoved b', 'endpointAdded b', 'endpointRemoved b'])
  t.same(connections.map(({ closed }) => closed), [false, true, true])
  t.equal(errors.length, 2)
})

t.test('a peer that comes again takes the place of the one before, in either order', async (t) => {
  const { rooms, come } = setUp()
  const a = come('a')
  const first = come('b')
  await first.go()
  const second = come('b')
  const third = come('b')
  await second.go()
  t.same(a.sent.slice(1), [
    'endpointAdded b', 'endpointRemoved b', 'endpointAdded b', 'endpointRemoved b', 'endpointAdded b'
  ])
  second.say({ type: 'connect', metadataJson: '' })
  t.equal(second.sent.length, 1, 'the one before is no longer listened to')
  await third.go()
  await a.go()
  t.equal(rooms.size, 0)
})

t.test('a client that disconnects may stay, and connect again', async (t) => {
  const { come, connections } = setUp()
  const [a, b] = [come('a'), come('b')]
  b.say({ type: 'disconnect' })
  b.say({ type: 'renegotiateTracks' })
  b.say({ type: 'connect', metadataJson: '' })
  b.say({ type: 'connect', metadataJson: '' })
  t.equal(b.ended, undefined)
  t.same(a.sent.slice(1), [
    'endpointAdded b', 'endpointRemoved b', 'endpointAdded b', 'endpointRemoved b', 'endpointAdded b'
  ])
  t.same(connections.map(({ closed }) => closed), [false, true, true, false])
})

t.test('the end of the media takes a participant out; the peer too, unless the client did it', async (t) => {
  const { come, ends } = setUp()
  const [a, b, c, d] = [come('a'), come('b'), come('c'), come('d')]
  a.sent.length = 0
  ends[1]?.('closed')
  ends[2]?.('silent')
  ends[3]?.('failed')
  t.equal(b.ended, undefined)
  t.same(c.ended?.[0], 4002)
  t.same(d.ended?.[0], 4002)
  t.same(a.sent, ['endpointRemoved b', 'endpointRemoved c', 'endpointRemoved d'])
  b.say({ type: 'connect', metadataJson: '' })
  ends[1]?.('silent')
  t.equal(b.ended, undefined, 'an earlier transport of the same peer')
})

t.test('who has lost its signaling and its media is ended at once; who sends media keeps its seat', async (t) => {
  const { come, connections, timing } = setUp()
  const [a, b, c, d] = [come('a'), come('b'), come('c'), come('d')]
  for (const connection of connections) connection.heard = { media: 0, stun: 0 }
  for (const peer of [b, c, d]) peer.emit('detach')
  a.sent.length = 0
  for (let look = 0; look < 2 * MEDIA_LOOKS; look++) {
    connections[1]!.heard = { media: timing.now(), stun: 0 }
    timing.advance(LOOK_MS)
    if (look === 0) d.emit('attach')
  }
  t.same(c.ended, [4002, 'no media any more'])
  t.same(a.sent, ['endpointRemoved c'], 'the others are told')
  t.ok(connections[2]?.closed)
  t.equal(b.ended, undefined)
  t.equal(d.ended, undefined, 'one that is back is judged as before')
  t.equal(a.ended, undefined, 'one that was never away too')
  await b.go()
  t.equal(timing.timers, 0)
})

t.test('nobody is looked at who is over, or was never in the room', async (t) => {
  const { sfu, come, connections, ends, timing } = setUp()
  const [a, b, c] = [come('a'), come('b'), come('c')]
  for (const connection of connections) connection.heard = { media: 0, stun: 0 }
  const silent = new FakePeer('silent')
  sfu.accept(silent)
  for (const peer of [a, b, c, silent]) peer.emit('detach')
  t.equal(timing.timers, 1)
  await a.go()
  ends[1]?.('closed')
  sfu.close()
  t.equal(timing.timers, 0)
  for (const peer of [a, b, c, silent]) t.equal(peer.ended, undefined)
})

t.test('a room takes so many peers and not one more', async (t) => {
  const { sfu, come } = setUp()
  const peers = Array.from({ length: MAX_PEERS }, (_, i) => come(String(i)))
  t.throws(() => { sfu.accept(new FakePeer('more')) }, { name: 'EndpointRefusal', code: 1013 })
  t.doesNotThrow(() => { sfu.accept(new FakePeer('0')) }, 'one that comes again is none more')
  await peers[1]?.go()
  t.doesNotThrow(() => { sfu.accept(new FakePeer('more')) })
})

t.test('close ends every client\'s media', async (t) => {
  const { sfu, rooms, come, connections } = setUp()
  come('a')
  come('b', 'elsewhere')
  sfu.close()
  t.ok(connections.every(({ closed }) => closed))
  t.equal(rooms.size, 0)
})
