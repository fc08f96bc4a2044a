import fc from 'fast-check'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import type { AddressInfo, Socket } from 'node:net'
import { Writable } from 'node:stream'
import { FakeClient, FakeMediaServer } from '../lib/testing/index.js'
import type { FakeClientOptions, FakeMediaServerOptions } from '../lib/testing/index.js'
import trunkline from '../plugins/trunkline.js'
import type { TrunklineOptions } from '../plugins/trunkline.js'

/** What a test needs of tap. */
interface Teardown {
  teardown (fn: () => unknown): void
}

/** A token is JSON here: what `authenticate` shall answer, or an error that it shall throw. */
export async function authenticate (_request: unknown, { token }: { token: string }): Promise<{ roomId: string, peerId?: string, metadata?: unknown }> {
  const said = JSON.parse(token) as { error?: Record<string, unknown> }
  if (said.error !== undefined) throw Object.assign(new Error('no'), said.error)
  return said as { roomId: string }
}

export interface TestApp {
  app: FastifyInstance
  host: string
  /** `ws://...`, without a path. */
  base: string
  /** Connects a plain client as this identity. */
  join (identity?: Record<string, unknown>, options?: FakeClientOptions): Promise<FakeClient>
  /** The lines of the log so far, parsed. */
  log: Array<Record<string, unknown>>
  /** The clients' TCP connections, as the app has them. */
  sockets: Set<Socket>
}

export type TestOptions = Partial<TrunklineOptions> & { fastify?: FastifyServerOptions, before?: (app: FastifyInstance) => unknown, after?: (app: FastifyInstance) => unknown }

/** An app that listens, with the plugin on it; closed at the end of the test. */
export async function startApp (t: Teardown, mediaServer: TrunklineOptions['mediaServer'], { fastify = {}, before, after, ...options }: TestOptions = {}): Promise<TestApp> {
  const log: Array<Record<string, unknown>> = []
  const stream = new Writable({
    write (chunk: Buffer, _encoding, done) {
      log.push(JSON.parse(chunk.toString()) as Record<string, unknown>)
      done()
    }
  })
  const app = Fastify({ logger: { level: 'debug', stream }, ...fastify })
  t.teardown(() => app.close())
  await before?.(app)
  await app.register(trunkline, { mediaServer, authenticate, ...options })
  await after?.(app)
  const sockets = new Set<Socket>()
  app.server.on('upgrade', (_request, socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const host = `127.0.0.1:${(app.server.address() as AddressInfo).port}`
  const base = `ws://${host}`
  return {
    app,
    host,
    base,
    log,
    sockets,
    join: async (identity = { roomId: 'room' }, clientOptions = {}) => {
      const client = await FakeClient.connect(`${base}${options.path ?? '/signaling'}?token=${encodeURIComponent(JSON.stringify(identity))}`, clientOptions)
      t.teardown(() => client.cut())
      return client
    }
  }
}

/** A scriptable media server; closed at the end of the test. */
export async function startMediaServer (t: Teardown, options: FakeMediaServerOptions = {}): Promise<FakeMediaServer> {
  const server = await FakeMediaServer.listen(options)
  t.teardown(() => server.close())
  return server
}

/** Resolves at the first `onTrunk` with this state. */
export function trunkState (app: FastifyInstance, state: string): Promise<void> {
  return new Promise((resolve) => {
    if (app.trunkline.trunk.state === state) resolve()
    else app.trunkline.addHook('onTrunk', (now) => { if (now.state === state) resolve() })
  })
}

/** Resolves when `n` calls have been made to the function that comes with it. */
export function calls<Args extends unknown[]> (n: number): { fn: (...args: Args) => void, seen: Promise<Args[]> } {
  const all: Args[] = []
  let done = (_all: Args[]): void => {}
  const seen = new Promise<Args[]>((resolve) => { done = resolve })
  return { fn: (...args) => { if (all.push(args) === n) done(all) }, seen }
}

/** What comes, to be awaited one by one. */
export class Queue<Item> {
  readonly #items: Item[] = []
  #wanted: ((item: Item) => void) | null = null

  push (item: Item): void {
    if (this.#wanted === null) this.#items.push(item)
    else this.#wanted(item)
    this.#wanted = null
  }

  async next (): Promise<Item> {
    return this.#items.shift() ?? await new Promise<Item>((resolve) => { this.#wanted = resolve })
  }
}

/** Checks a property; one that fails is reported with the seed that replays it. */
export function holds<Ts> (t: { pass (message: string): unknown }, property: fc.IProperty<Ts>, parameters: fc.Parameters<Ts> = {}): void {
  fc.assert(property, parameters)
  t.pass('the property holds')
}
