import { connect } from 'node:net'
import t from 'tap'
import { WebSocket } from 'ws'
import { ManualClock } from '../../../lib/testing/index.js'
import { EndpointRefusal } from '../../../lib/trunk/endpoint.js'
import type { EndpointPeer } from '../../../lib/trunk/endpoint.js'
import { frame } from '../../../lib/trunk/schema.js'
import type { Bodies, Frame } from '../../../lib/trunk/schema.js'
import { startApp } from '../../support.js'
import { serve } from './hand-driven.js'

t.test('through a backend: peers come, speak and go', async (t) => {
  const { endpoint, url, peers } = await serve(t)
  const { app, join } = await startApp(t, { url, token: 'secret' })
  const client = await join({ roomId: 'r', peerId: 'p', metadata: { name: 'Ada' } })
  const peer = await peers.take()
  t.match(peer, { id: 'p', roomId: 'r', metadata: { name: 'Ada' } })
  peer.on('mediaEvent', (data, binary) => peer.send(binary ? data : `echo ${data.toString()}`))
  client.send('x')
  t.equal(await client.receiveText(), 'echo x')
  client.send(Buffer.from([1]))
  t.same(await client.receive(), { data: Buffer.from([1]), binary: true })
  t.match(endpoint.stats(), { trunks: 1, peers: 1 })
  const closed = new Promise((resolve) => peer.on('close', resolve))
  await client.close()
  t.match(await closed, { code: 1000 })
  t.equal(endpoint.stats().peers, 0)
  peer.send('to nobody')
  peer.close()

  const other = await join({ roomId: 'r', peerId: 'q' })
  ;(await peers.take()).close(4410, 'enough')
  t.same(await other.closed, { code: 4410, reason: 'enough' })

  const last = await join({ roomId: 'r', peerId: 's' })
  const lastPeer = await peers.take()
  const gone = new Promise((resolve) => lastPeer.on('close', resolve))
  lastPeer.send('welcome')
  t.equal(await last.receiveText(), 'welcome')
  await app.close()
  t.match(await gone, { code: 1012 })
  t.equal((await last.closed).code, 1012)
})

t.test('what it sends before the backend has heard of the peer comes after `opened`', async (t) => {
  const { backend } = await serve(t, {
    onPeer: async (peer) => {
      peer.send('early')
      await new Promise((resolve) => setImmediate(resolve))
      peer.send(Buffer.from('earlier than open'))
    }
  })
  const it = await backend()
  const opened = await it.open('p')
  t.equal(opened.kind, 'opened')
  t.equal((await it.receive('text')).body.toString(), 'early')
  t.equal((await it.receive('binary')).epoch, opened.epoch)
})

t.test('backends without the token are refused', async (t) => {
  const status = async (url: string, headers: Record<string, string>, protocols = ['trunkline.v1']): Promise<string> => {
    const socket = new WebSocket(url, protocols, { headers })
    t.teardown(() => socket.terminate())
    return await new Promise((resolve) => {
      socket.on('open', () => resolve('open'))
      socket.on('error', (error) => resolve(error.message))
    })
  }
  const { url, endpoint } = await serve(t, { maxTrunks: 1 })
  t.match(await status(url, {}), /401/)
  t.match(await status(url, { authorization: 'Bearer secre' }), /401/)
  t.match(await status(url, { authorization: 'Bearer secret2' }), /401/)
  t.equal(await status(url, { authorization: 'Bearer secret' }), 'open')
  t.match(await status(url, { authorization: 'Bearer secret' }), /503/, 'one trunk more than there may be')
  t.equal(endpoint.stats().trunks, 1)

  const judged = await serve(t, { token: async (token) => token.startsWith('good') })
  t.equal(await status(judged.url, { authorization: 'Bearer bad' }), 'Unexpected server response: 401')
  t.equal(await status(judged.url, { authorization: 'Bearer good' }), 'open')
  const broken = await serve(t, { token: () => { throw new Error('vault is sealed') } })
  t.match(await status(broken.url, { authorization: 'Bearer x' }), /503/)
  t.match(await status((await serve(t)).url, { authorization: 'Bearer secret' }, ['other']), /400/)
  t.match(await status((await serve(t, { token: '' })).url, { authorization: 'Bearer' }), /401/, 'an empty secret opens nothing')
})

