import { WebSocket } from 'ws'

/** How long an answer may take, in milliseconds: beyond, whoever should answer is stuck. */
export const STUCK_MS = 15_000

/** A client's or a backend's WebSocket that says whatever it is given. */
export class FuzzSocket {
  readonly socket: WebSocket
  #code: number | null = null
  #wake: () => void = () => {}

  private constructor (socket: WebSocket, heard: (data: Buffer) => void) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('message', (data) => heard(data as Buffer))
    socket.on('close', (code) => {
      this.#code = code
      this.#wake()
    })
    socket.on('pong', () => this.#wake())
  }

  static async connect (url: string, protocols: string[], headers: Record<string, string>, heard: (data: Buffer) => void): Promise<FuzzSocket | null> {
    const fuzz = new FuzzSocket(new WebSocket(url, protocols, { headers, perMessageDeflate: false }), heard)
    await new Promise<void>((resolve) => {
      fuzz.socket.once('open', resolve)
      fuzz.socket.once('close', () => resolve())
    })
    return fuzz.#code === null ? fuzz : null
  }

  /** With which it was closed; null: it is open. */
  get code (): number | null {
    return this.#code
  }

  send (data: Buffer, binary: boolean): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(data, { binary })
  }

  /** All that was said has been read, or the socket is closed. False: neither, in all that time. */
  async settled (): Promise<boolean> {
    return await this.#waited(() => { if (this.socket.readyState === WebSocket.OPEN) this.socket.ping() })
  }

  /** Ends it, in good order or not. */
  async end (code: number | null): Promise<boolean> {
    return await this.#waited(() => {
      if (code === null) this.socket.terminate()
      else this.socket.close(code)
    }, true)
  }

  async #waited (act: () => void, untilClosed = false): Promise<boolean> {
    if (this.#code !== null) return true
    return await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), STUCK_MS)
      this.#wake = () => {
        if (untilClosed && this.#code === null) return
        clearTimeout(timer)
        resolve(true)
      }
      act()
    })
  }
}
