import type { Clock, Timer } from '../clock.js'
import { ACK_MS } from './end.js'
import type { End } from './end.js'

/** Tells the other end in time how much was received: when enough has come, or a second after the first that it does not know of. */
export class Acknowledger {
  readonly #end: End<unknown>
  readonly #clock: Clock
  readonly #send: (received: number) => void
  #timer: Timer | null = null

  constructor (end: End<unknown>, clock: Clock, send: (received: number) => void) {
    this.#end = end
    this.#clock = clock
    this.#send = send
  }

  /** Something was taken in. */
  took (): void {
    if (this.#end.ackDue) {
      this.#send(this.#end.acknowledge())
    } else if (this.#timer === null && this.#end.ackOwed) {
      // One timer, which may find nothing to do: cheaper than a new one for each acknowledgement.
      this.#timer = this.#clock.after(ACK_MS, () => {
        this.#timer = null
        if (this.#end.attached && this.#end.ackOwed) this.#send(this.#end.acknowledge())
      })
    }
  }

  stop (): void {
    this.#timer?.cancel()
    this.#timer = null
  }
}
