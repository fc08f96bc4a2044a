import { fitReason } from '../close-codes.js'
import type { Accepted, Way } from './outbox.js'
import type { Channel } from './channel.js'
import { frame } from './schema.js'
import type { Opened } from './schema.js'

/** Where a peer is attached: to one trunk, under one epoch. What it says here carries both. */
export class EndpointAttachment {
  readonly trunk: Channel
  readonly epoch: number
  readonly #peerId: string
  readonly #way: Way

  constructor (peerId: string, trunk: Channel, epoch: number) {
    this.trunk = trunk
    this.epoch = epoch
    this.#peerId = peerId
    this.#way = trunk.way(peerId, epoch)
  }

  /** Whether an event would be taken now; else the trunk says when. */
  get hasRoom (): boolean {
    return this.trunk.hasRoom(this.#way)
  }

  event (data: Buffer, binary: boolean): Accepted {
    return this.trunk.sendEvent(this.#way, data, binary)
  }

  ack (received: number): void {
    this.trunk.send(frame('ack', received, this.#peerId, this.epoch))
  }

  opened (answer: Opened): void {
    this.trunk.send(frame('opened', answer, this.#peerId, this.epoch))
  }

  close ({ code, reason }: { code: number, reason: string }): void {
    this.trunk.send(frame('close', { code, reason: fitReason(reason), id: 0 }, this.#peerId, this.epoch))
  }
}
