import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { FakeControlRooms } from './fake-control-rooms.js'
import type { FakeControlAnswer } from './fake-control-rooms.js'
import { Inbox } from './inbox.js'

/** A request as it came. */
export interface FakeControlRequest {
  method: string
  /** As it was sent, percent-encoded. */
  path: string
  headers: Record<string, string | string[] | undefined>
  /** The body, parsed; undefined: there was none, or it is no JSON. */
  body: unknown
}

/**
 * What becomes of a request instead of being carried out: an answer, whose body is said as JSON unless it is text or bytes; none
 * (`hang`); the connection reset (`reset`); or an answer that breaks off (`half`). With `isDone` it is carried out beside that.
 */
export type FakeControlFault = { status: number, headers?: Record<string, string>, body?: unknown, isDone?: boolean } | 'hang' | 'reset' | 'half' | 'done, and reset'

export interface FakeControlOptions {
  /** What it asks for; default 'secret'. */
  token?: string
  /** Where clients are sent that were added; default 'ws://127.0.0.1:1/signaling'. */
  publicUrl?: string
  /** Changed at any time. Default: every request is carried out. */
  respond?: (request: FakeControlRequest) => FakeControlFault | undefined
  /** Default 0: a free one. */
  port?: number
}

/** A media server's REST API with rooms in memory and no media, and with what goes wrong in a real one at the worst moment. */
export class FakeControl {
  /** Changed at any time. */
  respond: (request: FakeControlRequest) => FakeControlFault | undefined
  /** What it has: changed at will, for a peer that joins over the trunk for one. */
  readonly rooms: FakeControlRooms
  /** Every request since the start. */
  readonly requests: FakeControlRequest[] = []
  readonly token: string
  readonly #http: Server
  readonly #arrivals = new Inbox<FakeControlRequest>()
  #connections = 0

  private constructor (options: FakeControlOptions) {
    this.token = options.token ?? 'secret'
    this.respond = options.respond ?? (() => undefined)
    this.rooms = new FakeControlRooms(options.publicUrl ?? 'ws://127.0.0.1:1/signaling')
    this.#http = createServer((request, response) => { void this.#receive(request, response) })
    this.#http.on('connection', () => this.#connections++)
  }

  static async listen (options: FakeControlOptions = {}): Promise<FakeControl> {
    const server = new FakeControl(options)
    await new Promise<void>((resolve) => server.#http.listen(options.port ?? 0, '127.0.0.1', resolve))
    return server
  }

  get port (): number {
    return (this.#http.address() as AddressInfo).port
  }

  /** For `mediaServer.apiUrl`. */
  get url (): string {
    return `http://127.0.0.1:${this.port}/`
  }

  /** How many connections there have been. */
  get connections (): number {
    return this.#connections
  }

  /** The next request that is wanted: one that comes, or has come and was not taken yet. */
  async nextRequest (wanted: (request: FakeControlRequest) => boolean = () => true): Promise<FakeControlRequest> {
    return await this.#arrivals.take(wanted)
  }

  async close (): Promise<void> {
    this.#http.closeAllConnections()
    await new Promise((resolve) => this.#http.close(resolve))
  }

  async #receive (incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    try {
      for await (const chunk of incoming) chunks.push(chunk as Buffer)
    } catch {
      // Whoever asked is gone.
      return
    }
    const { method = '', url: path = '', headers } = incoming
    const request: FakeControlRequest = { method, path, headers, body: parsed(Buffer.concat(chunks).toString()) }
    this.requests.push(request)
    const fault = this.respond(request)
    if (fault === undefined || fault === 'done, and reset' || (typeof fault === 'object' && fault.isDone === true)) {
      const answer = headers.authorization === `Bearer ${this.token}` ? this.rooms.answer(method, path, request.body) : { status: 401, body: { errors: 'unauthorized' } }
      if (fault === undefined) say(response, answer)
    }
    if (fault === 'reset' || fault === 'done, and reset') incoming.socket.resetAndDestroy()
    else if (fault === 'half') half(response)
    else if (typeof fault === 'object') say(response, fault)
    // Last, so that whoever has waited for it finds it done.
    this.#arrivals.push(request)
  }
}

function parsed (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function say (response: ServerResponse, { status, headers, body }: FakeControlAnswer): void {
  const isText = typeof body === 'string' || Buffer.isBuffer(body)
  response.writeHead(status, { ...(body === undefined || isText ? {} : { 'content-type': 'application/json' }), ...headers })
  response.end(body === undefined || isText ? body : JSON.stringify(body))
}

/** Announces more than comes. */
function half (response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
  response.write('{"data":', () => response.destroy())
}
