import { randomBytes } from 'node:crypto'
import { FakeClient } from '../../lib/testing/index.js'
import { messageOf } from '../../lib/trunk/codec.js'
import type { Frame } from '../../lib/trunk/schema.js'
import { protobufCodec } from '../../lib/trunk/frames.js'
import { startEndpoint } from '../endpoint-server.js'
import { LinkClient, joinLink } from '../link-client.js'
import { calls, startApp, startMediaServer } from '../support.js'
import { FISHJAM_PATH, attack, eventually, tokenOf } from './support.js'

// What a client that was let in can do to the sessions of others, and with numbers and names of its own.

attack('session key guessing: a wrong key looks like a session that there is not, and its holder is not disturbed', async (t) => {
  const server = await startEndpoint(t)
  const [here, elsewhere] = [await startApp(t, server.options), await startApp(t, server.options)]
  const { link, joined } = await joinLink(t, here)
  const own = await joinLink(t, here)
  const ended = await joinLink(t, here)
  ended.link.control({ type: 'leave' })
  await ended.link.closed
  await eventually(() => server.endpoint.peer(ended.joined.peerId) === undefined)
  const guess = async (app: typeof here, peerId: string, key: string): Promise<{ code: number, reason: string }> => {
    const it = await LinkClient.connect(app)
    it.ask({ roomId: 'room' }, { peerId, key, received: 0 })
    return await it.closed
  }
  for (const app of [here, elsewhere]) {
    const nobodys = await guess(app, 'nobody', randomBytes(18).toString('base64url'))
    t.equal(nobodys.code, 4001)
    t.same(await guess(app, ended.joined.peerId, ended.joined.key), nobodys, 'the key of one that has ended')
    const near = joined.key.slice(0, -1) + (joined.key.endsWith('A') ? 'B' : 'A')
    for (const key of [own.joined.key, near, joined.key + 'A', joined.key.toLowerCase(), ...Array.from({ length: 20 }, () => randomBytes(18).toString('base64url'))]) {
      t.same(await guess(app, joined.peerId, key), nobodys, 'a wrong key')
    }
  }
  link.event('still here')
  server.endpoint.peer(joined.peerId)!.send('and well')
  t.equal(await link.text(), 'and well')
  t.same(link.rest().filter(({ kind }) => kind === 'control'), [], 'the holder has heard nothing of it')
  t.equal(here.app.trunkline.stats().peers, 2)
  t.equal(elsewhere.app.trunkline.stats().peers, 0)
})

for (const encoding of ['protobuf', 'json'] as const) {
  attack(`forged peer_id, ${encoding}: whatever a client writes, the media server sees it under its own`, async (t) => {
    const server = await startMediaServer(t)
    const { base, join } = await startApp(t, { ...server.options, encoding })
    const victim = await join({ roomId: 'r', peerId: 'victim' })
    victim.send('mine')
    const { epoch } = await server.receive('text')
    const frames: Frame[] = [
      { peerId: 'victim', epoch, kind: 'close', body: { code: 4410, reason: 'x', id: 0 } },
      { peerId: 'victim', epoch, kind: 'text', body: Buffer.from('forged') },
      { peerId: 'victim', epoch, kind: 'detach', body: null },
      { peerId: 'victim', epoch: 0, kind: 'leave', body: { key: '', code: 1000, reason: '' } }
    ]
    const batch = messageOf(protobufCodec, frames)
    const json = JSON.stringify([{ peer_id: 'victim', epoch, close: {} }])
    // With what would end the event, were its length not what counts.
    const texts = [json, `"},${json.slice(1)}`, `hi"}]${json}`, '\u2028\0"\\', '{"peer_id":"victim","peerId":"victim"}']
    const bytes = [batch, Buffer.concat([Buffer.from([0]), batch]), Buffer.from(json), Buffer.from([0x1a, 0xff, 0xff, 0xff, 0xff, 0x0f])]

    const plain = await join({ roomId: 'r', peerId: 'plain' })
    const link = await LinkClient.connect({ base })
    t.teardown(() => link.client.cut())
    await link.join({ roomId: 'r', peerId: 'link' })
    const fishjam = await FakeClient.connect(base + FISHJAM_PATH)
    t.teardown(() => fishjam.cut())
    fishjam.send(field(2, field(1, Buffer.from('{"roomId":"r","peerId":"fishjam"}'))))
    await fishjam.receive()
    for (const text of texts) {
      plain.send(text)
      link.event(text)
      fishjam.send(field(3, field(1, Buffer.from(text))))
    }
    for (const data of bytes) {
      plain.send(data)
      link.client.send(Buffer.concat([Buffer.from([1]), data]))
      fishjam.send(field(5, data))
    }
    // As what is not an event, for all that a link has.
    link.control({ type: 'close', peer_id: 'victim', peerId: 'victim', epoch })
    link.control({ type: 'joined', id: 1, peerId: 'victim', key: 'x' })
    for (const name of ['plain', 'link', 'fishjam']) {
      for (const text of texts) t.equal((await server.receive('text', ({ peerId }) => peerId === name)).body.toString(), text)
      for (const data of bytes) t.same((await server.receive('binary', ({ peerId }) => peerId === name)).body, data)
    }
    t.same(server.takeAll().filter(({ kind, peerId }) => kind !== 'open' && peerId === 'victim'), [])
    victim.send('still mine')
    t.equal((await server.receive('text')).body.toString(), 'still mine')
  })
}

