import { WebSocket } from 'ws'
import { Inbox } from './inbox.js'

export interface FakeClientOptions {
  headers?: Record<string, string>
  protocols?: string[]
  /** Certificate authorities for `wss://` beside the system's own, in PEM. */
  ca?: string | Buffer
}

export interface ReceivedMessage {
  data: Buffer
  binary: boolean
}

/** The handshake was answered with an HTTP status instead of an upgrade. */
export class UpgradeRefused extends Error {
  override name = 'UpgradeRefused'
  readonly statusCode: number
  readonly headers: Record<string, string | string[] | undefined>

  constructor (statusCode: number, headers: Record<string, string | string[] | undefined>) {
    super(`the upgrade was refused with ${statusCode}`)
    this.statusCode = statusCode
    this.headers = headers
  }
}

/** A bare WebSocket client that keeps what it hears until it is asked for. */
export class FakeClient {
  readonly socket: WebSocket
  /** Resolves when the socket is gone. */
  readonly closed: Promise<{ code: number, reason: string }>
  readonly #inbox = new Inbox<ReceivedMessage>()

  private constructor (socket: WebSocket) {
    this.socket = socket
    socket.on('message', (data, binary) => this.#inbox.push({ data: data as Buffer, binary }))
    socket.on('error', () => {})
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.#inbox.end(new Error(`the client was closed: ${code} ${reason.toString()}`))
        resolve({ code, reason: reason.toString() })
      })
    })
  }

  /**
   * Resolves when the socket is open.
   * @throws UpgradeRefused with the HTTP status
   */
  static async connect (url: string, { headers = {}, protocols = [], ca }: FakeClientOptions = {}): Promise<FakeClient> {
    const socket = new WebSocket(url, protocols, { headers, perMessageDeflate: false, ...(ca === undefined ? {} : { ca }) })
    const client = new FakeClient(socket)
    await new Promise<void>((resolve, reject) => {
      socket.on('open', resolve)
      socket.on('error', reject)
      socket.on('unexpected-response', (request, response) => {
        reject(new UpgradeRefused(response.statusCode ?? 0, response.headers))
        request.destroy()
      })
    })
    return client
  }

  /** A string as text, bytes as binary. */
  send (data: string | Uint8Array): void {
    this.socket.send(data)
  }

  /** The next message. */
  async receive (): Promise<ReceivedMessage> {
    return await this.#inbox.take()
  }

  /** The next message, as text. */
  async receiveText (): Promise<string> {
    return (await this.receive()).data.toString()
  }

  /** What has arrived and was not taken. */
  get pending (): number {
    return this.#inbox.length
  }

  async close (code = 1000, reason = ''): Promise<void> {
    this.socket.close(code, reason)
    await this.closed
  }

  /** Drops the connection without a word. */
  async cut (): Promise<void> {
    this.socket.terminate()
    await this.closed
  }
}
