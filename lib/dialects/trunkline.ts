import type { Link } from '../relay/link.js'
import type { Status } from '../relay/media-server.js'
import { refusalOf } from '../relay/refusal.js'
import type { ClientSocket } from './client-socket.js'
import type { Dialect, Door } from './dialect.js'

/**
 * The plain client: each text message is a media event, and so is each binary one; there is nothing else. Credentials
 * come with the upgrade (PROTOCOL.md, "The client link").
 */
export const trunklineDialect: Dialect = {
  name: 'trunkline',
  route: (path) => path,
  credentials: 'upgrade',
  accept (socket, door) {
    const link = new PlainLink(socket)
    void link.enter(door)
  }
}

class PlainLink implements Link {
  readonly #socket: ClientSocket

  constructor (socket: ClientSocket) {
    this.#socket = socket
  }

  async enter (door: Door): Promise<void> {
    // The identity is known already, but a promise stands between: what comes meanwhile stays in the socket.
    this.#socket.pause()
    try {
      const enter = await door.admit(null)
      const session = enter(this)
      this.#socket.observe({
        message: (data, binary) => session.uplink(data, binary),
        ended: (reason) => session.end(reason)
      })
    } catch (error) {
      const { code, message } = refusalOf(error)
      this.#socket.close(code, message)
    }
  }

  joined (): void {}

  send (data: Buffer, binary: boolean): void {
    this.#socket.send(data, binary)
  }

  pause (): void {
    this.#socket.pause()
  }

  resume (): void {
    this.#socket.resume()
  }

  close ({ code, reason }: Status): void {
    this.#socket.close(code, reason)
  }
}
