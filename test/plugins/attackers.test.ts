import type { FastifyHttpOptions } from 'fastify'
import type { Server } from 'node:http'
import { FakeClient, ManualClock, UpgradeRefused } from '../../lib/testing/index.js'
import type { FakeClientOptions } from '../../lib/testing/index.js'
import { BINARY, CONTINUATION, RawClient, TEXT, rawFrame } from '../attackers/raw-client.js'
import { FISHJAM_PATH, LINK, attack, eventually, isWell, raw, serverSockets, turns } from '../attackers/support.js'
import { calls, startApp, startMediaServer } from '../support.js'

// Who is not let in, and what it can do all the same. Those who are in: test/attackers.

/** The HTTP status with which an upgrade is answered; 101 when it is let in. */
async function status (url: string, options: FakeClientOptions = {}): Promise<number> {
  try {
    await (await FakeClient.connect(url, options)).cut()
    return 101
  } catch (error) {
    if (error instanceof UpgradeRefused) return error.statusCode
    throw error
  }
}

attack('auth flood: bad tokens by the thousand do not overrun authenticate, nor keep others out', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const FLOOD = 2_000
  let [running, most] = [0, 0]
  const arrived = calls(FLOOD)
  const test = await startApp(t, server.options, {
    limits: { authPerSecond: 1_000_000, hookMs: 20_000 },
    before: (app) => app.addHook('onRequest', async () => arrived.fn()),
    authenticate: async (_request, { token }) => {
      most = Math.max(most, ++running)
      // As slow as it takes for all of them to be there.
      await arrived.seen
      running--
      if (token === 'bad') throw new Error('bad')
      return { roomId: 'r' }
    }
  })
  const flood = Array.from({ length: FLOOD }, async () => {
    const client = RawClient.ask(test.host, '/signaling?token=bad')
    const answer = await client.status()
    client.socket.destroy()
    return answer
  })
  await arrived.seen
  const others = Array.from({ length: 10 }, async () => {
    // Whoever is told that there are too many at once comes again.
    for (;;) if (await status(`${test.base}/signaling?token=good`) === 101) return true
  })
  t.equal((await Promise.all(others)).length, 10)
  const answers = await Promise.all(flood)
  t.same(answers.filter((answer) => answer !== 401 && answer !== 503), [])
  t.ok(answers.includes(401))
  t.equal(most, 64, 'so many at once, and no more')
})

/** What the README advises, in small: Node closes who has not sent its headers by then. */
const HEADERS_TIMEOUT = 300

attack('slow-loris upgrade: headers that drip in are given up by Node, whose times the app sets', async (t) => {
  const server = await startMediaServer(t, { echo: true })
  const fastify: FastifyHttpOptions<Server> = { http: { headersTimeout: HEADERS_TIMEOUT, connectionsCheckingInterval: 20 } }
  const test = await startApp(t, server.options, { fastify })
  const silent = new RawClient(test.host)
  const slow = new RawClient(test.host)
  await slow.write(`GET /signaling?token=x HTTP/1.1\r\nhost: ${test.host}\r\n`)
  const dripping = setInterval(() => slow.socket.write('x'), 10)
  t.teardown(() => {
    clearInterval(dripping)
    slow.socket.destroy()
    silent.socket.destroy()
  })
  await isWell(t, await test.join())
  t.equal(await slow.status(), 408)
  await Promise.all([slow.closed, silent.closed])
  t.equal(test.app.trunkline.stats().links, 1)
})

