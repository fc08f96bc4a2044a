import { MessageError } from '../errors.js'
import { MESSAGE_BYTES } from '../session/messages.js'

/** Who can be told something. */
interface Told {
  /** Whether it is on its way. */
  tell (json: string): boolean
}

/** What the app says to clients. It is said once: who has no link at the moment, or whose kind of client knows nothing of such, does not hear it. */
export class Messages {
  readonly #peers: { get (id: string): Told | undefined, inRoom (roomId: string): Told[] }
  /** Those that were sent, and those that nobody heard. */
  readonly counts = { sent: 0, unsent: 0 }

  constructor (peers: { get (id: string): Told | undefined, inRoom (roomId: string): Told[] }) {
    this.#peers = peers
  }

  /** @returns to how many @throws MessageError it is not JSON, or too large */
  send (peerId: string, message: unknown): number {
    const peer = this.#peers.get(peerId)
    return this.#tell(peer === undefined ? [] : [peer], message)
  }

  /** The same to everybody in a room. */
  broadcast (roomId: string, message: unknown): number {
    return this.#tell(this.#peers.inRoom(roomId), message)
  }

  #tell (peers: Told[], message: unknown): number {
    const json = toMessage(message)
    const sent = peers.filter((peer) => peer.tell(json)).length
    this.counts.sent += sent
    this.counts.unsent += peers.length - sent
    return sent
  }
}

/** @throws MessageError */
function toMessage (message: unknown): string {
  let json: string | undefined
  try {
    json = JSON.stringify(message)
  } catch (error) {
    throw new MessageError(`it is not JSON (${(error as Error).message})`)
  }
  if (json === undefined) throw new MessageError('it is not JSON')
  if (Buffer.byteLength(json) > MESSAGE_BYTES) throw new MessageError(`it is larger than ${MESSAGE_BYTES} bytes of JSON`)
  return json
}
