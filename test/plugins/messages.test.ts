import t from 'tap'
import { CONTROL } from '../../lib/session/messages.js'
import { Inbox } from '../../lib/testing/index.js'
import { startEndpoint } from '../endpoint-server.js'
import { LinkClient, joinLink } from '../link-client.js'
import { startApp, startMediaServer } from '../support.js'

/** Beats that no test lives to see. */
const NEVER = { clientMs: 2 ** 31 - 1, trunkMs: 2 ** 31 - 1 }
const KiB = 1024

const turn = async (): Promise<void> => { await new Promise((resolve) => setImmediate(resolve)) }

async function until (isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn()
}

t.test('the app says something to one, or to all of a room: JSON, once, and is told to how many', async (t) => {
  const { app, ...stage } = await startApp(t, (await startMediaServer(t)).options, { heartbeat: NEVER })
  const alice = await joinLink(t, { app, ...stage }, { roomId: 'room' })
  const bob = await joinLink(t, { app, ...stage }, { roomId: 'room' })
  const plain = await stage.join({ roomId: 'room', peerId: 'plain' })
  const other = await joinLink(t, { app, ...stage }, { roomId: 'other' })
  await until(() => app.trunkline.peers.get('plain')?.state === 'joined')
  const trunk = app.trunkline
  t.equal(trunk.send(alice.joined.peerId, { hello: '\u2028 \ud800 "' }), 1)
  t.same((await alice.link.heard('message')).message, { hello: '\u2028 \ud800 "' })
  t.equal(trunk.broadcast('room', null), 2, 'a plain client knows nothing of such')
  for (const { link } of [alice, bob]) t.equal((await link.heard('message')).message, null)
  t.same([trunk.send('plain', 1), trunk.send('nobody', 1), trunk.broadcast('nowhere', 1)], [0, 0, 0])
  t.same(trunk.stats().messages, { sent: 3, unsent: 2 })
  t.equal(other.link.rest().filter(({ kind }) => kind === 'control').length, 0)
  t.equal(plain.pending, 0)
})

t.test('what is no JSON, or more than 64 KiB of it, is an error of the app', async (t) => {
  const { app, ...stage } = await startApp(t, (await startMediaServer(t)).options, { heartbeat: NEVER })
  const { link, joined } = await joinLink(t, { app, ...stage })
  const circle: unknown[] = []
  circle.push(circle)
  let deep: unknown = null
  for (let n = 0; n < 100_000; n++) deep = [deep]
  for (const wrong of [undefined, () => {}, circle, 1n, deep, 'x'.repeat(64 * KiB - 1)]) t.throws(() => app.trunkline.send(joined.peerId, wrong), { code: 'TRK_ERR_MESSAGE' })
  t.throws(() => app.trunkline.broadcast('nowhere', undefined), { code: 'TRK_ERR_MESSAGE' })
  t.equal(app.trunkline.send(joined.peerId, 'x'.repeat(64 * KiB - 2)), 1)
  t.equal(String((await link.heard('message')).message).length, 64 * KiB - 2)
})

t.test('a client says something to the app: in order, after onPeerJoin, whatever it is', async (t) => {
  const heard = new Inbox<unknown>()
  let letJoin = (): void => {}
  const { app, ...stage } = await startApp(t, (await startMediaServer(t)).options, {
    heartbeat: NEVER,
    hooks: {
      onPeerJoin: async () => {
        await new Promise<void>((resolve) => { letJoin = resolve })
        heard.push('onPeerJoin')
      },
      onMessage: async (message) => {
        await turn()
        heard.push(message)
      }
    }
  })
  const { link } = await joinLink(t, { app, ...stage })
  const said = [1, 'two', null, { __proto__: null, three: [] }, false]
  for (const message of said) link.control({ type: 'message', message })
  link.client.send(raw('{"type":"message","message":{"__proto__":{"isAdmin":true},"constructor":1}}'))
  link.client.send(raw(`{"type":"message","message":${'['.repeat(30_000)}${']'.repeat(30_000)}}`))
  link.client.send(raw('{"type":"message"}'))
  await until(() => app.trunkline.stats().bufferedBytes > 60_000)
  t.equal(heard.length, 0, 'the app does not know of the client yet')
  letJoin()
  t.equal(await heard.take(), 'onPeerJoin')
  for (const message of said) t.same(await heard.take(), message)
  const hostile = await heard.take() as { isAdmin?: boolean }
  t.same([hostile.isAdmin, ({} as { isAdmin?: boolean }).isAdmin, Object.keys(hostile)], [undefined, undefined, ['__proto__', 'constructor']])
  t.ok(Array.isArray(await heard.take()))
  t.equal(await heard.take(), null)
  await until(() => app.trunkline.stats().bufferedBytes === 0)
})

