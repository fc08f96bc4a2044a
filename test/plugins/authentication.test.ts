import t from 'tap'
import { FakeClient, ManualClock, UpgradeRefused } from '../../lib/testing/index.js'
import type { FakeClientOptions } from '../../lib/testing/index.js'
import { calls, startApp, startMediaServer } from '../support.js'

const identity = (said: object): string => encodeURIComponent(JSON.stringify(said))

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

t.test('credentials come in the query, in the Authorization header or in the cookie that is named', async (t) => {
  const server = await startMediaServer(t)
  const { base, host } = await startApp(t, server.options, {
    cookie: 'session', authenticate: async (_request, { token, from }) => ({ roomId: 'r', metadata: { token, from } })
  })
  const metadata = async (path: string, headers: Record<string, string> = {}): Promise<unknown> => {
    const client = await FakeClient.connect(base + path, { headers })
    const { body } = await server.receive('open')
    await client.cut()
    return JSON.parse(body.metadata)
  }
  t.same(await metadata('/signaling?token=a%20b'), { token: 'a b', from: 'query' })
  t.same(await metadata('/signaling', { authorization: 'Bearer abc' }), { token: 'abc', from: 'authorization' })
  t.same(await metadata('/signaling', { cookie: 'x=1; session=a%3Db; y=2', origin: `http://${host}` }), { token: 'a=b', from: 'cookie' })
  t.equal(await status(base + '/signaling', { headers: { cookie: 'session=abc' } }), 403, 'a cookie without an Origin')
  t.equal(await status(base + '/signaling', { headers: { cookie: 'session=abc', origin: 'https://evil.example' } }), 403)
  t.equal(await status(base + '/signaling'), 401, 'nothing')
  t.equal(await status(base + '/signaling?token='), 401, 'an empty token')
  t.equal(await status(base + '/signaling?token=a&token=b'), 401, 'two tokens')
  t.equal(await status(base + '/signaling', { headers: { authorization: 'Basic abc' } }), 401)
})

t.test('what a throwing authenticate means', async (t) => {
  const server = await startMediaServer(t)
  const { base, log } = await startApp(t, server.options)
  const answer = async (error: object): Promise<number> => await status(`${base}/signaling?token=${identity({ error })}`)
  t.equal(await answer({}), 401)
  t.equal(await answer({ code: 'FAST_JWT_EXPIRED' }), 401)
  t.equal(await answer({ statusCode: 403 }), 403)
  t.equal(await answer({ statusCode: 404 }), 404)
  t.equal(await answer({ statusCode: 429 }), 429)
  t.equal(await answer({ statusCode: 500 }), 503)
  t.equal(await answer({ status: 503 }), 503)
  t.equal(await answer({ code: 'LEASE_EXPIRED', statusCode: 503 }), 503, 'the status counts first')
  t.equal(log.filter(({ msg }) => msg === 'a client is refused').length, 5)
  t.equal(log.filter(({ msg }) => msg === 'a client could not be authenticated').length, 3)
  t.equal(server.takeAll().length, 0, 'the media server has heard of none of them')
})

t.test('an identity that cannot be used is the app\'s mistake: 503, and the log says what', async (t) => {
  const server = await startMediaServer(t)
  const circle: Record<string, unknown> = {}
  circle.self = circle
  const wrong = [null, 'r', {}, { roomId: '' }, { roomId: 'x'.repeat(129) }, { roomId: 'r', peerId: 1 }, { roomId: '\ud800' },
    { roomId: 'r', metadata: circle }, { roomId: 'r', metadata: 'x'.repeat(16 * 1024) }, { roomId: 'r', expiresAt: 'never' },
    { roomId: 'r', expiresAt: 1_800_000_000 }, { roomId: 'r', peerid: 'x' }, { room_id: 'r', roomId: 'r' }]
  const { base, log } = await startApp(t, server.options, { authenticate: (_request, { token }) => wrong[Number(token)] as { roomId: string } })
  for (const index of wrong.keys()) t.equal(await status(`${base}/signaling?token=${index}`), 503)
  const codes = log.filter(({ msg }) => msg === 'a client could not be authenticated').map(({ err }) => (err as { code: string }).code)
  t.same(codes, wrong.map(() => 'TRK_ERR_IDENTITY'))
})

t.test('pages of other sites are refused, before anybody is asked who they are', async (t) => {
  const server = await startMediaServer(t)
  let asked = 0
  const { base, host } = await startApp(t, server.options, {
    origins: ['https://app.example'],
    authenticate: async () => {
      asked++
      return { roomId: 'r' }
    }
  })
  const from = async (origin: string, path = '/signaling?token=x'): Promise<number> => await status(base + path, { headers: { origin } })
  t.equal(await from(`http://${host}`), 101)
  t.equal(await from(`https://${host}`), 101, 'TLS may end at a proxy')
  t.equal(await from('https://app.example'), 101)
  t.equal(asked, 3)
  t.equal(await from('https://evil.example'), 403)
  t.equal(await from('https://app.example.evil.example'), 403)
  t.equal(await from('null'), 403)
  t.equal(await from('https://evil.example', '/socket/peer/websocket'), 403)
  t.equal(asked, 3)

  const open = await startApp(t, server.options, { origins: '*' })
  t.equal(await status(`${open.base}/signaling?token=${identity({ roomId: 'r' })}`, { headers: { origin: 'https://anybody.example' } }), 101)
})