for (const [dialect, path, headers, code] of [['link', '/signaling', LINK, 1013], ['fishjam', FISHJAM_PATH, {}, 1000]] as const) {
  attack(`slow-loris after the upgrade, ${dialect}: a first message that drips in counts as none`, async (t) => {
    const clock = new ManualClock()
    const server = await startMediaServer(t)
    const client = await raw(t, await startApp(t, server.options, { clock }), path, headers)
    let isClosed = false
    void client.closed.then(() => { isClosed = true })
    await client.write(rawFrame(BINARY, '\0', { fin: false }))
    for (let i = 0; i < 5; i++) {
      await client.write(rawFrame(CONTINUATION, '{', { fin: false }))
      await client.pinged()
      t.notOk(isClosed, `after ${i} s`)
      clock.advance(1_000)
    }
    t.equal(await client.closed, code)
  })

  attack(`pre-auth flood, ${dialect}: one message that goes on and on ends at the bound of strangers`, async (t) => {
    const server = await startMediaServer(t, { echo: true })
    const test = await startApp(t, server.options)
    const sockets = serverSockets(test)
    const well = await test.join()
    const client = await raw(t, test, path, headers)
    // Within the bound of those who are in, so that it is ours that counts; and never finished.
    await client.write(rawFrame(BINARY, Buffer.alloc(20 * 1024), { announced: 100 * 1024 }))
    // Fishjam clients go by the reason, whatever the code.
    t.equal(await client.closed, dialect === 'link' ? 1009 : 1000)
    t.ok(sockets.at(-1)!.bytesRead < 64 * 1024, `${sockets.at(-1)!.bytesRead} bytes were read`)
    await isWell(t, well)
  })

  attack(`pre-auth flood, ${dialect}: messages while it is looked up who that is`, async (t) => {
    const server = await startMediaServer(t)
    const asked = calls(1)
    const test = await startApp(t, server.options, {
      authenticate: async () => {
        asked.fn()
        return await new Promise(() => {})
      }
    })
    const sockets = serverSockets(test)
    const client = await raw(t, test, path, headers)
    await client.write(dialect === 'link'
      ? rawFrame(BINARY, '\0{"type":"join","id":1,"version":1,"token":"x"}')
      : rawFrame(BINARY, Buffer.from([0x12, 0x03, 0x0a, 0x01, 0x78])))
    await asked.seen
    const flood = rawFrame(TEXT, 'x'.repeat(1_000))
    for (let i = 0; i < 4_000; i++) client.socket.write(flood)
    if (dialect === 'link') {
      t.equal(await client.closed, 1009)
    } else {
      // Of whom nothing is read the network holds the flood.
      await turns(2_000)
      t.ok(sockets[0]!.bytesRead < 512 * 1024, `${sockets[0]!.bytesRead} bytes were read`)
    }
  })
}

attack('pre-auth flood: behind an upgrade that is being looked up, nothing is read', async (t) => {
  const server = await startMediaServer(t)
  let letIn = (): void => {}
  const asked = new Promise<void>((resolve) => { letIn = resolve })
  const test = await startApp(t, server.options, {
    authenticate: async () => {
      await asked
      return { roomId: 'r' }
    }
  })
  const sockets = serverSockets(test)
  const client = RawClient.ask(test.host, '/signaling?token=x')
  t.teardown(() => client.socket.destroy())
  client.socket.write(rawFrame(TEXT, 'x'.repeat(8 * 1024 * 1024)))
  await eventually(() => sockets[0] !== undefined && sockets[0].bytesRead > 1_000)
  // Long enough for all of it, were it read.
  await turns(2_000)
  t.ok(sockets[0]!.bytesRead < 512 * 1024, `${sockets[0]!.bytesRead} bytes before`)
  letIn()
  t.equal(await client.closed, 1009)
  t.ok(sockets[0]!.bytesRead < 1024 * 1024, `${sockets[0]!.bytesRead} bytes in all`)
})

attack('many unauthenticated links: so many are borne, and those who show who they are get in', async (t) => {
  const clock = new ManualClock()
  const server = await startMediaServer(t, { echo: true })
  const test = await startApp(t, server.options, { clock, limits: { unauthenticatedLinks: 50 } })
  const strangers = await Promise.all(Array.from({ length: 200 }, async (_, i) => i % 2 === 0 ? await raw(t, test, '/signaling', LINK) : await raw(t, test, FISHJAM_PATH)))
  const codes: number[] = []
  for (const stranger of strangers) void stranger.closed.then((code) => codes.push(code))
  await eventually(() => test.app.trunkline.stats().links === 50)
  t.same(codes, Array.from({ length: 150 }, () => 1013))
  await isWell(t, await test.join())
  clock.advance(5_000)
  await eventually(() => test.app.trunkline.stats().links === 1)
})

