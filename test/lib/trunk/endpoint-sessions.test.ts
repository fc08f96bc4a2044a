import { once } from 'node:events'
import t from 'tap'
import { ManualClock } from '../../../lib/testing/index.js'
import { frame } from '../../../lib/trunk/schema.js'
import type { Bodies, Frame } from '../../../lib/trunk/schema.js'
import { serve } from './hand-driven.js'

const opened = (answer: Frame): Bodies['opened'] => {
  if (answer.kind !== 'opened') throw new Error(`${answer.kind} instead of opened`)
  return answer.body
}

const text = (said: string, epoch: number): Frame => frame('text', Buffer.from(said), 'p', epoch)

t.test('welcome and opened say how sessions are held; without a window nothing is counted', async (t) => {
  const { backend, peers } = await serve(t, { resumeWindowMs: 1_234, windowBytes: 5_678 })
  t.match(opened(await (await backend()).open('p')), { resumed: false, received: 0, windowBytes: 5_678 })
  await peers.take()
  const none = await serve(t, { resumeWindowMs: 0 })
  const it = await none.backend()
  const answer = await it.open('p')
  t.match(opened(answer), { windowBytes: 0 })
  const peer = await none.peers.take()
  for (let n = 0; n < 600; n++) peer.send('x')
  for (let n = 0; n < 600; n++) await it.receive('text')
  t.pass('more than any window, and nothing was acknowledged')
})

t.test('a detached session waits, and goes on on any trunk', async (t) => {
  const { backend, peers, endpoint } = await serve(t)
  const [one, two] = [await backend(), await backend()]
  const first = await one.open('p')
  const { key } = opened(first)
  const peer = await peers.take()
  const heard: string[] = []
  peer.on('mediaEvent', (data) => heard.push(data.toString()))
  one.send(text('1', first.epoch), text('2', first.epoch))
  await once(peer, 'mediaEvent')
  t.equal(peer.send('a'), true)
  await one.receive('text')
  const detached = once(peer, 'detach')
  one.send(frame('detach', null, 'p', first.epoch))
  await detached
  t.equal(peer.isAttached, false)
  t.equal(peer.send('b'), false)
  one.send(text('late', first.epoch))
  await one.open('other')

  const attached = once(peer, 'attach')
  const drained = once(peer, 'drain')
  const again = await two.open('p', { key, received: 0, metadata: '{"n":2}' })
  t.match(opened(again), { resumed: true, key, received: 2 })
  await attached
  await drained
  t.same(peer.metadata, { n: 2 })
  t.ok(again.epoch > first.epoch)
  t.equal((await two.receive('text')).body.toString(), 'a', 'again, since it was not acknowledged')
  t.equal((await two.receive('text')).body.toString(), 'b')
  two.send(text('3', again.epoch))
  await once(peer, 'mediaEvent')
  t.same(heard, ['1', '2', '3'])
  t.equal(endpoint.peer('p'), peer)
  t.equal(peers.length, 1, 'only the other one is new')

  two.socket.terminate()
  await once(peer, 'detach')
  t.match(opened(await one.open('p', { key, received: 2 })), { resumed: true, received: 3 })
})

t.test('a window that ends: close is sent where the session was last, and its key is past', async (t) => {
  const clock = new ManualClock()
  const { backend, peers, endpoint } = await serve(t, { clock, resumeWindowMs: 2_000 })
  const it = await backend()
  const first = await it.open('p')
  const peer = await peers.take()
  it.send(frame('detach', null, 'p', first.epoch))
  await once(peer, 'detach')
  clock.advance(1_999)
  t.equal(peer.isOver, false)
  const over = once(peer, 'close')
  clock.advance(1)
  t.match(await over, [{ code: 4000 }])
  t.match(await it.receive('close'), { peerId: 'p', epoch: first.epoch, body: { code: 4000 } })
  t.equal(endpoint.stats().peers, 0)
  t.equal(peer.send('x'), false, 'and whoever still sends harms nobody')
  const late = opened(await it.open('p', { key: opened(first).key, received: 5 }))
  t.match(late, { resumed: false, received: 0 })
  t.not(late.key, opened(first).key)
})

t.test('of a session that was still being opened when the trunk was lost nobody knows: it is over', async (t) => {
  let accept = (): void => {}
  const { backend, endpoint, peers } = await serve(t, { onPeer: async (peer) => { peers.push(peer); await new Promise<void>((resolve) => { accept = resolve }) } })
  const it = await backend()
  it.send(frame('open', { id: 1, roomId: 'r', metadata: '', key: '', received: 0, trace: '', asker: '', turn: 0, resumeOnly: false }, 'p'))
  const peer = await peers.take()
  const over = once(peer, 'close')
  it.socket.terminate()
  await over
  accept()
  t.equal(endpoint.stats().peers, 0)
})