t.test('a trunk begins with hello, in time, in a version that is known', async (t) => {
  const clock = new ManualClock()
  const { backend, endpoint } = await serve(t, { clock })
  const wrong = await backend(null)
  wrong.send(frame('ack', 1, 'p', 1))
  t.match(await wrong.closed, { code: 1002, reason: /must be hello, not ack/ })
  const future = await backend(null)
  future.send(frame('hello', { version: 2, backendId: 'b', maxMessageBytes: 0, windowBytes: 0 }))
  t.match(await future.closed, { code: 1002, reason: /version 2/ })
  const silent = await backend(null)
  while (endpoint.stats().trunks === 0) await new Promise((resolve) => setImmediate(resolve))
  clock.advance(5_000)
  t.match(await silent.closed, { code: 1002, reason: /no hello/ })
  const garbage = await backend()
  garbage.socket.send(Buffer.from([0xff]))
  t.equal((await garbage.closed).code, 1002)
})

t.test('a peer may be refused, with a code or by failing', async (t) => {
  const { backend, endpoint } = await serve(t, {
    onPeer: async ({ id }) => {
      if (id === 'refused') throw new EndpointRefusal(4404, 'no such room')
      if (id === 'fails') throw new Error('secret details')
    },
    maxPeers: 1
  })
  const it = await backend()
  t.match(await it.open('refused', { id: 7 }), { kind: 'refused', body: { id: 7, code: 4404, reason: 'no such room' } })
  t.match(await it.open('fails'), { kind: 'refused', body: { code: 1011, reason: 'internal error' } })
  t.match(await it.open(''), { kind: 'refused', body: { code: 1002 } })
  t.match(await it.open('p', { roomId: 'x'.repeat(129) }), { kind: 'refused', body: { code: 1002 } })
  t.match(await it.open('p', { metadata: '{' }), { kind: 'refused', body: { code: 1002 } })
  t.equal(endpoint.stats().peers, 0)
  t.match(await it.open('p'), { kind: 'opened' })
  t.match(await it.open('q'), { kind: 'refused', body: { code: 1013 } })
})

t.test('a newer session takes over, with no key or with the right one; a loser cannot push the winner out', async (t) => {
  const { backend, peers, endpoint } = await serve(t)
  const [one, two] = [await backend(), await backend()]
  const first = await one.open('p')
  const loser = await peers.take()
  const lost = new Promise((resolve) => loser.on('close', resolve))
  const second = await two.open('p')
  t.match(await lost, { code: 4409 })
  t.match(await one.receive('close'), { peerId: 'p', epoch: first.epoch, body: { code: 4409 } })
  t.ok(second.epoch > first.epoch)

  const key = (opened: Frame): string => (opened.body as Bodies['opened']).key
  t.not(key(first), key(second))
  t.match(await one.open('p', { key: key(first), id: 2 }), { kind: 'refused', body: { id: 2, code: 4409 } })
  const winner = await peers.take()
  t.equal(endpoint.peer('p'), winner)

  // The late frames of the loser reach nobody.
  const heard: string[] = []
  winner.on('mediaEvent', (data) => heard.push(data.toString()))
  one.send(frame('text', Buffer.from('late'), 'p', first.epoch), frame('close', { code: 1000, reason: '', id: 0 }, 'p', first.epoch))
  one.send(frame('text', Buffer.from('guessed'), 'p', second.epoch))
  await one.open('another')
  two.send(frame('text', Buffer.from('late'), 'p', second.epoch - 1), frame('text', Buffer.from('in time'), 'p', second.epoch))
  await two.open('yet another')
  t.same(heard, ['in time'])
  t.same(endpoint.stats().dropped, { 'unknown peer': 3, 'old epoch': 1 })

  const third = await one.open('p', { key: key(second) })
  t.match(third, { kind: 'opened', body: { resumed: true, key: key(second) } })
  t.equal(endpoint.peer('p'), winner, 'the same session')
  t.match(await two.receive('close'), { body: { code: 4409 } })
  t.match(await two.open('nobody', { key: 'past its window' }), { kind: 'opened', body: { resumed: false } })
})

t.test('epochs grow across restarts, from the clock', async (t) => {
  const clock = new ManualClock()
  const before = await (await serve(t, { clock })).backend()
  const last = Math.max(...(await Promise.all([1, 2, 3].map(async (n) => (await before.open(`p${n}`)).epoch))))
  clock.advance(1)
  const after = await (await serve(t, { clock })).backend()
  t.ok((await after.open('p')).epoch > last)
  t.ok(last < Number.MAX_SAFE_INTEGER / 2)
})

t.test('without a window, a lost trunk or a detached link ends its peers', async (t) => {
  const { backend, peers, endpoint } = await serve(t, { resumeWindowMs: 0 })
  const [one, two] = [await backend(), await backend()]
  await one.open('a')
  await two.open('b')
  const { epoch } = await two.open('c')
  const [a, b, c] = [await peers.take(), await peers.take(), await peers.take()]
  const reason = async (peer: EndpointPeer): Promise<unknown> => await new Promise((resolve) => peer.on('close', resolve))
  const ends = [reason(a), reason(c)]
  two.send(frame('detach', null, 'c', epoch))
  one.socket.terminate()
  t.match(await Promise.all(ends), [{ code: 1000 }, { code: 1000 }])
  t.equal(b.isOver, false)
  t.match(endpoint.stats(), { trunks: 1, peers: 1 })
})