attack('cross-site pages: no trick with the Origin lets one in', async (t) => {
  const server = await startMediaServer(t)
  const { base, host } = await startApp(t, server.options, { cookie: 'session', origins: ['https://app.example'], authenticate: async () => ({ roomId: 'r' }) })
  const [name, port] = host.split(':')
  const cookie = 'session=abc'
  const origins = ['null', '', 'https://app.example.evil', 'https://evil-app.example', 'https://app.example@evil.example', 'http://app.example', 'https://app.example:444',
    'https://APP.EXAMPLE/', 'https://app.example/', 'https://app.example https://evil.example', `http://${host}.evil.example`, `http://evil.example/${host}`, `http://${host}@evil.example`,
    `http://evil.example#${host}`, `http://evil.example?${host}`, `http://${name}`, `http://${name}:${Number(port) + 1}`, 'file://', `//${host}`, host, 'https://xn--pp-eka.example']
  for (const origin of origins) {
    t.equal(await status(`${base}/signaling?token=x`, { headers: { origin } }), 403, `'${origin}', with a token`)
    t.equal(await status(`${base}/signaling`, { headers: { origin, cookie } }), 403, `'${origin}', with the cookie`)
    const link = await FakeClient.connect(`${base}/signaling`, { protocols: Object.values(LINK), headers: { origin, cookie } })
    t.equal((await link.closed).code, 4403, `'${origin}', of a link`)
  }
  t.equal(await status(`${base}/signaling`, { headers: { cookie } }), 403, 'the cookie without an Origin')
  t.equal(await status(`${base}/signaling`, { headers: { origin: 'https://app.example', cookie } }), 101)
})

attack('a token in the URL is in no line of the log, whatever becomes of who brings it', async (t) => {
  const SECRET = 'hush-hush'
  const server = await startMediaServer(t)
  const refused: Record<string, object> = { 401: {}, expired: { code: 'EXPIRED' }, 403: { statusCode: 403 }, 404: { statusCode: 404 }, 429: { statusCode: 429 }, 500: { statusCode: 500 } }
  const fastify: FastifyHttpOptions<Server> = { useSemicolonDelimiter: true }
  const { app, base, host, log } = await startApp(t, server.options, {
    fastify,
    limits: { peers: 2 },
    authenticate: (_request, { token }) => {
      const [said] = token.split('.')
      if (said! in refused) throw Object.assign(new Error('no'), refused[said!])
      return said === 'nonsense' ? { roomId: '' } : { roomId: 'r' }
    }
  })
  app.log.level = 'trace'
  for (const said of [...Object.keys(refused), 'nonsense', 'good']) {
    await status(`${base}/signaling?token=${said}.${SECRET}`)
    await status(`${base}/signaling;token=${said}.${SECRET}`)
    await status(`${base}/signaling?a=1&%74oken=${said}.${SECRET}`, { headers: { origin: 'https://evil.example' } })
    await (await FakeClient.connect(`${base}/signaling?token=${said}.${SECRET}`, { protocols: Object.values(LINK) })).cut()
    await (await FakeClient.connect(`${base}${FISHJAM_PATH}?token=${said}.${SECRET}`)).cut()
  }
  await fetch(`http://${host}/signaling?token=${SECRET}`).then(async (answer) => await answer.text())
  for (const headers of [{ 'sec-websocket-version': '99' }, { 'sec-websocket-key': 'x' }]) {
    const client = RawClient.ask(host, `/signaling?token=good.${SECRET}`, headers)
    await client.closed
  }
  const broken = await RawClient.connect(host, `/signaling?token=good.${SECRET}`)
  await broken.write(rawFrame(0xf))
  t.equal(await broken.closed, 1002)
  t.ok(log.filter(({ msg }) => msg === 'incoming request').length > 30)
  t.ok(log.some(({ msg }) => msg === 'a client could not be authenticated'))
  t.same(log.map((line) => JSON.stringify(line)).filter((line) => line.includes(SECRET)), [])
})
