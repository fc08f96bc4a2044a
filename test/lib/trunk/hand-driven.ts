import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocket } from 'ws'
import { Inbox } from '../../../lib/testing/index.js'
import { messageOf } from '../../../lib/trunk/codec.js'
import { protobufCodec } from '../../../lib/trunk/frames.js'
import { createEndpoint } from '../../../lib/trunk/endpoint.js'
import type { Endpoint, EndpointOptions, EndpointPeer } from '../../../lib/trunk/endpoint.js'
import { frame } from '../../../lib/trunk/schema.js'
import type { Bodies, Frame, Kind } from '../../../lib/trunk/schema.js'

/** A media server, and backends for it that are driven by hand. */
export interface Served {
  endpoint: Endpoint
  url: string
  peers: Inbox<EndpointPeer>
  /** A hand-driven backend; `hello` is said already. */
  backend (hello?: Partial<Bodies['hello']> | null): Promise<Backend>
}

/** One trunk, frame by frame. */
export class Backend {
  readonly socket: WebSocket
  readonly closed: Promise<{ code: number, reason: string }>
  readonly #frames = new Inbox<Frame>()

  constructor (socket: WebSocket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('message', (data) => { for (const received of protobufCodec.decode(data as Buffer)) this.#frames.push(received) })
    this.closed = new Promise((resolve) => socket.on('close', (code, reason) => {
      this.#frames.end(new Error(`closed with ${code}`))
      resolve({ code, reason: reason.toString() })
    }))
  }

  send (...frames: Frame[]): void {
    this.socket.send(messageOf(protobufCodec, frames))
  }

  async receive<K extends Kind> (kind: K): Promise<Extract<Frame, { kind: K }>> {
    return await this.#frames.take((received) => received.kind === kind) as Extract<Frame, { kind: K }>
  }

  /** What has come and was not taken. */
  rest (): Frame[] {
    return this.#frames.takeAll()
  }

  async open (peerId: string, body: Partial<Bodies['open']> = {}): Promise<Frame> {
    this.send(frame('open', { id: 1, roomId: 'r', metadata: '{"n":1}', key: '', received: 0, trace: '', asker: '', turn: 0, resumeOnly: false, ...body }, peerId))
    return await this.#frames.take(({ kind }) => kind === 'opened' || kind === 'refused')
  }
}

export async function serve (t: Tap, options: Partial<EndpointOptions> = {}): Promise<Served> {
  const peers = new Inbox<EndpointPeer>()
  const endpoint = createEndpoint({ token: 'secret', onPeer: (peer) => peers.push(peer), ...options })
  const server = createServer()
  server.on('upgrade', (request, socket, head) => { void endpoint.handleUpgrade(request, socket, head) })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    await endpoint.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    endpoint,
    url,
    peers,
    async backend (hello = {}) {
      const socket = new WebSocket(url, ['trunkline.v1'], { headers: { authorization: 'Bearer secret' } })
      t.teardown(() => socket.terminate())
      const backend = new Backend(socket)
      await new Promise((resolve, reject) => {
        socket.on('open', resolve)
        socket.on('error', reject)
      })
      if (hello !== null) {
        backend.send(frame('hello', { version: 1, backendId: `b${++backends}`, maxMessageBytes: 1024 * 1024, windowBytes: 0, ...hello }))
        await backend.receive('welcome')
      }
      return backend
    }
  }
}

let backends = 0

interface Tap { teardown (fn: () => unknown): void }
