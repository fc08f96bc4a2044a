import fastifyWebsocket from '@fastify/websocket'
import Fastify, { LogController } from 'fastify'
import type { FastifyInstance, FastifyRequest, FastifyServerOptions } from 'fastify'
import net from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { withoutToken } from '../../plugins/private-token.js'
import { startApp, startMediaServer } from '../support.js'
import type { TestOptions } from '../support.js'

// A client that is told the wrong path brings its token all the same.

/** What must be nowhere: as text, and as the bytes of a buffer that was logged. */
const SECRET = /hush|104,117,115,104/

/** Everything that is answered to this request, until the connection is closed. */
function answer (host: string, target: string, { method = 'GET', upgrade = true, headers = [] as string[] } = {}): Promise<string> {
  const asking = upgrade ? ['Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='] : ['Connection: close']
  return new Promise((resolve, reject) => {
    const [hostname, port] = host.split(':')
    const socket = net.connect(Number(port), hostname)
    let heard = ''
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1')
      if (heard.startsWith('HTTP/1.1 101')) socket.destroy()
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(heard))
    socket.write([`${method} ${target} HTTP/1.1`, `Host: ${host}`, ...asking, ...headers, '', ''].join('\r\n'))
  })
}

/** What clients ask for that are off the path, and the status that they get. */
const ASTRAY: Array<[number, string, Parameters<typeof answer>[2]?]> = [
  [404, '/sginaling?token=hush'],
  [404, '/sginaling?token=hush', { upgrade: false }],
  [404, '/sginaling?room=1&%74oken=hush;hush&x=2'],
  [404, '/sginaling?access_token=hush'],
  [404, '/signaling/?Token=hush'],
  [404, '//signaling?token=hush'],
  [404, '/signaling%3Ftoken%3Dhush'],
  [401, '/signaling??token=hush'],
  [404, 'http://example.org/nowhere?token=hush'],
  [404, '/signaling?token=hush', { method: 'POST', headers: ['Content-Length: 0'], upgrade: false }],
  [404, '/signaling?token=hush', { method: 'POST', headers: ['Content-Length: 0'] }],
  [426, '/signaling?token=hush', { upgrade: false }],
  [426, '/signaling?token=hush', { method: 'HEAD', upgrade: false }],
  [400, '/%zz?token=hush'],
  [400, '%zz?token=hush'],
  [400, '/signaling?token=hush', { headers: ['not a header'] }],
  [431, '/signaling?token=hush', { headers: [`X-Large: ${'x'.repeat(20_000)}`] }]
]

interface Witness {
  lines: string[]
  host: string
  app: FastifyInstance
}

async function startWitness (t: Test, { fastify = {}, ...options }: TestOptions = {}, given: (stream: { write (line: string): void }) => FastifyServerOptions = (stream) => ({ logger: { level: 'trace', stream } })): Promise<Witness> {
  const server = await startMediaServer(t)
  const lines: string[] = []
  const { host, app } = await startApp(t, server.options, {
    authenticate: () => ({ roomId: 'r' }), ...options, fastify: { ...given({ write: (line) => { lines.push(line) } }), ...fastify }
  })
  return { lines, host, app }
}

/** Sends every stray request, and looks at all that was said and written. */
async function checkAll (t: Test, { host, lines, app }: Witness, known: typeof ASTRAY = ASTRAY): Promise<void> {
  for (const [status, target, options] of known) {
    const heard = await answer(host, target, options)
    const what = `${options?.method ?? 'GET'} ${target}${options?.upgrade === false ? '' : ', upgrade'}`
    if (status !== 0) t.equal(Number(heard.split(' ')[1]), status, what)
    t.notMatch(heard, SECRET, `answer to ${what}`)
  }
  // What is logged when a request is over.
  await app.close()
  for (const line of lines) t.notMatch(line, SECRET, line.slice(0, 200))
}