attack('takeover war: of two that fight for one peerId one has it at each time, and nobody else feels it', async (t) => {
  const ROUNDS = 60
  const server = await startEndpoint(t)
  const living = new Set<unknown>()
  const order: string[] = []
  const test = await startApp(t, server.options, {
    hooks: {
      onPeerJoin: (peer) => {
        if (peer.id !== 'fought for') return
        order.push('join')
        living.add(peer)
        if (living.size > 1) order.push('two at once')
      },
      onPeerLeave: (peer) => {
        if (living.delete(peer)) order.push('leave')
      }
    }
  })
  const well = await joinLink(t, test, { roomId: 'room', peerId: 'well' })
  const fight = async (connect: () => Promise<{ closed: Promise<{ code: number }> }>): Promise<number[]> => {
    const codes: number[] = []
    for (let round = 0; round < ROUNDS; round++) codes.push((await (await connect()).closed).code)
    return codes
  }
  const identity = { roomId: 'room', peerId: 'fought for' }
  const asLink = async (): Promise<LinkClient> => {
    const link = await LinkClient.connect(test)
    link.ask(identity)
    return link
  }
  const fighting = Promise.all([fight(asLink), fight(async () => await FakeClient.connect(`${test.base}/signaling?token=${tokenOf(identity)}`))])
  const heard = calls<[Buffer]>(100)
  server.endpoint.peer('well')!.on('mediaEvent', heard.fn)
  for (let i = 0; i < 100; i++) {
    well.link.event(String(i))
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.same((await heard.seen).map(([data]) => data.toString()), Array.from({ length: 100 }, (_, i) => String(i)), 'nobody starves')
  // Whoever is left when the other has stopped would wait for ever.
  const isOver = new AbortController()
  void fighting.then(() => isOver.abort())
  while (!isOver.signal.aborted) {
    const link = await asLink()
    await Promise.race([link.closed, fighting])
    await link.client.cut()
  }
  t.same((await fighting).flat().filter((code) => code !== 4409), [], 'each lost to the other')
  test.app.trunkline.kick('fought for')
  await eventually(() => living.size === 0 && test.app.trunkline.stats().links === 1)
  t.notOk(order.includes('two at once'))
  t.equal(order.filter((what) => what === 'join').length, order.filter((what) => what === 'leave').length)
  t.ok(order.length > 20, `${order.length / 2} joined`)
  await eventually(() => server.endpoint.stats().peers === 1)
  t.equal(test.app.trunkline.stats().peers, 1)
})

attack('prototype pollution: names that mean something to JavaScript mean nothing here', async (t) => {
  const server = await startEndpoint(t)
  const metadata: unknown[] = []
  const { base, app } = await startApp(t, server.options, { hooks: { onPeerJoin: (peer) => { metadata.push(peer.metadata) } } })
  const evil = '{"polluted":true,"roomId":"elsewhere","peerId":"victim","key":"x","resumeOnly":true,"received":9}'
  const join = (extra: string): Buffer => Buffer.from(`\0{"type":"join","id":1,"version":1,"token":"{\\"roomId\\":\\"r\\",\\"metadata\\":{\\"__proto__\\":{\\"polluted\\":true},\\"constructor\\":{\\"prototype\\":{\\"polluted\\":true}}}}"${extra}}`)
  for (const extra of [`,"__proto__":${evil}`, `,"constructor":{"prototype":${evil}}`, `,"resume":{"peerId":"p","key":"k","received":0,"__proto__":${evil}}`, `,"toString":${evil},"hasOwnProperty":1`]) {
    const link = await LinkClient.connect({ base })
    t.teardown(() => link.client.cut())
    link.client.send(join(extra))
    if (extra.includes('resume"')) t.equal((await link.closed).code, 4001)
    else t.match(await link.heard('joined'), { roomId: 'r', resumed: false })
    link.client.send(Buffer.from(`\0{"type":"__proto__","__proto__":${evil}}`))
    link.client.send(Buffer.from('\0{"__proto__":{"type":"leave"}}'))
  }
  const inherits = await LinkClient.connect({ base })
  inherits.client.send(Buffer.from('\0{"__proto__":{"type":"join","id":1,"version":1,"token":"{\\"roomId\\":\\"r\\"}"}}'))
  t.equal((await inherits.closed).code, 1002)
  t.equal(({} as { polluted?: boolean }).polluted, undefined)
  t.equal(metadata.length, 3)
  for (const each of metadata) t.notOk((each as { polluted?: boolean }).polluted === true)
  t.equal(app.trunkline.stats().peers, 3)
})

attack('control messages with absurd numbers end their own link with 1002', async (t) => {
  const server = await startEndpoint(t)
  const test = await startApp(t, server.options)
  const well = await test.join()
  server.endpoint.peer([...test.app.trunkline.peers][0]!.id)?.on('mediaEvent', () => {})
  const { joined: { peerId, key } } = await joinLink(t, test)
  const absurd = ['9007199254740992', '9007199254740993', '-1', '-0.5', '1e400', '1e-400', 'NaN', 'null', '"1"', '[1]', '{}', 'true', '1.5', '']
  for (const number of absurd) {
    // -0 and what is too small to be told from 0 are 0.
    const code = number === '1e-400' ? 4409 : 1002
    for (const text of [`"id":${number},"version":1`, `"id":1,"version":${number}`, `"id":1,"version":1,"resume":{"peerId":"${peerId}","key":"${key}x","received":${number}}`]) {
      const link = await LinkClient.connect(test)
      link.client.send(Buffer.from(`\0{"type":"join","client":"c","token":"{\\"roomId\\":\\"room\\",\\"peerId\\":\\"${peerId}\\"}",${text}}`))
      if (number === '1e-400' && text.startsWith('"id":1e')) {
        // A join like any other: it takes the place of the one before.
        await link.heard('joined')
        await link.client.cut()
      } else t.equal((await link.closed).code, text.includes('"version":1e-400') ? 1002 : code, text)
    }
  }
  const turns = await LinkClient.connect(test)
  turns.control({ type: 'join', id: Number.MAX_SAFE_INTEGER, version: 1, client: 'c', token: '{"roomId":"room","peerId":"turns"}' })
  await turns.heard('joined')
  const late = await LinkClient.connect(test)
  late.control({ type: 'join', id: 1, version: 1, client: 'c', token: '{"roomId":"room","peerId":"turns"}' })
  t.equal((await late.closed).code, 4409)
  t.equal(well.socket.readyState, 1)
})

attack('acks beyond what was sent end the one session, however large they are', async (t) => {
  const server = await startEndpoint(t)
  const test = await startApp(t, server.options)
  const echoing = await joinLink(t, test)
  server.endpoint.peer(echoing.joined.peerId)!.on('mediaEvent', () => server.endpoint.peer(echoing.joined.peerId)!.send('echo'))
  for (const count of [1, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    const { link } = await joinLink(t, test)
    link.ack(count)
    t.equal((await link.closed).code, 1002, String(count))
  }
  for (const bytes of [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], [...Array<number>(100).fill(0x80), 1], [0x80, 0x00], []]) {
    const { link } = await joinLink(t, test)
    link.client.send(Buffer.from([2, ...bytes]))
    t.equal((await link.closed).code, 1002, bytes.join())
  }
  echoing.link.event('x')
  t.equal(await echoing.link.text(), 'echo')
})

/** A length-delimited field of protobuf, shorter than 128 bytes or not. */
function field (number: number, value: Buffer): Buffer {
  const size = value.length < 128 ? [value.length] : [value.length & 0x7f | 0x80, value.length >> 7]
  return Buffer.concat([Buffer.from([number * 8 + 2, ...size]), value])
}