t.test('what breaks the protocol ends the client, and nobody else', async (t) => {
  const heard = new Inbox<unknown>()
  const stage = await startApp(t, (await startMediaServer(t)).options, { heartbeat: NEVER, hooks: { onMessage: (message) => { heard.push(message) } } })
  const other = await joinLink(t, stage)
  const exact = 'x'.repeat(64 * KiB - 2)
  for (const [name, message] of [
    ['64 KiB and a byte', raw(`{"type":"message","message":"${exact}y"}`)],
    ['no JSON', raw('{"type":"message","message":')],
    ['no UTF-8', Buffer.from([CONTROL, 0x22, 0xff, 0x22])]
  ] as const) {
    const { link } = await joinLink(t, stage)
    link.client.send(message)
    t.equal((await link.closed).code, 1002, name)
  }
  const early = await LinkClient.connect(stage)
  t.teardown(() => early.client.cut())
  early.control({ type: 'message', message: 'before join' })
  t.match(await early.closed, { reason: /join/ })
  other.link.control({ type: 'message', message: exact })
  t.equal(await heard.take(), exact)
  t.equal(heard.length, 0)
})

t.test('a client that says more than its hook deals with is not read, also on its next link; others are served', async (t) => {
  const server = await startEndpoint(t)
  const release: Array<() => void> = []
  let slow = ''
  let count = 0
  const stage = await startApp(t, server.options, {
    heartbeat: NEVER,
    limits: { uplinkQueueBytes: 64 * KiB, messagesPerSecond: 1_000_000 },
    hooks: {
      onMessage: async (_message, peer) => {
        count++
        if (peer.id === slow) await new Promise<void>((resolve) => release.push(resolve))
      }
    }
  })
  const { link, joined } = await joinLink(t, stage)
  slow = joined.peerId
  const flood = (on: LinkClient): void => { for (let n = 0; n < 200; n++) on.control({ type: 'message', message: 'x'.repeat(16 * KiB) }) }
  const buffered = (): number => stage.app.trunkline.stats().bufferedBytes
  const other = await joinLink(t, stage)
  flood(link)
  await until(() => buffered() >= 64 * KiB)
  const served = async (): Promise<void> => {
    for (let n = 0; n < 20; n++) {
      const before = count
      other.link.control({ type: 'message', message: n })
      await until(() => count > before)
    }
  }
  await served()
  // What one read has brought is taken yet.
  const most = 64 * KiB + 2 * 64 * KiB
  t.ok(buffered() <= most, `${buffered()} bytes`)
  await link.client.cut()
  const again = await joinLink(t, stage, { roomId: 'room' }, { peerId: joined.peerId, key: joined.key, received: 0 })
  t.equal(again.joined.resumed, true)
  const before = buffered()
  flood(again.link)
  await served()
  t.ok(buffered() <= before + 2 * 64 * KiB, `${buffered()} bytes, of which ${before} were there before`)
  slow = ''
  for (const resolve of release) resolve()
  await until(() => buffered() === 0)
  await until(() => count >= 240)
  t.equal(stage.app.trunkline.peers.get(joined.peerId)?.state, 'joined')
})

for (const [how, hook, code] of [
  ['throws', () => { throw new Error('no') }, 1011],
  ['rejects', async () => { throw new Error('no') }, 1011]
] as const) {
  t.test(`a hook that ${how} ends its peer, and nobody else`, async (t) => {
    const left = new Inbox<string>()
    const stage = await startApp(t, (await startMediaServer(t)).options, { heartbeat: NEVER, hooks: { onMessage: (message) => message === 'bad' ? hook() : undefined, onPeerLeave: (_peer, { cause }) => { left.push(cause) } } })
    const [bad, good] = [await joinLink(t, stage), await joinLink(t, stage)]
    bad.link.control({ type: 'message', message: 'bad' })
    t.equal((await bad.link.closed).code, code)
    t.equal(await left.take(), 'hook failed')
    t.equal(stage.app.trunkline.broadcast('room', 'still here'), 1)
    t.equal((await good.link.heard('message')).message, 'still here')
  })
}

t.test('a hook that kicks its peer is the last that the peer has', async (t) => {
  const heard = new Inbox<unknown>()
  const stage = await startApp(t, (await startMediaServer(t)).options, {
    heartbeat: NEVER,
    hooks: {
      onMessage: async (message, { id }) => {
        heard.push(message)
        stage.app.trunkline.kick(id, 'enough')
        await turn()
        heard.push('hook done')
      },
      onPeerLeave: () => { heard.push('onPeerLeave') }
    }
  })
  const { link } = await joinLink(t, stage)
  for (const message of [1, 2, 3]) link.control({ type: 'message', message })
  t.match(await link.closed, { reason: 'enough' })
  t.same([await heard.take(), await heard.take(), await heard.take()], [1, 'hook done', 'onPeerLeave'])
  t.equal(heard.length, 0)
})

t.test('to whom is away nothing is said, nor afterwards', async (t) => {
  const stage = await startApp(t, (await startEndpoint(t)).options, { heartbeat: NEVER })
  const { link, joined } = await joinLink(t, stage)
  await link.client.cut()
  await until(() => stage.app.trunkline.peers.get(joined.peerId)?.state === 'detached')
  t.equal(stage.app.trunkline.send(joined.peerId, 'lost'), 0)
  const again = await joinLink(t, stage, { roomId: 'room' }, { peerId: joined.peerId, key: joined.key, received: 0 })
  t.equal(stage.app.trunkline.send(joined.peerId, 'heard'), 1)
  t.equal((await again.link.heard('message')).message, 'heard')
})

function raw (json: string): Buffer {
  return Buffer.concat([Buffer.from([CONTROL]), Buffer.from(json)])
}