t.test('no token that a client brings along on a wrong path is in any line of the log, at trace level, nor in an answer', async (t) => {
  const witness = await startWitness(t)
  await checkAll(t, witness)
  const logged = witness.lines.join('')
  for (const wanted of [/"msg":"incoming request"/, /"url":"\/sginaling\?token=\.\.\."/, /room=1&%74oken=\.\.\.&x=2/, /Route GET:\/sginaling\?token=\.\.\. not found/, /"msg":"client error"/, /"msg":"client header_overflow"/]) {
    t.match(logged, wanted)
  }
})

t.test('nor with a logger of the app\'s own, which is left as it is', async (t) => {
  const own: string[] = []
  const lender = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { own.push(line) } } } })
  const witness = await startWitness(t, {}, () => ({ logger: undefined, loggerInstance: lender.log }) as unknown as FastifyServerOptions)
  await checkAll(t, { ...witness, lines: own })
  t.match(own.join(''), /Route GET:\/sginaling\?token=\.\.\. not found/)
  lender.log.info({ req: { url: '/x?token=mine', headers: { upgrade: 'websocket' } } })
  t.match(own.at(-1), /token=mine/)
})

t.test('nor with serializers, a logger factory and request ids of the app\'s own, which go on working', async (t) => {
  const req = (request: FastifyRequest): Record<string, unknown> => ({ seen: [request.url, request.originalUrl, request.raw.url, request.query], host: request.host, ip: request.ip, own: true })
  const witness = await startWitness(t, {
    fastify: { genReqId: () => 'mine', childLoggerFactory: (logger, bindings, options) => logger.child({ ...bindings, made: 'by the app' }, options) }
  }, (stream) => ({ logger: { level: 'trace', stream, serializers: { req, path: (path: string) => `path ${path}` } } }))
  witness.app.log.info({ path: '/x?token=hush' })
  await checkAll(t, witness)
  const line = witness.lines.find((each) => each.includes('/sginaling'))
  t.match(JSON.parse(line!), { reqId: 'mine', made: 'by the app', req: { own: true, ip: '127.0.0.1', host: witness.host } })
  t.ok(witness.lines.some((each) => each.includes('path /x?token=...')))
})

t.test('nor with answers of the app\'s own to unknown paths, made before us or after us', async (t) => {
  const setUp = (app: FastifyInstance): void => {
    app.setNotFoundHandler(async (request, reply) => {
      request.log.info(`nothing at ${request.url}, once ${request.originalUrl}, in truth ${String(request.raw.url)}`)
      return await reply.code(404).send({ nothingAt: request.url })
    })
  }
  for (const when of ['before', 'after']) {
    const witness = await startWitness(t, { [when]: setUp })
    await checkAll(t, witness)
    t.match(witness.lines.join(''), /nothing at \/sginaling\?token=\.\.\./)
  }
})

t.test('nor where the app rewrites URLs, turns request logging off, or answers bad URLs itself', async (t) => {
  for (const fastify of [
    { rewriteUrl: ({ url }: { url?: string }) => url ?? '/' },
    { logController: new LogController({ disableRequestLogging: true }) },
    { frameworkErrors: (error: Error, request: FastifyRequest, reply: { code (n: number): { send (body: unknown): unknown } }) => { reply.code(400).send({ error: error.message, url: request.url, once: request.originalUrl }) } },
    { return503OnClosing: false, trustProxy: true }
  ]) {
    await checkAll(t, await startWitness(t, { fastify: fastify as FastifyServerOptions }))
  }
})

