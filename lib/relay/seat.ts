import { Brake } from './brake.js'
import type { Asking, Link } from './link.js'
import type { LeaveReason } from './peer.js'

/** What a seat passes on to the peer that it belongs to. */
export interface Seated {
  ask (asking: Asking): void
  uplink (data: Buffer, binary: boolean): void
  uplinkSkip (): void
  uplinkAck (received: number): void
  message (message: unknown, bytes: number): void
  /** The link is gone. */
  unseated (reason: LeaveReason): void
  /** The link is to end, after what is under way. */
  retire (reason: LeaveReason, forGood: boolean): Promise<void>
}

/**
 * A link's place at its peer. When another link takes the peer over, the place is void: whatever still comes from the old
 * link, its late end included, reaches nobody.
 */
export class Seat<P extends Seated = Seated> {
  readonly link: Link
  readonly brake: Brake
  #peer: P | null

  constructor (link: Link, peer: P) {
    this.link = link
    this.brake = new Brake(link)
    this.#peer = peer
  }

  /** Whose it is; null once it is void. */
  get peer (): P | null {
    return this.#peer
  }

  void (): void {
    this.#peer = null
  }

  /** The client's end asks, on the link that it has: the trunk is back. */
  ask (asking: Asking): void {
    this.#peer?.ask(asking)
  }

  /** One media event from the client. */
  uplink (data: Buffer, binary: boolean): void {
    this.#peer?.uplink(data, binary)
  }

  /** The place of an event that was dropped before it came here. */
  skip (): void {
    this.#peer?.uplinkSkip()
  }

  /** The client's end has received so many media events since the session began. */
  ack (received: number): void {
    this.#peer?.uplinkAck(received)
  }

  /** What the client says to the app. @param bytes of its JSON */
  message (message: unknown, bytes: number): void {
    this.#peer?.message(message, bytes)
  }

  /** The link is of no more use. */
  end (reason: LeaveReason): void {
    this.#peer?.unseated(reason)
  }

  /** The link is to end, after what is under way; a session that can goes on, here or, with `forGood`, elsewhere. */
  retire (reason: LeaveReason, forGood: boolean): void {
    void this.#peer?.retire(reason, forGood)
  }
}
