import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { systemClock } from '../clock.js'
import type { Clock } from '../clock.js'
import { ChaosConnection, ChaosVerbs } from './chaos-connection.js'
import type { ChaosDirection, ChaosFaults } from './chaos-connection.js'
import type { Fault } from './chaos-pipe.js'

export interface ChaosTarget {
  port: number
  /** 127.0.0.1 by default. */
  host?: string
}

export interface ChaosProxyOptions {
  /** Where connections lead to. It need not listen yet. */
  target: ChaosTarget
  /** To listen on; 0, the default: any that is free. */
  port?: number
  /** For `delay` and `throttle`. */
  clock?: Clock
  /** Bytes that are held for each direction of each connection; with more, the proxy stops reading. 1 MiB by default. */
  maxHeldBytes?: number
}

/**
 * A TCP proxy on 127.0.0.1 that does to connections what networks do: between a client and a backend, or a backend and a
 * media server. Its verbs act on all connections that there are; `delay`, `throttle`, `freeze` and `thaw` also on those to
 * come. Where one side closes, half-closes or resets, the other sees the same, after the same faults as the bytes; what the
 * proxy does not read, since it is frozen or holds its bound, it does not see either.
 */
export class ChaosProxy extends ChaosVerbs {
  readonly #server: Server
  readonly #clock: Clock
  readonly #maxHeldBytes: number
  readonly #faults: ChaosFaults = { up: noFault(), down: noFault() }
  /** Until their sockets are gone. */
  readonly #connections = new Set<ChaosConnection>()
  /** Those that `nextConnection` has not given out. */
  readonly #fresh = new Set<ChaosConnection>()
  #waiting: Array<{ resolve: (connection: ChaosConnection) => void, reject: (error: Error) => void }> = []
  #target: ChaosTarget
  #refusing = false
  #accepted = 0
  #closed: Promise<void> | null = null

  private constructor (server: Server, { target, clock = systemClock, maxHeldBytes = 1024 * 1024 }: ChaosProxyOptions) {
    super()
    this.#server = server
    this.#target = target
    this.#clock = clock
    this.#maxHeldBytes = maxHeldBytes
    server.on('connection', (socket) => this.#connection(socket))
  }

  /**
   * Resolves when it listens.
   * @throws what the operating system says, such as EADDRINUSE
   */
  static async listen (options: ChaosProxyOptions): Promise<ChaosProxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true })
    const proxy = new ChaosProxy(server, options)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(options.port ?? 0, '127.0.0.1', resolve)
    })
    // A connection that cannot be accepted is its client's trouble.
    server.on('error', () => {})
    return proxy
  }

  /** On 127.0.0.1. After `close` it is known no more. */
  get port (): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Those that live, oldest first. */
  get connections (): ChaosConnection[] {
    return [...this.#connections].filter(({ live }) => live)
  }

  /** How many connections were accepted so far, those refused not counted. */
  get accepted (): number {
    return this.#accepted
  }

  /**
   * The oldest connection that lives and was not given out yet, or the next one that is accepted. It may not have reached the
   * target yet.
   * @throws when the proxy is closed, or was
   */
  async nextConnection (): Promise<ChaosConnection> {
    for (const connection of this.#fresh) {
      this.#fresh.delete(connection)
      if (connection.live) return connection
    }
    if (this.#closed !== null) throw proxyClosed()
    return await new Promise((resolve, reject) => { this.#waiting.push({ resolve, reject }) })
  }

  /** Where the connections to come lead to. */
  retarget (target: ChaosTarget): void {
    this.#target = target
  }

  /** Whether connections to come are reset at once. */
  refuse (refusing: boolean): void {
    this.#refusing = refusing
  }

  override cut (): void {
    for (const connection of this.connections) connection.cut()
  }

  override reset (): void {
    for (const connection of this.connections) connection.reset()
  }

  override halfClose (direction: ChaosDirection): void {
    for (const connection of this.connections) connection.halfClose(direction)
  }

  /** Listens no more and cuts all connections; resolves when their sockets are gone. */
  async close (): Promise<void> {
    await (this.#closed ??= this.#close())
  }

  /** @internal */
  override change (direction: ChaosDirection, change: Partial<Fault>): void {
    Object.assign(this.#faults[direction], change)
    for (const connection of this.connections) connection.change(direction, change)
  }

  async #close (): Promise<void> {
    for (const { reject } of this.#waiting) reject(proxyClosed())
    this.#waiting = []
    const closed = new Promise((resolve) => { this.#server.close(resolve) })
    this.cut()
    await Promise.all([closed, ...[...this.#connections].map(({ closed }) => closed)])
  }

  #connection (client: Socket): void {
    if (this.#refusing) {
      client.on('error', () => {})
      client.resetAndDestroy()
      return
    }
    const target = connect({ host: '127.0.0.1', ...this.#target, allowHalfOpen: true, noDelay: true })
    const connection = new ChaosConnection(client, target, { clock: this.#clock, maxHeldBytes: this.#maxHeldBytes, faults: this.#faults })
    this.#accepted++
    this.#connections.add(connection)
    void connection.closed.then(() => {
      this.#connections.delete(connection)
      this.#fresh.delete(connection)
    })
    const waiter = this.#waiting.shift()
    if (waiter === undefined) this.#fresh.add(connection)
    else waiter.resolve(connection)
  }
}

const noFault = (): Fault => ({ delayMs: 0, bytesPerSecond: null, frozen: false })
const proxyClosed = (): Error => new Error('the proxy is closed')
