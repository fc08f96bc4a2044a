import { once } from 'node:events'
import type { Socket } from 'node:net'
import fastifyWebsocket from '@fastify/websocket'
import type { ServerOptions } from 'ws'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { ManualClock } from '../../lib/testing/index.js'
import { startEndpoint } from '../endpoint-server.js'
import { startApp } from '../support.js'

// An app that has registered @fastify/websocket with options of its own: what it says of messages holds, whoever reads them.

const TOKEN = encodeURIComponent(JSON.stringify({ roomId: 'room' }))

const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve))

/** A plain client of such an app, and what the media server has heard of it. */
async function connect (t: Test, options: Pick<ServerOptions, 'perMessageDeflate' | 'allowSynchronousEvents' | 'maxPayload'>, perMessageDeflate: object | false = false) {
  const heard: string[] = []
  const waiting: Array<() => void> = []
  const server = await startEndpoint(t, {
    onPeer: (peer) => {
      peer.on('mediaEvent', (data) => {
        heard.push(data.toString())
        waiting.splice(0).forEach((tell) => tell())
      })
    }
  })
  const app = await startApp(t, server.options, {
    limits: { allowLargerPayload: true, messageBytes: 1_000_000 }, before: async (app) => await app.register(fastifyWebsocket, { options: { maxPayload: 131_072, ...options } })
  })
  const client = new WebSocket(`${app.base}/signaling?token=${TOKEN}`, { perMessageDeflate })
  t.teardown(() => client.terminate())
  await once(client, 'open')
  const hears = async (count: number): Promise<string[]> => {
    while (heard.length < count) await new Promise<void>((resolve) => { waiting.push(resolve) })
    return heard
  }
  return { client, hears }
}

t.test('what is compressed, and comes later, is not overtaken by what is not', async (t) => {
  const { client, hears } = await connect(t, { perMessageDeflate: true, maxPayload: 1024 * 1024 }, {})
  for (let n = 0; n < 5; n++) {
    // It takes many turns of the event loop to inflate.
    await new Promise((resolve) => client.send(`A${'a'.repeat(200_000)}`, { compress: true }, resolve))
    for (let i = 0; i < 3; i++) await turn()
    client.send('B', { compress: false })
    const heard = await hears(2 * n + 2)
    t.same(heard.slice(2 * n).map((text) => text[0]), ['A', 'B'])
  }
})

t.test('nor what ws was told to deliver one by one', async (t) => {
  const { client, hears } = await connect(t, { perMessageDeflate: false, allowSynchronousEvents: false })
  const { _socket: raw } = client as unknown as { _socket: Socket }
  const frame = (text: string): Buffer => Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)])
  raw.setNoDelay(true)
  for (let n = 0; n < 10; n++) {
    const first = Buffer.concat(['A', 'B', 'C', 'D'].map(frame))
    // One that does not come whole is for ws, and what is behind it.
    raw.write(first.subarray(0, 3))
    for (let i = 0; i < 10; i++) await turn()
    raw.write(first.subarray(3))
    for (let i = 0; i < 3; i++) {
      await turn()
      raw.write(frame('Z'))
    }
    t.equal((await hears(7 * n + 7)).slice(7 * n).join(''), 'ABCDZZZ')
  }
})

t.test('a smaller bound of the app holds', async (t) => {
  const { client } = await connect(t, { perMessageDeflate: false, maxPayload: 1_000 })
  client.send('x'.repeat(1_001))
  const [code] = await once(client, 'close') as [number]
  t.equal(code, 1009)
})

t.test('who sends text that is none hears why, and is let go as soon as it has answered', async (t) => {
  const server = await startEndpoint(t, { onPeer: () => {} })
  // Which nobody moves: no deadline is waited for.
  const app = await startApp(t, server.options, { clock: new ManualClock() })
  const client = new WebSocket(`${app.base}/signaling?token=${TOKEN}`)
  t.teardown(() => client.terminate())
  await once(client, 'open')
  client.send(Buffer.from([0xff, 0xfe]), { binary: false })
  const [code] = await once(client, 'close') as [number]
  t.equal(code, 1007)
})
