import type { Random } from './random.js'

/** What travels in one direction of a connection. */
export type Item =
  | { kind: 'connect' }
  /** The upgrade was accepted, or refused. */
  | { kind: 'open', protocol: string }
  | { kind: 'refused', status: number }
  | { kind: 'message', data: Buffer, binary: boolean }
  | { kind: 'ping' }
  | { kind: 'pong' }
  | { kind: 'close', code: number, reason: string }
  /** Both have said goodbye. */
  | { kind: 'fin' }
  /** The connection is broken. */
  | { kind: 'gone' }

export interface Receiver {
  /** False while it is paused. */
  readonly reads: boolean
  /** Whether what has arrived together is handed over together, as `ws` does; a page has a turn for each message. */
  readonly inChunks: boolean
  receive (item: Item): void
}

/** What kernels and networks hold between two sockets before a writer has to wait, in bytes. */
const CAPACITY = 8 * 1024
const OVERHEAD = 8

export const sizeOf = (item: Item): number => OVERHEAD + (item.kind === 'message' ? item.data.length : 0)

/** One direction of a connection: first in, first out, and at times never. */
export class Pipe {
  readonly items: Item[] = []
  receiver: Receiver | null = null
  #bytes = 0
  #broken = false
  #writing: Array<() => void> = []

  /** Bytes that the writer's process still holds. */
  get unsent (): number {
    return Math.max(0, this.#bytes - CAPACITY)
  }

  get isBroken (): boolean {
    return this.#broken
  }

  put (item: Item, written?: () => void): void {
    if (this.#broken) return
    this.items.push(item)
    this.#bytes += sizeOf(item)
    if (written === undefined) return
    if (this.unsent === 0) process.nextTick(written)
    else this.#writing.push(written)
  }

  take (): Item | undefined {
    const item = this.items.shift()
    if (item === undefined) return undefined
    this.#bytes -= sizeOf(item)
    if (this.unsent === 0) for (const written of this.#writing.splice(0)) process.nextTick(written)
    return item
  }

  /** Nothing that is put in from now on arrives; of what is under way, so many items do, and then the news. */
  break (arriving: number): void {
    if (this.#broken) return
    this.#broken = true
    this.items.length = Math.min(this.items.length, arriving)
    this.items.push({ kind: 'gone' })
  }

  /** The receiver hears no more of it. */
  silence (): void {
    this.#broken = true
    this.items.length = 0
  }

  /** The receiver's kernel throws away what was not read yet. */
  hurry (): void {
    this.items.splice(0, this.items.length - 1)
  }
}

export type ConnectionKind = 'link' | 'trunk'

export class Connection {
  readonly kind: ConnectionKind
  readonly name: string
  /** From who has connected, and towards them. */
  readonly up = new Pipe()
  readonly down = new Pipe()
  /** How often something arrives, beside others. */
  pace = 1
  /** Nothing arrives, and nobody is told. */
  frozen = false
  /** One of the machines is gone without a word: it never thaws. */
  lost = false
  /** Whether anything ever went wrong with it. */
  harmed = false
  /** Who has connected has given up before they were let in. */
  abandoned = false
  #cut = false

  constructor (kind: ConnectionKind, name: string) {
    this.kind = kind
    this.name = name
  }

  /** Whether it works as far as the network is concerned. */
  get isSound (): boolean {
    return !this.frozen && !this.#cut
  }

  get isCut (): boolean {
    return this.#cut
  }

  freeze (): void {
    this.frozen = this.harmed = true
  }

  /** Both sides hear of it, each in its own time, and after some of what was under way. */
  cut (random: Random): void {
    this.#cut = this.harmed = true
    for (const pipe of [this.up, this.down]) pipe.break(random.between(0, pipe.items.length))
  }
}

/** All connections, and what is under way on them. */
export class Network {
  readonly connections = new Set<Connection>()
  readonly #random: Random
  readonly #delivered: (connection: Connection, pipe: Pipe, item: Item) => void

  /** @param delivered is told of each item before its receiver is */
  constructor (random: Random, delivered: (connection: Connection, pipe: Pipe, item: Item) => void) {
    this.#random = random
    this.#delivered = delivered
  }

  connect (kind: ConnectionKind, name: string): Connection {
    const connection = new Connection(kind, name)
    if (this.#random.chance(0.2)) connection.pace = 0.1
    this.connections.add(connection)
    return connection
  }

  /** Pipes on which something may arrive now. */
  #ready (): Array<[Connection, Pipe]> {
    const ready: Array<[Connection, Pipe]> = []
    for (const connection of this.connections) {
      if (connection.frozen) continue
      for (const pipe of [connection.up, connection.down]) if (pipe.items.length > 0 && pipe.receiver?.reads === true) ready.push([connection, pipe])
    }
    return ready
  }

  /** Lets something arrive that is under way; false: there is nothing. */
  deliver (): boolean {
    const ready = this.#ready()
    if (ready.length === 0) return false
    const [connection, pipe] = this.#random.weighted(ready.map((way) => [way[0].pace, way] as const))
    const chunk = pipe.receiver!.inChunks && this.#random.chance(0.4) ? this.#random.between(2, 6) : 1
    // What was read together is handed over together, also to who says in the midst of it that it wants no more.
    for (let i = 0; i < chunk && pipe.items.length > 0; i++) {
      if (i > 0 && pipe.items[0]!.kind !== 'message') break
      const item = pipe.take()!
      this.#delivered(connection, pipe, item)
      pipe.receiver!.receive(item)
    }
    return true
  }

  sweep (): void {
    for (const connection of this.connections) {
      if (connection.up.isBroken && connection.down.isBroken && connection.up.items.length + connection.down.items.length === 0) this.connections.delete(connection)
    }
  }
}
