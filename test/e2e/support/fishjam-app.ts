import { dirname } from 'node:path'
import type { Duplex } from 'node:stream'
import { build } from 'esbuild'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import trunkline from 'trunkline'
import type { Notification } from 'trunkline'
import { startMediaServer } from '../../../examples/video-call/media-server-process.js'
import { sourceOf } from './source.js'

/** An app with a page that has nothing but the client of Fishjam in it. */
export interface FishjamApp {
  readonly app: FastifyInstance
  /** Of the page. */
  readonly url: string
  /** Of the signaling, as the client takes it. */
  readonly signaling: string
  /** Tokens that clients have shown, in order. */
  readonly shown: string[]
  /** Ids of peers that have joined, in order. */
  readonly joined: string[]
  /** The clients' TCP connections, in order. */
  readonly sockets: Duplex[]
  close (): Promise<void>
}

/** `<peer id>` lets in for good, `<peer id>/<milliseconds>` for so long, `expired` not any more, and `wrong` not at all. */
export async function startFishjamApp (): Promise<FishjamApp> {
  const mediaServer = await startMediaServer(() => {})
  const shown: string[] = []
  const joined: string[] = []
  const sockets: Duplex[] = []
  const app = Fastify()
  await app.register(trunkline, {
    mediaServer: { url: mediaServer.url, token: mediaServer.token },
    authenticate (_request, { token }) {
      shown.push(token)
      if (token === 'wrong') throw new Error('nobody knows this token')
      if (token === 'expired') throw Object.assign(new Error('too old'), { code: 'TOKEN_EXPIRED' })
      const [peerId = '', ms] = token.split('/')
      return { roomId: 'room', peerId, ...ms === undefined ? {} : { expiresAt: Date.now() + Number(ms) } }
    },
    hooks: { onPeerJoin: ({ id }) => { joined.push(id) } }
  })
  app.server.on('upgrade', (_request, socket) => sockets.push(socket))

  const url = await listenWithPage(app)
  return {
    app,
    url,
    signaling: url.replace('http', 'ws'),
    shown,
    joined,
    sockets,
    async close () {
      await app.close()
      await mediaServer.stop()
    }
  }
}

/** The same page, of an app whose clients connect to the media server themselves. */
export async function startDirectFishjamApp (): Promise<Pick<FishjamApp, 'app' | 'url' | 'sockets' | 'close'> & { direct: string, notified: Notification[] }> {
  const mediaServer = await startMediaServer(() => {})
  const sockets: Duplex[] = []
  const notified: Notification[] = []
  const app = Fastify()
  await app.register(trunkline, {
    mode: 'direct',
    mediaServer: { url: mediaServer.url, token: mediaServer.token },
    hooks: { onNotification: (notification) => { notified.push(notification) } }
  })
  app.server.on('upgrade', (_request, socket) => sockets.push(socket))
  const url = await listenWithPage(app)
  return {
    app,
    url,
    direct: mediaServer.direct,
    sockets,
    notified,
    async close () {
      await app.close()
      await mediaServer.stop()
    }
  }
}

async function listenWithPage (app: FastifyInstance): Promise<string> {
  const script = await bundle()
  app.get('/', async (_request, reply) => reply.type('text/html').send('<!doctype html><title>Fishjam</title><script type="module" src="/client.js"></script>'))
  app.get('/client.js', async (_request, reply) => reply.type('text/javascript').send(script))
  return await app.listen({ port: 0, host: '127.0.0.1' })
}

async function bundle (): Promise<string> {
  const source = sourceOf('test/e2e/pages/fishjam-client.js')
  const { outputFiles } = await build({
    absWorkingDir: dirname(source), entryPoints: [source], bundle: true, format: 'esm', write: false, logLevel: 'silent'
  })
  return outputFiles[0]!.text
}
