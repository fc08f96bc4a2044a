import { Backend } from './backend.js'
import type { Said } from './backend.js'
import type { Client } from './client.js'
import { describe } from './describe.js'
import { MediaServer } from './media-server.js'
import type { ServerSession } from './media-server.js'
import { Network } from './network.js'
import type { Connection } from './network.js'
import { PlainClient } from './plain-client.js'
import { Later } from './process.js'
import type { Process } from './process.js'
import { Random } from './random.js'
import { Report } from './report.js'
import { SdkClient } from './sdk-client.js'
import { makeSetup } from './setup.js'
import type { Setup } from './setup.js'
import { SimSocket } from './sockets.js'
import type { Streams } from './streams.js'

/** So many turns of the event loop after each step: batches of the trunk that promises fill leave in the second, and what those set free in the third. */
const TURNS = 3
/** No clock moves further at once: whatever is sent at a beat has time to arrive before the next. */
const LEAP_MS = 500
const SLOW_MS = 150

/** Everything there is in a run. Nothing in it happens by itself. */
export class World {
  readonly random: Random
  readonly setup: Setup
  readonly report: Report
  readonly network: Network
  readonly later: Later
  readonly streams: Streams = new Map()
  readonly clients: Client[] = []
  /** Those that are no more, or not yet, are null. */
  readonly backends: Array<Backend | null> = []
  /** Those that let go of their clients while their successors are there already. */
  readonly draining = new Set<Backend>()
  mediaServer: MediaServer | null
  /** Whether nothing goes wrong any more. */
  isCalm = false
  now = 1_700_000_000_000
  steps = 0
  readonly #names: Record<string, number> = {}

  constructor (seed: number, print: ((line: string) => void) | null = null) {
    this.random = new Random(seed)
    this.setup = makeSetup(this.random)
    this.report = new Report(print)
    this.later = new Later(this.random, () => this.now, (line) => this.report.trace(line))
    this.network = new Network(this.random, ({ name, kind, up }, pipe, item) => {
      const detail = item.kind === 'message' ? ` ${item.binary ? 'binary' : 'text'} ${item.data.length}` : item.kind === 'close' ? ` ${item.code}` : ''
      this.report.trace(`${name} ${pipe === up ? '>' : '<'} ${item.kind}${detail}`)
      if (this.report.isPrinting && item.kind === 'message') print!(`    ${describe(kind, item, this.setup.encoding)}`)
    })
    this.mediaServer = new MediaServer(this, this.newName('m'))
    for (let i = 0; i < this.setup.backends; i++) this.backends.push(new Backend(this, this.newName('b')))
    const { sdkClients, plainClients, rivals } = this.setup
    for (let i = 0; i < sdkClients; i++) this.clients.push(new SdkClient(this, this.newName('c'), rivals && i < 2 ? 'rival' : null))
    for (let i = 0; i < plainClients; i++) this.clients.push(new PlainClient(this, this.newName('p'), rivals && this.random.chance(0.3) ? 'rival' : null))
    for (const client of this.clients) client.start()
  }

  newName (of: string): string {
    const number = this.#names[of] = (this.#names[of] ?? 0) + 1
    return of + number
  }

  get liveBackends (): Backend[] {
    return this.backends.filter((backend) => backend !== null)
  }

  get sessions (): ServerSession[] {
    return [...this.mediaServer?.sessions.values() ?? []]
  }

  * #processes (): Iterable<Process> {
    yield * this.clients
    yield * this.liveBackends
    yield * this.draining
    if (this.mediaServer !== null) yield this.mediaServer
  }

  // The network

  dialLink (client: Client, protocols: string[], token: string): SimSocket {
    const connection = this.network.connect('link', this.newName(client.name + '-'))
    const socket = client.has(new SimSocket(connection, 'client', protocols.length === 0))
    client.connection = connection
    client.backend = null
    if (!client.online) connection.freeze()
    this.#listen(connection, () => {
      const there = this.liveBackends
      if (there.length === 0) return connection.cut(this.random)
      const backend = this.random.pick(there)
      if (client.connection === connection) client.backend = backend
      this.report.trace(`${connection.name} leads to ${backend.name}`)
      void backend.connect(connection, { protocols, token })
    })
    return socket
  }

  dialTrunk (backend: Backend, protocol: string): SimSocket {
    const connection = this.network.connect('trunk', this.newName(backend.name + '-'))
    const socket = new SimSocket(connection, 'client')
    this.#listen(connection, () => {
      if (this.mediaServer === null) connection.cut(this.random)
      else this.mediaServer.connect(connection, protocol)
    })
    return socket
  }

  #listen (connection: Connection, connected: () => void): void {
    connection.up.receiver = {
      reads: true,
      inChunks: false,
      receive: ({ kind }) => {
        if (kind === 'connect') connected()
        else connection.abandoned = true
      }
    }
    connection.up.put({ kind: 'connect' })
  }

  /** Somebody comes to be taken in: whoever else has this identity is about to lose it, also to what its own last page had asked. */
  entered ({ client, identity, issued }: Said): void {
    for (const other of this.clients) {
      if (identity !== null && other.identity === identity && (other.name !== client || issued < other.since)) other.excuse('taken over')
    }
  }

  /** Whether somebody else of the same identity is on the way in, or in. */
  hasRival ({ identity, name }: Client): boolean {
    return this.clients.some((other) => identity !== null && other.identity === identity && other.name !== name && !other.isOver)
  }

  clientOf (name: string): Client | undefined {
    return this.clients.find((client) => client.name === name)
  }

  // Time

  /** Lets everything happen that needs neither the network nor a clock. */
  async settle (): Promise<void> {
    for (let i = 0; i < TURNS; i++) await new Promise((resolve) => setImmediate(resolve))
    this.network.sweep()
  }

  async advance (ms: number): Promise<void> {
    // A network that works is not slower than that.
    if (ms > SLOW_MS) await this.deliverAll()
    for (const client of this.clients) if (client.isHealthy) client.lastHealthy = this.now
    for (const backend of this.liveBackends) backend.look()
    // Neither the app nor its database is so slow that its time is up.
    this.later.settleAll(400)
    await this.settle()
    this.now += ms
    this.report.trace(`+${ms} ms`)
    for (const process of [...this.#processes()]) if (process.alive) process.clock.advance(ms)
    await this.settle()
  }

  /** Lets time pass while everything that can arrive does. */
  async pass (ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= LEAP_MS) {
      await this.deliverAll()
      await this.advance(Math.min(left, LEAP_MS))
    }
    await this.deliverAll()
  }

  async deliver (): Promise<boolean> {
    if (!this.network.deliver()) return false
    await this.settle()
    return true
  }

  async deliverAll (): Promise<void> {
    // Bounded, since two that answer each other for ever are a finding, not a reason to hang.
    for (let i = 0; i < 2_000; i++) if (!await this.deliver()) return
    this.report.violation('stuck', 'the network never comes to rest')
  }
}
