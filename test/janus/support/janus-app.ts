import { dirname } from 'node:path'
import { build } from 'esbuild'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import trunkline, { janus } from 'trunkline'
import type { JanusOptions, MediaEvent, TrunklineOptions } from 'trunkline'
import { ChaosProxy } from 'trunkline/testing'
import { sourceOf } from '../../e2e/support/source.js'
import type { JanusServer } from './janus-server.js'

interface Teardown {
  teardown (fn: () => unknown): void
}

/** A way from clients to the backend, which harm can be done to. */
export interface Way {
  /** Of the page. */
  readonly url: string
  readonly proxy: ChaosProxy
}

/** An app between clients of Janus and a Janus. A token is the name of its peer. */
export interface JanusApp {
  readonly app: FastifyInstance
  /** Of a page that has nothing but janus.js in it. */
  readonly url: string
  /** Between the backend and Janus. */
  readonly trunk: ChaosProxy
  /** Tokens that clients have shown, in order. */
  readonly shown: string[]
  /** Peers that have joined, in order. */
  readonly joined: string[]
  /** Peers that have left, and why, in order. */
  readonly left: Array<{ id: string, cause: string }>
  /** Media events that passed the hooks. */
  readonly passed: { up: number, down: number }
  way (): Promise<Way>
}

export interface JanusAppOptions {
  driver?: Partial<JanusOptions>
  options?: Partial<TrunklineOptions>
}

/** All of it ends with the test. */
export async function startJanusApp (t: Teardown, server: JanusServer, { driver = {}, options = {} }: JanusAppOptions = {}): Promise<JanusApp> {
  const trunk = await ChaosProxy.listen({ target: { port: server.port } })
  t.teardown(() => trunk.close())
  const [shown, joined, left, passed] = [[] as string[], [] as string[], [] as JanusApp['left'], { up: 0, down: 0 }]
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(trunkline, {
    mediaServer: janus({ url: `ws://127.0.0.1:${trunk.port}`, apiSecret: server.apiSecret, retry: { baseMs: 50, maxMs: 250 }, ...driver }),
    dialects: ['janus'],
    authenticate (_request, { token }) {
      shown.push(token)
      if (token === 'wrong') throw new Error('nobody knows this token')
      return { roomId: 'room', peerId: token, subject: token, metadata: { name: token } }
    },
    hooks: {
      onPeerJoin: ({ id }) => { joined.push(id) },
      onPeerLeave: ({ id }, { cause }) => { left.push({ id, cause }) },
      onUplink: (event, { metadata }) => {
        passed.up++
        return named(event, (metadata as { name: string }).name)
      },
      onDownlink: () => { passed.down++ }
    },
    ...options
  })
  const script = await bundle()
  app.get('/', async (_request, reply) => reply.type('text/html').send('<!doctype html><title>Janus</title><link rel="icon" href="data:,"><body><script type="module" src="/client.js"></script>'))
  app.get('/client.js', async (_request, reply) => reply.type('text/javascript').send(script))
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  return {
    app,
    url,
    trunk,
    shown,
    joined,
    left,
    passed,
    async way () {
      const proxy = await ChaosProxy.listen({ target: { port: Number(new URL(url).port) } })
      t.teardown(() => proxy.close())
      return { url: `http://127.0.0.1:${proxy.port}`, proxy }
    }
  }
}

/** Who joins a room does so under the name that the backend knows. */
function named (event: MediaEvent, name: string): string | undefined {
  const message = JSON.parse(event.text()) as { body?: { request?: string, ptype?: string, display?: string } }
  if (message.body?.request !== 'join' || message.body.ptype !== 'publisher') return
  message.body.display = name
  return JSON.stringify(message)
}

async function bundle (): Promise<string> {
  const source = sourceOf('test/janus/pages/janus-client.js')
  const { outputFiles } = await build({ absWorkingDir: dirname(source), entryPoints: [source], bundle: true, format: 'esm', write: false, logLevel: 'silent' })
  return outputFiles[0]!.text
}
