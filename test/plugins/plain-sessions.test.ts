import { once } from 'node:events'
import fc from 'fast-check'
import t from 'tap'
import { fakeFrame } from '../../lib/testing/index.js'
import type { OnOpen } from '../../lib/testing/index.js'
import type { EndpointPeer } from '../../lib/trunk/endpoint.js'
import { startEndpoint } from '../endpoint-server.js'
import type { EndpointServer } from '../endpoint-server.js'
import { joinLink } from '../link-client.js'
import { startApp, startMediaServer, trunkState } from '../support.js'

const cut = ({ endpoint }: EndpointServer): void => { for (const channel of endpoint.channels) channel.terminate('cut') }

t.test('plain clients over a trunk that is lost again and again: nothing is lost, repeated or reordered', async (t) => {
  const heard = new Map<string, string[]>()
  const server = await startEndpoint(t, {
    onPeer: (peer) => {
      const events: string[] = []
      heard.set(peer.id, events)
      peer.on('mediaEvent', (data) => {
        events.push(data.toString())
        peer.send(`down ${events.length}`)
      })
    }
  })
  const app = await startApp(t, server.options, { limits: { messageBurst: 3_000 } })
  const ids = ['a', 'b', 'c', 'd']
  const clients = await Promise.all(ids.map(async (peerId) => await app.join({ roomId: 'room', peerId })))
  const EVENTS = 3_000
  for (let n = 1; n <= EVENTS; n++) {
    for (const client of clients) client.send(`up ${n}`)
    if (n % 500 === 0) cut(server)
    if (n % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  for (const [index, client] of clients.entries()) {
    for (let n = 1; n <= EVENTS; n++) {
      const text = await client.receiveText()
      if (text !== `down ${n}`) t.fail(`${ids[index]} heard ${text} instead of down ${n}`)
    }
    t.same(heard.get(ids[index]!), Array.from({ length: EVENTS }, (_, n) => `up ${n + 1}`), `${ids[index]}: each event once and in order`)
    t.equal(client.pending, 0)
  }
  t.ok(app.app.trunkline.stats().resumed >= 4, `${app.app.trunkline.stats().resumed} sessions went on`)
})

t.test('what a plain client sends while the trunk is down arrives when it is back, up to the bound; then it is not read', async (t) => {
  const server = await startEndpoint(t)
  const app = await startApp(t, { ...server.options, retry: { baseMs: 200, maxMs: 200 } }, { limits: { uplinkQueueBytes: 10_000, messageBurst: 5_000 } })
  const client = await app.join({ roomId: 'room', peerId: 'p' })
  const peer = await server.peers.take()
  while (app.app.trunkline.peers.get('p')?.state !== 'joined') await new Promise((resolve) => setImmediate(resolve))
  const heard: string[] = []
  peer.on('mediaEvent', (data) => heard.push(data.toString().slice(0, 4)))
  const down = trunkState(app.app, 'down')
  cut(server)
  await down
  const many = Array.from({ length: 5_000 }, (_, n) => String(n).padStart(4, '0'))
  for (const each of many) client.send(each.padEnd(1_000, '.'))
  while (heard.length < many.length) await once(peer, 'mediaEvent')
  t.same(heard, many)
})

t.test('a plain client that leaves while the trunk is down is noticed at once', async (t) => {
  const server = await startMediaServer(t)
  const app = await startApp(t, { ...server.options, retry: { baseMs: 60_000, maxMs: 60_000 } })
  const client = await app.join()
  await server.receive('open')
  while ([...app.app.trunkline.peers][0]?.state !== 'joined') await new Promise((resolve) => setImmediate(resolve))
  const down = trunkState(app.app, 'down')
  server.cut()
  await down
  await client.close()
  while (app.app.trunkline.peers.size > 0) await new Promise((resolve) => setImmediate(resolve))
  t.pass('it is gone')
})

t.test('a media server that answers what cannot be ends the one session', async (t) => {
  const wrong: Array<[string, OnOpen, number]> = [
    ['resumes a session that never was', (open, trunk) => trunk.send(server.answer(open, { resumed: true, received: 3, windowBytes: 1000 })), 1011],
    ['has received what was not sent', (open, trunk) => trunk.send(server.answer(open, { received: 1, windowBytes: 1000 })), 1011],
    ['acknowledges what was not sent', (open, trunk) => trunk.send(server.answer(open, { windowBytes: 1000 }), fakeFrame('ack', 9, open.peerId, server.epoch)), 1011]
  ]
  const server = await startMediaServer(t, { windowBytes: 1000 })
  const app = await startApp(t, server.options)
  const bystander = await app.join()
  await server.receive('open')
  for (const [what, onOpen, code] of wrong) {
    server.onOpen = onOpen
    const client = await app.join()
    t.equal((await client.closed).code, code, what)
    await server.receive('close')
  }
  server.onOpen = 'accept twice'
  const twice = await app.join()
  twice.send('x')
  await server.receive('text')
  t.equal(app.app.trunkline.peers.size, 2, 'and one that answers twice harms nobody')
  bystander.send('still here')
  t.equal((await server.receive('text')).body.toString(), 'still here')
})

t.test('clients with a session find out what the media server counts wrongly by themselves; ours passes it on', async (t) => {
  const server = await startMediaServer(t, { windowBytes: 1000, welcome: { resumeWindowMs: 30_000 } })
  const app = await startApp(t, server.options)
  const { link } = await joinLink(t, app)
  const open = await server.receive('open')
  server.send(fakeFrame('ack', 7, open.peerId, server.epoch), fakeFrame('skip', null, open.peerId, server.epoch), fakeFrame('text', Buffer.from('next'), open.peerId, server.epoch))
  t.equal(await link.acked(), 7)
  t.same(await link.next(), { kind: 'skip' })
  t.equal(await link.text(), 'next')
  link.client.send(Buffer.from([3]))
  link.ack(2)
  t.match(await server.receive('skip'), { epoch: server.epoch })
  t.equal((await server.receive('ack')).body, 2)
})

t.test('hooks that drop events: both ends go on counting alike', async (t) => {
  const server = await startEndpoint(t)
  const app = await startApp(t, server.options, {
    hooks: {
      onUplink: (event) => event.text().startsWith('drop') ? false : undefined,
      onDownlink: async (event) => event.text().startsWith('drop') ? false : undefined
    }
  })
  const { link, joined } = await joinLink(t, app)
  const peer = await server.peers.take()
  const heard: string[] = []
  peer.on('mediaEvent', (data) => heard.push(data.toString()))
  for (const event of ['drop 1', '2', 'drop 3', '4']) {
    link.event(event)
    peer.send(event)
  }
  t.same([await link.next(), (await link.next() as { data: Buffer }).data.toString(), await link.next(), (await link.next() as { data: Buffer }).data.toString()], [{ kind: 'skip' }, '2', { kind: 'skip' }, '4'])
  while (heard.length < 2) await once(peer, 'mediaEvent')
  await link.client.cut()
  const again = await joinLink(t, app, { roomId: 'room' }, { peerId: joined.peerId, key: joined.key, received: 4 })
  t.match(again.joined, { resumed: true, received: 4 })
  t.same(heard, ['2', '4'])
})

t.test('any bytes and sizes pass through windows of any size', async (t) => {
  const server = await startEndpoint(t, { windowBytes: 2_000 })
  const app = await startApp(t, server.options)
  const client = await app.join({ roomId: 'room', peerId: 'p' })
  const peer: EndpointPeer = await server.peers.take()
  await fc.assert(fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 5_000 }), { minLength: 1, maxLength: 20 }), async (events) => {
    const heard: Buffer[] = []
    peer.removeAllListeners('mediaEvent')
    const all = new Promise<void>((resolve) => {
      peer.on('mediaEvent', (data) => { if (heard.push(Buffer.from(data)) === events.length) resolve() })
    })
    for (const event of events) {
      client.send(event)
      peer.send(event)
    }
    await all
    const down: Buffer[] = []
    while (down.length < events.length) down.push((await client.receive()).data)
    const wanted = Buffer.concat(events)
    return Buffer.concat(heard).equals(wanted) && Buffer.concat(down).equals(wanted)
  }), { numRuns: 20 })
  t.pass('the property holds')
})

