import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import WebSocket from 'ws'
import { Link } from '../../../lib/client/index.js'
import type { LinkEvents, LinkOptions, Network } from '../../../lib/client/index.js'
import { ACK, BINARY_EVENT, CONTROL, LINK_SUBPROTOCOL, SKIP, ackMessage, binaryEventMessage, controlMessage, readMessage, skipMessage } from '../../../lib/session/messages.js'
import type { BackendControl, ClientControl, Joined } from '../../../lib/session/messages.js'
import { Inbox } from '../../../lib/testing/index.js'

/** What a test needs of tap. */
export interface Teardown {
  teardown (fn: () => unknown): void
}

export type Join = Extract<ClientControl, { type: 'join' }>

/** One message of a client. */
export type Said = ClientControl | { type: 'event', event: string | Uint8Array } | { type: 'ack', received: number } | { type: 'skip' }

/** Reads a message of a client as the backend does. */
export function readSaid (data: string | Uint8Array): Said {
  if (typeof data === 'string') return { type: 'event', event: data }
  const message = readMessage(data)
  switch (message?.kind) {
    case CONTROL: return message.control as ClientControl
    case BINARY_EVENT: return { type: 'event', event: new Uint8Array(message.data) }
    case ACK: return { type: 'ack', received: message.received }
    case SKIP: return { type: 'skip' }
    default: throw new Error('a client says nothing else')
  }
}

/** How the answer to a `join` looks where nothing else is wanted. */
export function answerTo ({ id, resume }: Join, given: Partial<Joined> = {}): Joined {
  return {
    type: 'joined',
    id,
    peerId: resume?.peerId ?? 'peer',
    roomId: 'room',
    recordings: null,
    key: 'key',
    resumed: resume !== undefined,
    received: 0,
    windowBytes: 256 * 1024,
    heartbeatMs: 10_000,
    resumeWindowMs: 30_000,
    ...given
  }
}

/** The backend's side of one link, which does what the test says and nothing else. */
export class BackendLink {
  readonly said = new Inbox<Said>()
  readonly closed: Promise<{ code: number, reason: string }>
  readonly #socket: WebSocket

  constructor (socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (data: Buffer, binary) => this.said.push(readSaid(binary ? data : data.toString())))
    this.closed = new Promise((resolve) => socket.on('close', (code, reason) => {
      this.said.end(new Error(`closed: ${code}`))
      resolve({ code, reason: reason.toString() })
    }))
  }

  async join (): Promise<Join> {
    return await this.said.take(({ type }) => type === 'join') as Join
  }

  /** Lets the client in. */
  async admit (given: Partial<Joined> = {}): Promise<Join> {
    const join = await this.join()
    this.control(answerTo(join, given))
    return join
  }

  async event (): Promise<string | Uint8Array> {
    return (await this.said.take(({ type }) => type === 'event') as { event: string | Uint8Array }).event
  }

  async ack (): Promise<number> {
    return (await this.said.take(({ type }) => type === 'ack') as { received: number }).received
  }

  control (control: BackendControl | { type: string }): void {
    this.raw(controlMessage(control as BackendControl))
  }

  send (event: string | Uint8Array): void {
    this.raw(typeof event === 'string' ? event : binaryEventMessage(event))
  }

  skip (): void {
    this.raw(skipMessage())
  }

  acknowledge (received: number): void {
    this.raw(ackMessage(received))
  }

  raw (message: string | Uint8Array): void {
    this.#socket.send(message)
  }

  close (code: number, reason = ''): void {
    this.#socket.close(code, reason)
  }

  /** As a lost network does, as far as anybody notices. */
  cut (): void {
    this.#socket.terminate()
  }
}

/** A backend on a real socket. */
export class FakeBackend {
  readonly links = new Inbox<BackendLink>()
  readonly offered: string[][]
  /** How many sockets are open now, and how many were at most. */
  open = 0
  most = 0
  readonly #server: WebSocketServer

  private constructor (server: WebSocketServer, offered: string[][]) {
    this.offered = offered
    this.#server = server
    server.on('connection', (socket) => {
      this.most = Math.max(this.most, ++this.open)
      socket.on('close', () => this.open--)
      this.links.push(new BackendLink(socket))
    })
  }

  static async listen (t: Teardown, subprotocol: string | false = LINK_SUBPROTOCOL): Promise<FakeBackend> {
    const offered: string[][] = []
    const server = new WebSocketServer({
      port: 0,
      host: '127.0.0.1',
      handleProtocols: (protocols) => {
        offered.push([...protocols])
        return subprotocol
      }
    })
    const backend = new FakeBackend(server, offered)
    await new Promise((resolve) => server.once('listening', resolve))
    t.teardown(() => backend.close())
    return backend
  }

  get url (): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/signaling`
  }

  async link (): Promise<BackendLink> {
    return await this.links.take()
  }

  async close (): Promise<void> {
    for (const socket of this.#server.clients) socket.terminate()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** What a link has told, in order. */
export type Told = { [Name in keyof LinkEvents]: [Name, ...LinkEvents[Name]] }[keyof LinkEvents]

export const EVENT_NAMES = ['mediaEvent', 'state', 'joined', 'reset', 'trunk', 'failed'] as const

export class TestLink extends Link {
  readonly told = new Inbox<Told>()

  constructor (options: LinkOptions) {
    super(options)
    for (const name of EVENT_NAMES) this.on(name, (...args: unknown[]) => this.told.push([name, ...args] as Told))
  }

  /** The arguments of the next event of this name; those of other names stay. */
  async hears<Name extends keyof LinkEvents> (name: Name): Promise<LinkEvents[Name]> {
    const [, ...args] = await this.told.take(([told]) => told === name)
    return args as LinkEvents[Name]
  }

  async becomes (state: string): Promise<void> {
    await this.told.take((told) => told[0] === 'state' && told[1] === state)
  }
}

/** Comes back at once, for as long as it takes. */
export const atOnce = { delayMs: () => 0 }

/** A link to a backend; destroyed at the end of the test. */
export function linkTo (t: Teardown, { url }: { url: string }, options: Partial<LinkOptions> = {}): TestLink {
  const link = new TestLink({ url, WebSocket, reconnect: atOnce, ...options })
  t.teardown(() => link.destroy())
  return link
}

/** A link that is joined, and the backend's side of it. */
export async function joinedLink (t: Teardown, backend: FakeBackend, options: Partial<LinkOptions> = {}, given: Partial<Joined> = {}): Promise<{ link: TestLink, far: BackendLink }> {
  const link = linkTo(t, backend, options)
  link.join()
  const far = await backend.link()
  await far.admit(given)
  await link.hears('joined')
  link.told.takeAll()
  return { link, far }
}

/** A network that is what the test makes it. */
export class FakeNetwork implements Network {
  online = true
  readonly watchers = new Set<Parameters<Network['watch']>[0]>()

  watch (observer: Parameters<Network['watch']>[0]): () => void {
    this.watchers.add(observer)
    return () => { this.watchers.delete(observer) }
  }

  turn (online: boolean): void {
    this.online = online
    for (const watcher of [...this.watchers]) if (online) watcher.online(); else watcher.offline()
  }

  show (): void {
    for (const watcher of [...this.watchers]) watcher.visible()
  }
}