t.test('a listener that throws ends its own peer', async (t) => {
  const { backend } = await serve(t, {
    onPeer: (peer) => {
      peer.on('mediaEvent', () => { throw new Error('oops') })
      peer.on('close', () => { throw new Error('again') })
    }
  })
  const it = await backend()
  const { epoch } = await it.open('p')
  it.send(frame('text', Buffer.from('x'), 'p', epoch))
  t.match(await it.receive('close'), { body: { code: 1011 } })
  t.equal((await it.open('q')).kind, 'opened')
})

t.test('an event that is too large, or a backend that does not read, ends the peer and no more', async (t) => {
  const { backend, peers } = await serve(t, { queueBytes: 1024 * 1024, maxMessageBytes: 1024 * 1024 })
  const it = await backend({ maxMessageBytes: 2000 })
  await it.open('p')
  ;(await peers.take()).send(Buffer.alloc(2000))
  t.match(await it.receive('close'), { peerId: 'p', body: { code: 1009 } })

  const slow = await backend()
  await slow.open('q')
  const peer = await peers.take()
  const closed = new Promise((resolve) => peer.on('close', resolve))
  slow.socket.pause()
  let sent = 0
  while (!peer.isOver && sent < 100) {
    for (let i = 0; i < 4; i++) peer.send(Buffer.alloc(256 * 1024))
    sent++
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.match(await closed, { code: 4008 })
  t.ok(sent < 100)
  t.equal((await it.open('another')).kind, 'opened')
})

t.test('notifications are kept until a backend has handled them, and go where they concern somebody', async (t) => {
  const { backend, endpoint } = await serve(t)
  const early = endpoint.notify({ type: 'early', roomId: 'r', payload: { a: 1 } })
  const one = await backend()
  t.match(await one.receive('notification'), { body: { id: early, type: 'early', roomId: 'r', payload: '{"a":1}', recording: null } })
  t.equal(endpoint.stats().notifications, 1)
  one.send(frame('done', early))
  const two = await backend()
  await two.open('p', { roomId: 'there' })
  t.equal(endpoint.stats().notifications, 0)

  const recording = { recordingId: 'x', status: 'active' as const, revision: 1, startedAt: new Date(5) }
  endpoint.notify({ type: 'recording', roomId: 'there', recording })
  t.match(await two.receive('notification'), { body: { recording: { recordingId: 'x', roomId: 'there', status: 'active', startedAtMs: 5 } } })
  const three = await backend()
  t.match(await three.receive('notification'), { body: { type: 'recording' } }, 'not handled yet: told again to whoever comes')
})

t.test('of the notifications that nobody handles the oldest are forgotten', async (t) => {
  const { endpoint } = await serve(t)
  for (let i = 0; i < 10_001; i++) endpoint.notify({ type: String(i) })
  t.equal(endpoint.stats().notifications, 10_000)
})

t.test('closing waits for the trunks, and takes no more', async (t) => {
  const { backend, endpoint, peers, url } = await serve(t)
  const it = await backend()
  await it.open('p')
  const peer = await peers.take()
  const gone = new Promise((resolve) => peer.on('close', resolve))
  await endpoint.close()
  t.match(endpoint.stats(), { trunks: 0, peers: 0 })
  t.match(await gone, { code: 4000 })
  t.equal((await it.closed).code, 1012)
  const late = new WebSocket(url, ['trunkline.v1'], { headers: { authorization: 'Bearer secret' } })
  t.match(await new Promise((resolve) => late.on('error', resolve)), { message: /503/ })
})

t.test('what could not be told is refused where it is said, and harms no trunk', async (t) => {
  const { backend, endpoint, peers } = await serve(t)
  const recording = { recordingId: 'x', status: 'active' as const, revision: 1 }
  const circle: Record<string, unknown> = {}
  circle.self = circle
  const wrong = [{ type: 1 as unknown as string }, { type: '\ud800' }, { type: 'x', roomId: 'x'.repeat(129) }, { type: 'x', payload: circle },
    { type: 'x', payload: 'x'.repeat(64 * 1024) }, { type: 'x', payload: () => {} },
    { type: 'x', recording: { ...recording, revision: -1 } }, { type: 'x', recording: { ...recording, revision: 1.5 } },
    { type: 'x', recording: { ...recording, startedAt: new Date(NaN) } }, { type: 'x', recording: { ...recording, durationMs: -1 } }, { type: 'x', recording: { ...recording, durationMs: 1e17 } },
    { type: 'x', recording: { ...recording, status: 'odd' as 'active' } }, { type: 'x', recording: { ...recording, recordingId: '' } }]
  for (const notice of wrong) t.throws(() => endpoint.notify(notice), { code: 'TRK_ERR_NOTICE' })
  t.equal(endpoint.stats().notifications, 0)
  endpoint.notify({ type: 'x', recording: { ...recording, durationMs: 1234.5 } })
  const it = await backend()
  t.equal((await it.receive('notification')).body.recording?.durationMs, 1235)
  for (const [code, told] of [[-1, 4410], [1.5, 4410], [1005, 4410], [4404, 4404]] as const) {
    await it.open('p')
    ;(await peers.take()).close(code, 'x'.repeat(500))
    const { body } = await it.receive('close')
    t.equal(body.code, told)
    t.ok(Buffer.byteLength(body.reason) <= 123)
  }
})

t.test('a long backlog of notifications is told as the backend takes it', async (t) => {
  const { backend, endpoint } = await serve(t, { queueBytes: 64 * 1024 })
  const payload = 'x'.repeat(1000)
  for (let i = 0; i < 3000; i++) endpoint.notify({ type: String(i), payload })
  const it = await backend()
  for (let i = 0; i < 3000; i++) {
    const { body } = await it.receive('notification')
    if (body.type !== String(i)) t.equal(body.type, String(i))
    it.send(frame('done', body.id))
  }
  await it.open('p')
  t.equal(endpoint.stats().notifications, 0)
})

t.test('an async listener that rejects ends its own peer', async (t) => {
  const { backend } = await serve(t, { onPeer: (peer) => { peer.on('mediaEvent', async () => { throw new Error('oops') }) } })
  const it = await backend()
  const { epoch } = await it.open('p')
  it.send(frame('text', Buffer.from('x'), 'p', epoch))
  t.match(await it.receive('close'), { body: { code: 1011 } })
})

t.test('an onPeer that hangs is given up, and leaves no peer behind', async (t) => {
  const clock = new ManualClock()
  const { backend, endpoint } = await serve(t, { clock, onPeer: async () => await new Promise(() => {}) })
  const it = await backend()
  const answer = it.open('p')
  while (endpoint.stats().peers === 0) await new Promise((resolve) => setImmediate(resolve))
  clock.advance(10_000)
  t.match(await answer, { kind: 'refused', body: { code: 1013 } })
  t.equal(endpoint.stats().peers, 0)
})

t.test('who is refused is let go of, even if it stays', async (t) => {
  const { url } = await serve(t)
  const port = Number(new URL(url).port)
  for (const authorization of ['', 'Authorization: Bearer secret\r\n']) {
    const socket = connect(port, '127.0.0.1')
    t.teardown(() => socket.destroy())
    const ended = new Promise((resolve) => socket.on('end', resolve))
    socket.resume()
    socket.write(`GET / HTTP/1.1\r\nHost: x\r\n${authorization}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`)
    await ended
  }
  // The server's closing, at the end of the test, would wait for them otherwise.
})

t.test('closing twice is closing once', async (t) => {
  const { backend, endpoint } = await serve(t)
  await backend()
  await Promise.all([endpoint.close(), endpoint.close()])
  await endpoint.close()
  t.equal(endpoint.stats().trunks, 0)
})

t.test('a notification that one backend does not take holds up none of the others', async (t) => {
  const { backend, endpoint } = await serve(t)
  endpoint.notify({ type: 'big', payload: 'x'.repeat(5000) })
  endpoint.notify({ type: 'small' })
  const it = await backend({ maxMessageBytes: 2048 })
  t.equal((await it.receive('notification')).body.type, 'small')
  endpoint.notify({ type: 'later' })
  t.equal((await it.receive('notification')).body.type, 'later')
  t.same(endpoint.stats().dropped, { 'notification too big': 1 })
  const other = await backend()
  t.equal((await other.receive('notification')).body.type, 'big')
})

t.test('onPeer may answer anything; who is over while it thinks is not waited for', async (t) => {
  const clock = new ManualClock()
  const seen = new Map<string, EndpointPeer>()
  const { backend } = await serve(t, { clock, onPeer: ((peer: EndpointPeer) => peer.id === 'slow' ? new Promise(() => {}) : seen.set(peer.id, peer)) as unknown as () => void })
  const it = await backend()
  t.equal((await it.open('p')).kind, 'opened')
  const timers = clock.timers
  const slow = it.open('slow')
  it.send(frame('open', { id: 2, roomId: 'r', metadata: '', key: '', received: 0, trace: '', asker: '', turn: 0, resumeOnly: false }, 'slow'))
  t.match(await slow, { kind: 'refused', body: { id: 1 } })
  t.equal(clock.timers, timers + 1, 'only the second one is waited for')
})