t.test('a trunk that is being closed for a broken message is lost like any other: plain clients lose nothing', async (t) => {
  const server = await startMediaServer(t, { windowBytes: 10_000 })
  const app = await startApp(t, { ...server.options, retry: { baseMs: 1, maxMs: 1 } })
  const client = await app.join()
  await server.receive('open')
  while ([...app.app.trunkline.peers][0]?.state !== 'joined') await new Promise((resolve) => setImmediate(resolve))
  const down = trunkState(app.app, 'down')
  server.onOpen = (open, trunk) => trunk.send(server.answer(open, { resumed: true, windowBytes: 10_000, key: open.body.key }))
  server.trunks[0]!.sendRaw(Buffer.from([0xff]))
  await down
  client.send('meanwhile')
  t.equal((await server.receive('text')).body.toString(), 'meanwhile')
  t.equal(client.socket.readyState, client.socket.OPEN)
})

t.test('what the trunk had no room for is not taken for received, where the backend holds the session', async (t) => {
  const server = await startMediaServer(t)
  const app = await startApp(t, server.options, { limits: { trunkQueueBytes: 4_096 } })
  const links = await Promise.all([0, 1, 2, 3].map(async (n) => await joinLink(t, app, { roomId: 'room', peerId: `p${n}` })))
  for (const { link } of links) for (let n = 0; n < 30; n++) link.event(`${n}`.padEnd(6_000, '.'))
  const heard = new Map<string, number[]>(links.map(({ joined }) => [joined.peerId, []]))
  for (const { link, joined } of links) {
    // One that was sent away comes back with what it says was not received.
    const events = heard.get(joined.peerId)!
    void link.closed.then(async () => {
      if (events.length === 30) return
      const back = await joinLink(t, app, { roomId: 'room', peerId: joined.peerId }, { peerId: joined.peerId, key: joined.key, received: 0 })
      t.equal(back.joined.resumed, true)
      for (let n = back.joined.received; n < 30; n++) back.link.event(`${n}`.padEnd(6_000, '.'))
    })
    while (events.length < 30) {
      const event = await server.receive('text', ({ peerId }) => peerId === joined.peerId)
      events.push(Number(event.body.toString().replaceAll('.', '')))
    }
    t.same(events, Array.from({ length: 30 }, (_, n) => n))
  }
})

t.test('a media server that gives no key has forgotten a session all the same: its client is told, and not given another in silence', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  server.onOpen = (open, trunk) => trunk.send(server.answer(open, { key: '' }))
  const app = await startApp(t, { ...server.options, retry: { baseMs: 5, maxMs: 20 } })
  const client = await app.join({ roomId: 'room', peerId: 'p' })
  client.send('hello')
  t.equal(await client.receiveText(), 'hello')
  server.cut()
  t.match(await client.closed, { code: 4001 })
})
