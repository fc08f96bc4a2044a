import type { ServerResponse } from 'node:http'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import t from 'tap'
import { silentLogger } from '../../lib/logger.js'
import { joinLink } from '../link-client.js'
import { startApp, startMediaServer } from '../support.js'

// What is kept for a client that says nothing: there may be ten thousand of them.

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

async function isCollected (ref: WeakRef<object>): Promise<boolean> {
  for (let i = 0; i < 50 && ref.deref() !== undefined; i++) {
    await new Promise((resolve) => setImmediate(resolve))
    collect()
  }
  return ref.deref() === undefined
}

/** The latest request, and what answers it. */
function watchRequests (app: FastifyInstance, seen: Record<'request' | 'reply' | 'response', WeakRef<object>>): void {
  app.addHook('onRequest', async (request, reply) => {
    seen.request = new WeakRef(request)
    seen.reply = new WeakRef(reply)
    seen.response = new WeakRef(reply.raw)
  })
}

t.test('what was there to answer the upgrade is not kept; the request is, for who may have to show anew who it is', async (t) => {
  const server = await startMediaServer(t)
  const none = new WeakRef({})
  const seen = { request: none, reply: none, response: none }
  const app = await startApp(t, server.options, { before: (app) => watchRequests(app, seen) })
  const { link } = await joinLink(t, app)
  t.ok(await isCollected(seen.reply), 'of a session, the reply is not')
  t.ok(await isCollected(seen.response), 'nor is the response')
  t.not(seen.request.deref(), undefined, 'the request is')
  const plain = await app.join()
  t.ok(await isCollected(seen.request), 'of a plain client, it is not')
  t.equal(app.app.trunkline.peers.size, 2)
  await plain.cut()
  await link.client.cut()
})

t.test('a response whose end somebody waits for has its end', async (t) => {
  const server = await startMediaServer(t)
  let closed = 0
  let response: ServerResponse | null = null
  const app = await startApp(t, server.options, {
    before: (app: FastifyInstance) => app.addHook('onRequest', async (_request, reply) => {
      response = reply.raw
      response.once('close', () => closed++)
    })
  })
  const client = await app.join()
  t.equal(closed, 0)
  await client.cut()
  while (app.app.trunkline.stats().links > 0) await new Promise((resolve) => setImmediate(resolve))
  t.equal(closed, 1)
})

t.test('a peer has a logger of its own once something is said of it', async (t) => {
  const server = await startMediaServer(t)
  const children: object[] = []
  const lines: string[] = []
  const logger = (bindings: object): FastifyBaseLogger => ({
    ...silentLogger,
    level: 'info',
    fatal () {},
    trace () {},
    silent () {},
    info: (_fields: unknown, message = '') => { lines.push(`${Object.keys(bindings).join(' ')}: ${message}`) },
    child (more: object) {
      children.push(more)
      return logger({ ...bindings, ...more })
    }
  }) as unknown as FastifyBaseLogger
  const app = await startApp(t, server.options, { fastify: { logger: false, loggerInstance: logger({}) } })
  await app.join({ roomId: 'r', peerId: 'p' })
  const ofPeers = (): object[] => children.filter((bindings) => 'peerId' in bindings)
  t.same(ofPeers(), [])
  const { log } = app.app.trunkline.peers.get('p')!
  log.info({}, 'is here')
  t.equal(app.app.trunkline.peers.get('p')!.log, log)
  t.same(ofPeers(), [{ peerId: 'p', roomId: 'r' }])
  t.ok(lines.some((line) => line.endsWith('peerId roomId: is here')), lines.join('\n'))
})
