import { FakeClient } from '../../lib/testing/index.js'
import { calls, startApp, startMediaServer } from '../support.js'
import type { TestApp } from '../support.js'
import { BINARY, CONTINUATION, PING, RawClient, TEXT, rawFrame } from './raw-client.js'
import { FISHJAM_PATH, LINK, attack, eventually, isWell, raw, serverSockets, tokenOf, turns } from './support.js'

// What a client that was let in can do with frames and with its connection.

const PATH = `/signaling?token=${tokenOf({ roomId: 'r', peerId: 'bad' })}`
const MiB = 1024 * 1024

/** The bytes of memory that are in use outside of the heap. */
const buffered = (): number => process.memoryUsage().arrayBuffers

attack('huge message: one of the largest size passes, one byte more is 1009', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const test = await startApp(t, server.options)
  const well = await test.join()
  const bad = await FakeClient.connect(test.base + PATH)
  bad.send('x'.repeat(128 * 1024))
  t.equal((await bad.receive()).data.length, 128 * 1024)
  bad.send('x'.repeat(128 * 1024 + 1))
  t.equal((await bad.closed).code, 1009)
  await isWell(t, well)
})

for (const announced of [128 * 1024 + 1, 2 ** 31, 2 ** 40]) {
  attack(`huge message: ${announced} bytes are announced, and refused before they come`, async (t) => {
    const server = await startMediaServer(t, { echo: true })
    const test = await startApp(t, server.options)
    const well = await test.join()
    const client = await raw(t, test, PATH)
    await client.write(rawFrame(TEXT, 'x', { announced }))
    t.equal(await client.closed, 1009)
    await isWell(t, well)
  })
}

attack('fragment flood: a message of millions of empty pieces ends at the 16 385th', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const test = await startApp(t, server.options)
  const sockets = serverSockets(test)
  const well = await test.join()
  const client = await raw(t, test, PATH)
  const piece = rawFrame(CONTINUATION, '', { fin: false })
  await client.write(rawFrame(TEXT, '', { fin: false }))
  await client.write(Buffer.concat(Array.from({ length: 16 * 1024 - 1 }, () => piece)))
  await client.pinged()
  t.equal(test.app.trunkline.stats().links, 2, 'as many as there may be')
  const more = Buffer.concat(Array.from({ length: 10_000 }, () => piece))
  for (let i = 0; i < 200; i++) client.socket.write(more)
  t.equal(await client.closed, 1008)
  t.equal(sockets.length, 2)
  await isWell(t, well)
})

attack('ping flood: whoever does not read the pongs is cut', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const test = await startApp(t, server.options)
  const sockets = serverSockets(test)
  const well = await test.join()
  const client = await raw(t, test, PATH)
  client.socket.pause()
  const pings = Buffer.concat(Array.from({ length: 1_000 }, () => rawFrame(PING, 'x'.repeat(125))))
  for (let i = 0; i < 200; i++) client.socket.write(pings)
  let most = 0
  await eventually(() => {
    most = Math.max(most, sockets[1]!.writableLength)
    return test.app.trunkline.stats().links === 1
  })
  t.ok(most < MiB, `${most} bytes of pongs waited`)
  await isWell(t, well)
})

attack('empty messages: a million of them behind a hook that hangs take no more room than others', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  let [letGo, seen] = [(): void => {}, 0]
  const hangs = new Promise<void>((resolve) => { letGo = resolve })
  const test = await startApp(t, server.options, {
    hooks: {
      onUplink: async (_event, peer) => {
        if (peer.id !== 'bad') return
        seen++
        await hangs
      }
    },
    // Whether one may send so many in so short a time is another question.
    limits: { messagesPerSecond: 1_000_000, messageBurst: 1_000_000 }
  })
  const sockets = serverSockets(test)
  const well = await test.join()
  const client = await raw(t, test, PATH)
  const before = buffered()
  const empty = Buffer.concat(Array.from({ length: 10_000 }, () => rawFrame(BINARY)))
  await client.write(rawFrame(BINARY))
  await eventually(() => seen > 0)
  for (let i = 0; i < 100; i++) client.socket.write(empty)
  await turns(2_000)
  t.equal(seen, 1)
  const { bytesRead } = sockets[1]!
  t.ok(bytesRead < MiB || test.app.trunkline.stats().peers === 1, `${bytesRead} bytes were read`)
  t.ok(buffered() - before < 16 * MiB)
  await isWell(t, well)
  client.socket.destroy()
  letGo()
})

