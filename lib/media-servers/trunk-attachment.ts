import { fitReason } from '../close-codes.js'
import type { Accepted, Attachment, AttachmentReceiver, Status } from '../relay/media-server.js'
import { frame } from '../trunk/schema.js'
import type { Way } from '../trunk/outbox.js'
import type { Frame } from '../trunk/schema.js'
import type { Trunk } from '../trunk/trunk.js'

/** Hears nothing. */
const NOBODY: AttachmentReceiver = { opened () {}, refused () {}, event () {}, skip () {}, ack () {}, relieved () {}, closed () {} }

/** One peer on the trunk, from its asking on: a tag on the frames that are about it. */
export class TrunkAttachment implements Attachment {
  readonly peerId: string
  readonly roomId: string
  readonly #trunk: Trunk
  readonly #remove: (attachment: TrunkAttachment) => void
  #receiver: AttachmentReceiver
  #state: 'asked' | 'open' | 'over' = 'asked'
  /** What is to be said as soon as the media server has answered: whoever asked is gone. */
  #then: ((epoch: number) => Frame) | null = null
  #way: Way | null = null
  /** None that a frame can have, until the media server has answered. */
  epoch = -1

  constructor (peerId: string, roomId: string, receiver: AttachmentReceiver, trunk: Trunk, remove: (attachment: TrunkAttachment) => void) {
    this.peerId = peerId
    this.roomId = roomId
    this.#receiver = receiver
    this.#trunk = trunk
    this.#remove = remove
  }

  get receiver (): AttachmentReceiver {
    return this.#receiver
  }

  get bufferedBytes (): number {
    return this.#state === 'open' ? this.#trunk.bytesOf(this.peerId) : 0
  }

  /** Whether anybody still wants it. */
  opened (epoch: number): boolean {
    if (this.#then !== null) {
      this.#trunk.send(this.#then(epoch))
      return false
    }
    if (this.#state !== 'asked') return false
    this.#state = 'open'
    this.epoch = epoch
    this.#way = this.#trunk.way(this.peerId, epoch)
    return true
  }

  refused (status: Status): void {
    if (this.#state !== 'asked') return
    this.#state = 'over'
    this.#receiver.refused(status)
  }

  forget (): void {
    this.#state = 'over'
  }

  send (data: Buffer, binary: boolean): Accepted {
    return this.#state === 'open' ? this.#trunk.sendEvent(this.#way!, data, binary) : 'full'
  }

  skip (): Accepted {
    return this.#state === 'open' ? this.#trunk.send(frame('skip', null, this.peerId, this.epoch)) : 'full'
  }

  ack (received: number): void {
    if (this.#state === 'open') this.#trunk.send(frame('ack', received, this.peerId, this.epoch))
  }

  detach (): void {
    if (this.#state === 'open') this.#trunk.send(frame('detach', null, this.peerId, this.epoch))
    else if (this.#state === 'asked') this.#abandon((epoch) => frame('detach', null, this.peerId, epoch))
  }

  close (code: number, reason: string): void {
    const body = { code, reason: fitReason(reason), id: 0 }
    if (this.#state === 'open') this.#trunk.send(frame('close', body, this.peerId, this.epoch))
    // What was to be said before is less than that it is over.
    else if (this.#state === 'asked' || this.#then !== null) this.#abandon((epoch) => frame('close', body, this.peerId, epoch))
    this.#state = 'over'
    this.#remove(this)
  }

  /** Nothing of who asked is kept until the answer comes. */
  #abandon (then: (epoch: number) => Frame): void {
    this.#then = then
    this.#receiver = NOBODY
    this.#state = 'over'
  }
}
