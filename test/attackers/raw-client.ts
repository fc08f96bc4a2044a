import net from 'node:net'

export const TEXT = 0x1
export const BINARY = 0x2
export const CONTINUATION = 0x0
export const CLOSE = 0x8
export const PING = 0x9
export const PONG = 0xa

export interface FrameOptions {
  fin?: boolean
  /** The reserved bits, as they stand in the first byte: 0x40 is RSV1. */
  reserved?: number
  /** What the header says of the length, whatever follows it. */
  announced?: number
}

/** A WebSocket frame as a client sends it, masked with zeros; nothing about it has to be right. */
export function rawFrame (opcode: number, payload: Uint8Array | string = '', { fin = true, reserved = 0, announced }: FrameOptions = {}): Buffer {
  const body = Buffer.from(payload as string)
  const length = announced ?? body.length
  const head = Buffer.alloc(length < 126 ? 6 : length < 65_536 ? 8 : 14)
  head[0] = (fin ? 0x80 : 0) | reserved | opcode
  head[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127)
  if (head.length === 8) head.writeUInt16BE(length, 2)
  else if (head.length === 14) head.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([head, body])
}

/** One frame as the server sends it. */
interface Frame { opcode: number, payload: Buffer }

/** A TCP connection that speaks HTTP and WebSocket by hand: what no client's library would send. */
export class RawClient {
  readonly socket: net.Socket
  /** The status line and headers of the answer. Rejects when the connection ends before. */
  readonly answered: Promise<string>
  /** The code of the close frame, or 1006 where the connection ended without one. */
  readonly closed: Promise<number>
  readonly #waiting: Array<() => void> = []
  #input = Buffer.alloc(0)
  #pongs = 0
  #code = 1006
  #answer!: { resolve (head: string): void, reject (error: Error): void }
  #isAnswered = false
  #sawClose = (): void => {}

  constructor (host: string) {
    const [address, port] = host.split(':') as [string, string]
    this.socket = net.connect({ host: address, port: Number(port), allowHalfOpen: true })
    this.answered = new Promise((resolve, reject) => { this.#answer = { resolve, reject } })
    this.answered.catch(() => {})
    this.closed = new Promise((resolve) => {
      this.#sawClose = () => resolve(this.#code)
      this.socket.on('close', () => {
        this.#answer.reject(new Error('the connection ended before an answer'))
        resolve(this.#code)
        for (const wake of this.#waiting.splice(0)) wake()
      })
    })
    this.socket.on('error', () => {})
    this.socket.on('data', (data: Buffer) => this.#read(data))
    // The far side is done: so are we, unless a test holds the connection open itself.
    this.socket.on('end', () => this.socket.end())
  }

  /** Asks for an upgrade, and does not wait for the answer. */
  static ask (host: string, path: string, headers: Record<string, string> = {}): RawClient {
    const client = new RawClient(host)
    client.socket.write(upgradeRequest(host, path, headers))
    return client
  }

  /** @throws Error it was answered with another status than 101 */
  static async connect (host: string, path: string, headers: Record<string, string> = {}): Promise<RawClient> {
    const client = RawClient.ask(host, path, headers)
    const head = await client.answered
    if (!head.startsWith('HTTP/1.1 101')) throw new Error(head.split('\r\n', 1)[0])
    return client
  }

  async status (): Promise<number> {
    return Number((await this.answered).split(' ', 2)[1])
  }

  /** Resolves when it is written, or can never be. */
  async write (bytes: Uint8Array | string): Promise<void> {
    await new Promise<void>((resolve) => {
      if (this.socket.destroyed) resolve()
      else this.socket.write(bytes, () => resolve())
    })
  }

  /** A ping, and resolves when its pong or the end has come: all before it has been read. */
  async pinged (): Promise<void> {
    const wanted = this.#pongs + 1
    await this.write(rawFrame(PING))
    while (this.#pongs < wanted && !this.socket.destroyed) await new Promise<void>((resolve) => { this.#waiting.push(resolve) })
  }

  #read (data: Buffer): void {
    this.#input = Buffer.concat([this.#input, data])
    if (!this.#isAnswered) {
      const end = this.#input.indexOf('\r\n\r\n')
      if (end === -1) return
      this.#isAnswered = true
      const head = this.#input.subarray(0, end).toString()
      this.#input = this.#input.subarray(end + 4)
      this.#answer.resolve(head)
      if (!head.startsWith('HTTP/1.1 101')) this.#input = Buffer.alloc(0)
    }
    for (let frame = this.#next(); frame !== null; frame = this.#next()) {
      if (frame.opcode === PONG) this.#pongs++
      if (frame.opcode === CLOSE) {
        this.#code = frame.payload.length >= 2 ? frame.payload.readUInt16BE() : 1005
        this.#sawClose()
      }
    }
    for (const wake of this.#waiting.splice(0)) wake()
  }

  #next (): Frame | null {
    const input = this.#input
    if (input.length < 2) return null
    const short = input[1]! & 0x7f
    const head = short < 126 ? 2 : short === 126 ? 4 : 10
    if (input.length < head) return null
    const length = short < 126 ? short : short === 126 ? input.readUInt16BE(2) : Number(input.readBigUInt64BE(2))
    if (input.length < head + length) return null
    this.#input = input.subarray(head + length)
    return { opcode: input[0]! & 0x0f, payload: input.subarray(head, head + length) }
  }
}

export function upgradeRequest (host: string, path: string, headers: Record<string, string> = {}): string {
  const all = {
    host, connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==', ...headers
  }
  return `GET ${path} HTTP/1.1\r\n${Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}
