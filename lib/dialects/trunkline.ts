import type { Status } from '../relay/media-server.js'
import { refusalOf } from '../relay/refusal.js'
import { LINK_SUBPROTOCOL } from '../session/messages.js'
import type { ClientSocket } from './client-socket.js'
import type { Dialect, Door } from './dialect.js'
import { SessionLink } from './session-link.js'
import { StandIn } from './stand-in.js'
import type { Wire } from './stand-in.js'

/**
 * Our own clients, at one route: with the subprotocol `trunkline.link.v1` those that keep a session (`session-link.ts`),
 * else the plain ones.
 */
export const trunklineDialect: Dialect = {
  name: 'trunkline',
  route: (path) => path,
  // Of several the first is the one that `ws` agrees to.
  credentials: ([first]) => first === LINK_SUBPROTOCOL ? 'first message' : 'upgrade',
  refusesByCode: ([first]) => first === LINK_SUBPROTOCOL,
  accept (socket, door) {
    if (door.protocol === LINK_SUBPROTOCOL) new SessionLink(socket, door).start()
    else void new PlainLink(socket).enter(door)
  }
}

/**
 * The plain client: each text message is a media event, and so is each binary one; there is nothing else. Credentials
 * come with the upgrade (PROTOCOL.md, "Plain clients").
 */
class PlainLink implements Wire {
  readonly #socket: ClientSocket

  constructor (socket: ClientSocket) {
    this.#socket = socket
  }

  /** @param door not kept, since with it goes the whole request */
  async enter (door: Door): Promise<void> {
    // The identity is known already, but a promise stands between: what comes meanwhile stays in the socket.
    this.#socket.pause()
    try {
      const admitted = await door.admit(null)
      const standIn = new StandIn(this, door)
      standIn.enter(admitted)
      this.#socket.resume()
      this.#socket.observe({
        message: (data, binary) => standIn.uplink(data, binary),
        ended: (reason) => standIn.ended(reason),
        retire: (reason, forGood) => standIn.retire(reason, forGood)
      })
    } catch (error) {
      const { code, message } = refusalOf(error)
      this.#socket.close(code, message)
    }
  }

  get bufferedBytes (): number {
    return this.#socket.bufferedBytes
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