attack('compression bomb: compression is not agreed to, whatever is offered, and a frame that claims it is 1002', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const test = await startApp(t, server.options)
  const well = await test.join()
  for (const offer of ['permessage-deflate', 'permessage-deflate; client_max_window_bits; server_no_context_takeover', 'x-webkit-deflate-frame']) {
    const client = await raw(t, test, PATH, { 'sec-websocket-extensions': offer })
    t.notMatch(await client.answered, /sec-websocket-extensions/i, offer)
    // An empty deflate block.
    await client.write(rawFrame(TEXT, Buffer.from([0x02, 0x00]), { reserved: 0x40 }))
    t.equal(await client.closed, 1002)
  }
  await isWell(t, well)
})

/** Brings a client of its own to a state of a link's life. */
const STATES: Record<string, (test: TestApp) => Promise<RawClient>> = {
  'that has said nothing': async ({ host }) => {
    const client = new RawClient(host)
    await client.write('')
    return client
  },
  'in the middle of its headers': async ({ host }) => {
    const client = new RawClient(host)
    await client.write('GET /signaling HTTP/1.1\r\nhost: x\r\nupg')
    return client
  },
  'that is being looked up': async ({ host }) => RawClient.ask(host, '/signaling?token=slow'),
  'that has not joined, link': async ({ host }) => await RawClient.connect(host, '/signaling', LINK),
  'that has not joined, fishjam': async ({ host }) => await RawClient.connect(host, FISHJAM_PATH),
  'in the middle of its first message': async ({ host }) => {
    const client = await RawClient.connect(host, '/signaling', LINK)
    await client.write(rawFrame(BINARY, '\0{', { announced: 1_000 }))
    return client
  },
  'whose join is being judged': async ({ host }) => {
    const client = await RawClient.connect(host, '/signaling', LINK)
    await client.write(rawFrame(BINARY, '\0{"type":"join","id":1,"version":1,"token":"slow"}'))
    return client
  },
  'that is being opened': async ({ host }) => await RawClient.connect(host, `/signaling?token=${tokenOf({ roomId: 'r', peerId: 'ignored' })}`),
  'that is in': async ({ host }) => {
    const client = await RawClient.connect(host, PATH)
    await client.write(rawFrame(TEXT, 'x'))
    await client.pinged()
    return client
  },
  'in the middle of a message': async ({ host }) => {
    const client = await RawClient.connect(host, PATH)
    await client.write(rawFrame(TEXT, 'x', { announced: 100_000 }))
    return client
  },
  'that has said goodbye': async ({ host }) => {
    const client = await RawClient.connect(host, PATH)
    await client.write(rawFrame(8, Buffer.from([0x03, 0xe8])))
    return client
  }
}

const WAYS: Record<string, (client: RawClient) => void> = {
  reset: ({ socket }) => { socket.resetAndDestroy() },
  // It says that it is done, and keeps the other direction open for as long as it likes.
  'half open': ({ socket }) => {
    socket.removeAllListeners('end')
    socket.end()
  }
}

for (const [way, end] of Object.entries(WAYS)) {
  attack(`${way}: a connection, in every state`, async (t) => {
    const server = await startMediaServer(t, {
      onOpen: (open, trunk) => { if (open.peerId !== 'ignored') trunk.send(server.answer(open)) }, echo: true
    })
    let letIn = (): void => {}
    const slow = new Promise<void>((resolve) => { letIn = resolve })
    const asked = calls(2)
    const test = await startApp(t, server.options, {
      limits: { closeMs: 100 },
      authenticate: async (_request, { token }) => {
        if (token !== 'slow') return JSON.parse(token) as { roomId: string }
        asked.fn()
        await slow
        return { roomId: 'r' }
      }
    })
    const sockets = serverSockets(test)
    const well = await test.join()
    const clients: RawClient[] = []
    for (const [state, bring] of Object.entries(STATES)) {
      const client = await bring(test)
      t.teardown(() => client.socket.destroy())
      await isWell(t, well)
      t.comment(state)
      clients.push(client)
    }
    await asked.seen
    for (const client of clients) end(client)
    await turns(10)
    letIn()
    await eventually(() => test.app.trunkline.stats().links === 1 && test.app.trunkline.stats().peers === 1)
    // Before its upgrade a connection is Node's: the one that was never finished goes with `headersTimeout`.
    await eventually(() => sockets.filter(({ destroyed }) => !destroyed).length <= (way === 'reset' ? 1 : 3))
    await isWell(t, well)
  })
}