t.test('no token reaches the log', async (t) => {
  const server = await startMediaServer(t)
  const { base, join, log } = await startApp(t, server.options, { fastify: {} })
  await (await join({ roomId: 'r', secret: 'hush' })).cut()
  await status(`${base}/signaling?%74oken=${identity({ error: {}, secret: 'hush' })}`)
  t.ok(log.some(({ msg }) => msg === 'incoming request'))
  t.notMatch(JSON.stringify(log), /hush/)
})

t.test('authenticate runs so many times at once; the others wait, and then are sent away', async (t) => {
  const server = await startMediaServer(t)
  const waiting: Array<() => void> = []
  const { fn: started, seen } = calls(2)
  const { base } = await startApp(t, server.options, {
    limits: { concurrentAuth: 2, waitingAuth: 1 },
    authenticate: async () => {
      started()
      await new Promise<void>((resolve) => waiting.push(resolve))
      return { roomId: 'r' }
    }
  })
  const first = [status(`${base}/signaling?token=1`), status(`${base}/signaling?token=2`)]
  await seen
  const others = [status(`${base}/signaling?token=3`), status(`${base}/signaling?token=4`)]
  t.equal(await Promise.race(others), 503, 'one too many')
  t.equal(waiting.length, 2, 'the other one waits')
  waiting.shift()!()
  while (waiting.length < 2) await Promise.race([...first])
  for (const go of waiting) go()
  t.same((await Promise.all([...first, ...others])).sort(), [101, 101, 101, 503])
})

t.test('an authenticate that hangs is given up', async (t) => {
  const server = await startMediaServer(t)
  const clock = new ManualClock()
  const { fn: started, seen } = calls(1)
  const { base } = await startApp(t, server.options, {
    clock,
    authenticate: async () => {
      started()
      return await new Promise(() => {})
    }
  })
  const answer = status(`${base}/signaling?token=1`)
  await seen
  clock.advance(4_999)
  clock.advance(1)
  t.equal(await answer, 503)
})

t.test('a peer ends when its identity does', async (t) => {
  const server = await startMediaServer(t)
  const clock = new ManualClock()
  const { app, join } = await startApp(t, server.options, { clock, heartbeat: { clientMs: 2 ** 31 - 1, trunkMs: 2 ** 31 - 1 } })
  const joined = calls(1)
  app.trunkline.addHook('onPeerJoin', joined.fn)
  const client = await join({ roomId: 'r', expiresAt: clock.now() + 3_600_000 })
  await joined.seen
  clock.advance(3_600_000)
  t.same(await client.closed, { code: 4401, reason: 'expired token' })
  await t.rejects(join({ roomId: 'r', expiresAt: clock.now() }), { name: 'UpgradeRefused', message: /401/ })
})

t.test('an expiry beyond what a timer holds does not come at once', async (t) => {
  const server = await startMediaServer(t)
  const clock = new ManualClock()
  const { join, app } = await startApp(t, server.options, { clock, heartbeat: { clientMs: 2 ** 31 - 1, trunkMs: 2 ** 31 - 1 } })
  const joined = calls(1)
  app.trunkline.addHook('onPeerJoin', joined.fn)
  const client = await join({ roomId: 'r', expiresAt: clock.now() + 2 ** 32 })
  await joined.seen
  clock.advance(2 ** 31)
  t.equal(app.trunkline.peers.size, 1)
  clock.advance(2 ** 31)
  t.equal((await client.closed).code, 4401)
})

t.test('a plain request is told that this is for WebSockets', async (t) => {
  const server = await startMediaServer(t)
  const { host } = await startApp(t, server.options)
  const answer = await fetch(`http://${host}/signaling?token=x`)
  t.equal(answer.status, 426)
  await answer.body?.cancel()
})

t.test('a fault of the app\'s own does not tell clients never to come back', async (t) => {
  const server = await startMediaServer(t)
  const errors: Record<string, () => unknown> = {
    bug: () => (undefined as unknown as { x: number }).x,
    database: () => { throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', syscall: 'connect', errno: -111 }) },
    token: () => JSON.parse('not a token')
  }
  const { base } = await startApp(t, server.options, {
    authenticate: (_request, { token }) => {
      errors[token]!()
      return { roomId: 'r' }
    }
  })
  t.equal(await status(`${base}/signaling?token=bug`), 503)
  t.equal(await status(`${base}/signaling?token=database`), 503)
  t.equal(await status(`${base}/signaling?token=token`), 401)
})

t.test('of those who have not shown who they are, so many are borne', async (t) => {
  const server = await startMediaServer(t)
  const { app, base, join } = await startApp(t, server.options, { limits: { unauthenticatedLinks: 2 } })
  const strangers = [await FakeClient.connect(`${base}/socket/peer/websocket`), await FakeClient.connect(`${base}/socket/peer/websocket`)]
  const third = await FakeClient.connect(`${base}/socket/peer/websocket`)
  t.same(await third.closed, { code: 1013, reason: 'too many at once' })
  await join()
  t.equal(app.trunkline.stats().links, 3)
  await strangers[0]!.cut()
  while (app.trunkline.stats().links > 2) await new Promise((resolve) => setImmediate(resolve))
  const next = await FakeClient.connect(`${base}/socket/peer/websocket`)
  t.equal(next.socket.readyState, 1)
})
