import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import { codecs } from '../../lib/trunk/channel.js'
import type { Channel } from '../../lib/trunk/channel.js'
import { createEndpoint } from '../../lib/trunk/endpoint.js'
import type { Endpoint } from '../../lib/trunk/endpoint.js'
import trunkline from '../../plugins/trunkline.js'
import { Canary } from './canary.js'
import type { Message } from './corpus.js'
import { logTo, within } from './watch.js'
import type { Violations } from './watch.js'

export interface Backend {
  app: FastifyInstance
  host: string
  encoding: 'protobuf' | 'json'
  /** The media server's end of its trunk, of the moment. */
  trunk: WebSocket | null
  /** What the media server says when it is hostile, over the trunk of the moment. */
  say: (message: Message) => void
}

/** How long a session outlives its link or trunk here, in milliseconds: long enough for a trunk that is closed to be back. */
const WINDOW_MS = 2_000
const EMPTY_MS = WINDOW_MS + 15_000

/** Two backends, one for each encoding of the trunk, a media server that sends each event back, and canaries at both. */
export class Stage {
  readonly backends: Backend[]
  readonly endpoint: Endpoint
  readonly violations: Violations
  readonly nonce: string
  readonly #http: Server
  readonly #canaries: Canary[] = []

  private constructor (http: Server, endpoint: Endpoint, backends: Backend[], nonce: string, violations: Violations) {
    this.#http = http
    this.endpoint = endpoint
    this.backends = backends
    this.nonce = nonce
    this.violations = violations
  }

  static async open (nonce: string, violations: Violations): Promise<Stage> {
    const endpoint = createEndpoint({
      token: 'secret',
      resumeWindowMs: WINDOW_MS,
      maxTrunks: 1_000,
      onPeer: (peer) => {
        const isCanary = peer.id.startsWith('canary-')
        peer.on('mediaEvent', (data, binary) => {
          // Whatever comes to it in a canary's name is a canary's, and the other way round.
          if (isCanary !== (data.indexOf(nonce) === 0 && data.indexOf(peer.id) > 0)) violations.add(`the media server heard '${data.toString().slice(0, 60)}' of ${peer.id}`)
          peer.send(binary ? Buffer.from(data) : data.toString())
        })
      },
      log: { debug () {}, info () {}, warn () {}, error: (fields: unknown, message?: string) => violations.add(`the media server logged: ${message} ${(fields as { err?: Error }).err?.stack ?? ''}`), child () { return this } }
    })
    const http = createServer()
    const backends: Backend[] = []
    const accepting = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload: 2 ** 20, handleProtocols: (offered) => [...offered].find((name) => codecs.has(name)) ?? false })
    http.on('upgrade', (request, socket, head) => {
      const backend = backends[Number(/^\/backend(\d)$/.exec(request.url ?? '')?.[1] ?? -1)]
      if (backend === undefined) {
        void endpoint.handleUpgrade(request, socket, head)
        return
      }
      accepting.handleUpgrade(request, socket, head, (trunk) => {
        backend.trunk = trunk
        endpoint.accept(trunk, () => request.socket.bytesRead)
        backend.say = sayer(trunk, endpoint.channels.at(-1)!)
      })
    })
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    const stage = new Stage(http, endpoint, backends, nonce, violations)
    for (const encoding of ['protobuf', 'json'] as const) await stage.#addBackend(encoding)
    return stage
  }

  get trunkUrl (): string {
    return `ws://127.0.0.1:${(this.#http.address() as AddressInfo).port}`
  }

  async #addBackend (encoding: Backend['encoding']): Promise<void> {
    const app = Fastify({ logger: { level: 'warn', stream: logTo(this.violations) } })
    const index = this.backends.length
    const backend: Backend = { app, host: '', encoding, trunk: null, say () {} }
    this.backends.push(backend)
    await app.register(trunkline, {
      mediaServer: { url: `${this.trunkUrl}/backend${index}`, token: 'secret', encoding, retry: { baseMs: 1, maxMs: 5 } },
      authenticate: (_request, { token }) => JSON.parse(token) as { roomId: string },
      hooks: { onNotification: () => {}, onRecording: () => {} },
      limits: { messagesPerSecond: 1_000_000_000, messageBurst: 1_000_000_000, authPerSecond: 1_000_000, closeMs: 500, authMs: 2_000 },
      resume: { windowMs: WINDOW_MS }
    })
    await app.listen({ port: 0, host: '127.0.0.1' })
    backend.host = `127.0.0.1:${(app.server.address() as AddressInfo).port}`
    for (const kind of ['link', 'plain', 'fishjam'] as const) this.#canaries.push(await Canary.start(kind, backend.host, index, this.nonce, this.violations))
  }

  /** Fails what text of a canary's comes to where it should not. */
  check (who: string, data: Buffer): void {
    if (data.includes(this.nonce)) this.violations.add(`${who} heard a canary: '${data.toString().slice(0, 100)}'`)
  }

  /** The canaries still sing, and nobody else is left. */
  async quiet (): Promise<void> {
    const before = this.#canaries.map(({ heard }) => heard)
    if (!await within(10_000, () => this.#canaries.every(({ heard }, i) => heard > before[i]! + 1))) {
      const silent = this.#canaries.filter(({ heard }, i) => heard <= before[i]! + 1).map(({ name }) => name)
      this.violations.add(`nothing comes back to ${silent.join(', ')}`)
    }
    await this.#emptied(3)
  }

  /** @returns how many events of the canaries came back */
  async close (): Promise<number> {
    await Promise.all(this.#canaries.map(async (canary) => await canary.stop()))
    await this.#emptied(0)
    for (const { app } of this.backends) await app.close()
    if (!await within(EMPTY_MS, () => this.endpoint.stats().trunks === 0)) this.violations.add('trunks are left')
    await this.endpoint.close()
    for (const server of [this.#http, ...this.backends.map(({ app }) => app.server)]) {
      const open = await new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count ?? 0)))
      if (open > 0) this.violations.add(`${open} connections are left`)
    }
    this.#http.close()
    return this.#canaries.reduce((sum, { heard }) => sum + heard, 0)
  }

  async #emptied (each: number): Promise<void> {
    const state = (): string => JSON.stringify([this.endpoint.stats().peers, ...this.backends.map(({ app }) => {
      const { peers, links, rooms, detached } = app.trunkline.stats()
      return { peers, links, rooms, detached }
    })])
    const rooms = each > 0 ? 1 : 0
    const wanted = JSON.stringify([each * this.backends.length, ...this.backends.map(() => ({ peers: each, links: each, rooms, detached: 0 }))])
    if (!await within(EMPTY_MS, () => state() === wanted)) this.violations.add(`somebody is left: ${state()}, not ${wanted}`)
  }
}

/** Writes past the channel, and takes the credit for it: else the honest half would hear of more than it has sent. */
function sayer (trunk: WebSocket, channel: Channel): (message: Message) => void {
  let said = 0
  const credited = channel.credited.bind(channel)
  channel.credited = (bytes) => {
    const ours = Math.min(bytes, said)
    said -= ours
    credited(bytes - ours)
  }
  return ({ data, binary }) => {
    said += data.length
    trunk.send(data, { binary })
  }
}
