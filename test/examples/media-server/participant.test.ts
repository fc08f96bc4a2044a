import t from 'tap'
import { MediaEventError } from '../../../examples/media-server/media-events.js'
import { MAX_HELD, MAX_M_LINES, MAX_SDP_LENGTH, MAX_TRACKS } from '../../../examples/media-server/participant.js'
import { Room } from '../../../examples/media-server/room.js'
import { FakeClient, settle, step } from './fake-client.js'

const offer = (sdp: string, midToTrackId: Record<string, string> = {}) =>
  ({ type: 'sdpOffer', sdp, midToTrackId, trackIdToMetadataJson: {} }) as const

t.test('one negotiation runs at a time, and what comes up meanwhile makes one more', async (t) => {
  const a = new FakeClient(new Room(), 'a')
  t.same(a.takeTypes(), ['connected'])
  a.publish('audio')
  t.same(a.takeTypes(), ['offerData'])
  a.publish('video')
  a.participant.receive({ type: 'renegotiateTracks' })
  t.same(a.takeTypes(), [])
  a.offer()
  a.participant.receive({ type: 'renegotiateTracks' })
  await step(a)
  t.same(a.takeTypes(), [], 'being answered')
  await step(a)
  t.same(a.takeTypes(), ['sdpAnswer'])
  a.participant.receive({ type: 'renegotiateTracks' })
  t.same(a.takeTypes(), [], 'the transport is not there yet')
  await step(a)
  t.same(a.takeTypes(), ['offerData'])
  await settle(a)
  t.same(a.takeTypes(), ['sdpAnswer'])
})

t.test('the answer maps every m-line that carries something', async (t) => {
  const room = new Room()
  const [a, b] = [new FakeClient(room, 'a'), new FakeClient(room, 'b')]
  const mine = a.publish('audio')
  await settle(a, b)
  const theirs = b.publish('video')
  await settle(a, b)
  t.match(a.take().filter(({ type }) => type === 'sdpAnswer').at(-1), { midToTrackId: { 0: mine, 1: theirs } })
  t.same([...b.ready], [mine])
})

t.test('what a client must not hear before its answer is held back until then', async (t) => {
  const room = new Room()
  const [a, b] = [new FakeClient(room, 'a'), new FakeClient(room, 'b')]
  b.publish('video')
  await settle(b)
  t.ok(a.owesOffer)
  a.offer()
  await step(a)
  a.take()
  room.leave(b.participant)
  t.same(a.takeTypes(), [])
  await step(a)
  t.same(a.takeTypes(), ['sdpAnswer', 'endpointRemoved'])
  t.equal(room.size, 1)
})

t.test('offers that a real client would not send end it', async (t) => {
  const cases = {
    'not asked for': (a: FakeClient) => { a.participant.receive(offer('[]')) },
    'too long': (a: FakeClient) => {
      a.participant.receive({ type: 'renegotiateTracks' })
      a.participant.receive(offer('x'.repeat(MAX_SDP_LENGTH + 1)))
    },
    'too many m-lines': (a: FakeClient) => {
      a.participant.receive({ type: 'renegotiateTracks' })
      a.participant.receive(offer('m=audio\r\n'.repeat(MAX_M_LINES + 1)))
    },
    'no SDP': (a: FakeClient) => {
      a.participant.receive({ type: 'renegotiateTracks' })
      a.participant.receive(offer('{'))
    },
    'a foreign track id': (a: FakeClient) => {
      a.participant.receive({ type: 'renegotiateTracks' })
      a.participant.receive(offer('[{"mid":"0","kind":"audio","direction":"sendonly"}]', { 0: 'b:1' }))
    },
    'too many tracks': (a: FakeClient) => {
      for (let i = 0; i <= MAX_TRACKS; i++) a.publish('audio')
      a.offer()
    }
  }
  for (const [name, misbehave] of Object.entries(cases)) {
    const a = new FakeClient(new Room(), 'a')
    misbehave(a)
    await step(a)
    t.equal(a.failures.length, 1, name)
    t.ok(a.failures[0] instanceof MediaEventError, name)
  }
})

t.test('what waits for an answer is bounded', async (t) => {
  const room = new Room()
  const a = new FakeClient(room, 'a')
  a.publish('audio')
  a.offer()
  a.take()
  for (let i = 0; i <= MAX_HELD; i++) a.participant.tell({ type: 'endpointUpdated', endpointId: 'b', metadataJson: '' })
  t.same(a.failures, [], 'not in the midst of being told')
  await Promise.resolve()
  t.equal(a.failures.length, 1)
  t.same(a.take(), [])
})

t.test('after its end a client is told nothing, and nothing of it is left', async (t) => {
  const room = new Room()
  const [a, b] = [new FakeClient(room, 'a'), new FakeClient(room, 'b')]
  a.publish('audio')
  b.publish('video')
  await settle(a, b)
  a.publish('video')
  a.offer()
  await step(a)
  a.take()
  room.leave(a.participant)
  a.participant.receive({ type: 'renegotiateTracks' })
  a.participant.receive(offer('[]'))
  await settle(a, b)
  b.emitPackets()
  t.same(a.take(), [])
  t.same(a.failures, [])
  t.same(a.connection.received, [])
  t.ok(a.connection.closed)
  t.equal(a.connection.sources.size, 0)
})