t.test('nor where a route of the app takes all that nobody else takes, whoever came first', async (t) => {
  const everything = (app: FastifyInstance): void => {
    app.get('/*', async (_request, reply) => { reply.callNotFound() })
  }
  const astray = ASTRAY.map(([status, ...rest]): typeof ASTRAY[number] => [status === 404 ? 0 : status, ...rest])
    // Not an upgrade, and a path that there is: what the app logs of it is its own affair.
    .filter(([, , options]) => options?.upgrade !== false)
  const first = await startWitness(t, { before: everything })
  await checkAll(t, first, astray)
  t.match(first.lines.join(''), /Route GET:\/sginaling\?token=\.\.\. not found/)
  const last = await startWitness(t, { after: everything })
  await checkAll(t, last, astray)
  t.match(last.lines.join(''), /"path":"\/sginaling\?token=\.\.\."/)
  const between = await startWitness(t, {
    before: async (app) => {
      await app.register(fastifyWebsocket, { options: { maxPayload: 1000 } })
      everything(app)
    }
  })
  await checkAll(t, between, astray)
  t.match(between.lines.join(''), /"path":"\/sginaling\?token=\.\.\."/)
})

t.test('a WebSocket route of the app\'s own has its token; the log does not', async (t) => {
  const seen: unknown[] = []
  const witness = await startWitness(t, {
    after: (app) => {
      app.register(async (scope) => {
        scope.get('/own', { websocket: true }, (socket, request) => {
          seen.push(request.url, request.query)
          socket.close()
        })
        scope.get('/reset', async (request) => request.url)
      })
    }
  })
  t.match(await answer(witness.host, '/own?token=hush&room=1'), /^HTTP\/1\.1 101/)
  while (seen.length === 0) await new Promise((resolve) => setImmediate(resolve))
  t.same(seen, ['/own?token=hush&room=1', { token: 'hush', room: '1' }])
  await checkAll(t, witness, [])
  t.match(witness.lines.join(''), /"url":"\/own\?token=\.\.\.&room=1"/)

  const other = await startWitness(t, { after: (app) => { app.get('/reset', async (request) => request.url) } })
  t.match(await answer(other.host, '/reset?token=mine', { upgrade: false }), /token=mine/)
  t.match(other.lines.join(''), /"url":"\/reset\?token=mine"/, 'what is no upgrade and no wrong path is the app\'s own affair')
})

t.test('in a child scope, what Fastify says of paths outside of it is the root\'s affair; the rest is as private', async (t) => {
  const lines: string[] = []
  const server = await startMediaServer(t)
  const { default: trunkline } = await import('../../plugins/trunkline.js')
  const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  await app.register(fastifyWebsocket, { options: { maxPayload: 1000 } })
  app.register(async (scope) => {
    await scope.register(trunkline, { mediaServer: server.options, authenticate: () => ({ roomId: 'r' }) })
    scope.setNotFoundHandler(async (request, reply) => await reply.code(404).send({ nothingAt: request.url }))
  }, { prefix: '/calls' })
  const host = (await app.listen({ port: 0, host: '127.0.0.1' })).replace('http://', '')
  t.match(await answer(host, '/sginaling?token=mine'), /token=mine/)
  t.match(lines.find((line) => line.includes('incoming request')), /"url":"\/sginaling\?token=\.\.\."/)
  await checkAll(t, { lines, host, app }, [[404, '/calls/sginaling?token=hush'], [400, '/%zz?token=hush'], [426, '/calls/signaling?token=hush', { upgrade: false }]])
})

t.test('what is taken for a token', async (t) => {
  t.equal(withoutToken('/a?b=1&token=x&c=2'), '/a?b=1&token=...&c=2')
  t.equal(withoutToken('/a?%74%6f%6B%65%6E=x'), '/a?%74%6f%6B%65%6E=...')
  t.equal(withoutToken('/a%3ftoken%3dx'), '/a%3ftoken%3d...')
  t.equal(withoutToken('/a?TOKEN=x=y;z'), '/a?TOKEN=...')
  t.equal(withoutToken('/a?token=x&token=y'), '/a?token=...&token=...')
  t.equal(withoutToken('/tokens/1?tokens=2&token'), '/tokens/1?tokens=2&token')
})