t.test('acknowledgements: at the latest after 64 events, a quarter of the window, or a second', async (t) => {
  const clock = new ManualClock()
  const { backend, peers } = await serve(t, { clock, windowBytes: 40_000, heartbeatMs: 60_000 })
  const it = await backend()
  const { epoch } = await it.open('p')
  const peer = await peers.take()
  it.send(...Array.from({ length: 64 }, () => text('x', epoch)))
  t.equal((await it.receive('ack')).body, 64)
  it.send(text('x'.repeat(10_000), epoch))
  t.equal((await it.receive('ack')).body, 65)
  it.send(text('x', epoch), frame('skip', null, 'p', epoch))
  await once(peer, 'mediaEvent')
  clock.advance(1_000)
  t.equal((await it.receive('ack')).body, 67)
})

t.test('the window bounds what is under way, and what waits is bounded too', async (t) => {
  const { backend, peers, endpoint } = await serve(t, { windowBytes: 10_000, sessionBytes: 20_000 })
  const it = await backend()
  const { epoch } = await it.open('p')
  const peer = await peers.take()
  const kilobyte = 'x'.repeat(1_000)
  const taken = Array.from({ length: 18 }, () => peer.send(kilobyte))
  t.same([taken.indexOf(false), taken.lastIndexOf(true)], [9, 8], 'nine of 1 064 bytes fit the window')
  for (let n = 0; n < 9; n++) await it.receive('text')
  const drained = once(peer, 'drain')
  it.send(frame('ack', 9, 'p', epoch))
  for (let n = 0; n < 9; n++) await it.receive('text')
  await drained
  it.send(frame('ack', 18, 'p', epoch), frame('ack', 2, 'p', epoch))
  const over = once(peer, 'close')
  for (let n = 0; n < 30; n++) peer.send(kilobyte)
  t.match(await over, [{ code: 4008 }])
  t.match(await it.receive('close'), { body: { code: 4008 } })
  t.equal(endpoint.stats().peers, 0)
})

t.test('as many events as there may be are under way; one more waits', async (t) => {
  const { backend, peers } = await serve(t, { windowEvents: 3 })
  const it = await backend()
  const { epoch } = await it.open('p')
  const peer = await peers.take()
  t.same(['1', '2', '3', '4'].map((event) => peer.send(event)), [true, true, true, false])
  for (const event of ['1', '2', '3']) t.equal((await it.receive('text')).body.toString(), event)
  const drained = once(peer, 'drain')
  it.send(frame('ack', 1, 'p', epoch))
  t.equal((await it.receive('text')).body.toString(), '4')
  await drained
})

t.test('as many bytes, and as many events, as there may be are kept; for more the peer ends', async (t) => {
  for (const { options, size, fit } of [{ options: { sessionBytes: 3 * 164 }, size: 100, fit: 3 }, { options: { sessionBytes: 3 * 164 - 1 }, size: 100, fit: 2 }, { options: {}, size: 0, fit: 4_096 }]) {
    const { backend, peers } = await serve(t, options)
    const it = await backend()
    await it.open('p')
    const peer = await peers.take()
    for (let i = 0; i < fit; i++) peer.send('x'.repeat(size))
    t.equal(peer.isOver, false)
    peer.send('x'.repeat(size))
    t.match(peer.end, { code: 4008 })
  }
})

t.test('counts that cannot be, rooms and keys that do not fit', async (t) => {
  const { backend, peers, endpoint } = await serve(t)
  const it = await backend()
  const first = await it.open('p')
  const peer = await peers.take()
  t.match(await it.open('p', { key: opened(first).key, roomId: 'another' }), { kind: 'refused', body: { code: 4403 } })
  t.match(await it.open('p', { key: 'guess' }), { kind: 'refused', body: { code: 4409 } })
  t.equal(peer.isAttached, true, 'nobody was in its way')
  peer.send('a')
  it.send(frame('ack', 1, 'p', first.epoch))
  t.match(await it.open('p', { key: opened(first).key, received: 2 }), { kind: 'refused', body: { code: 1002 } }, 'more than was sent')
  t.equal(peer.isOver, true)
  const second = await it.open('p')
  const next = await peers.take()
  next.send('a')
  await it.receive('text')
  it.send(frame('ack', 2, 'p', second.epoch))
  t.match(await it.receive('close'), { body: { code: 4409 } })
  t.match(await it.receive('close'), { epoch: second.epoch, body: { code: 1002 } })
  const third = await it.open('p')
  const last = await peers.take()
  last.send('a')
  it.send(frame('ack', 1, 'p', third.epoch), text('x', third.epoch))
  await once(last, 'mediaEvent')
  t.match(await it.open('p', { key: opened(third).key, received: 0 }), { kind: 'refused', body: { code: 4409 } }, 'less than was acknowledged: asked before that')
  t.equal(last.isAttached, true)
  t.equal(endpoint.stats().peers, 1)
})

t.test('closing ends detached sessions too, and leaves no timer', async (t) => {
  const clock = new ManualClock()
  const { backend, peers, endpoint } = await serve(t, { clock })
  const it = await backend()
  const { epoch } = await it.open('p')
  const peer = await peers.take()
  it.send(text('unacknowledged', epoch), frame('detach', null, 'p', epoch))
  await once(peer, 'detach')
  const over = once(peer, 'close')
  await endpoint.close()
  await over
  t.equal(endpoint.stats().peers, 0)
  t.equal(clock.timers, 0)
})
