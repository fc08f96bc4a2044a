/**
 * How much of the trunk is under way: sent, and not taken in by the other side as far as it has said. The kernel holds megabytes
 * between the two, in which nobody gets a share of anything, so what it holds is bounded by asking the other side.
 */
export class CreditWindow {
  #sent = 0
  #written = 0
  #credited = 0
  #isGranted = false

  /** Bytes. Of a side that gives no credit: those that have not left this process. */
  get underWay (): number {
    return this.#sent - (this.#isGranted ? this.#credited : this.#written)
  }

  /** The other side gives credit, for everything from the beginning on. */
  grant (): void {
    this.#isGranted = true
  }

  sent (bytes: number): void {
    this.#sent += bytes
  }

  written (bytes: number): void {
    this.#written += bytes
  }

  /** False: that is more than was sent. */
  credited (bytes: number): boolean {
    if (this.#credited + bytes > this.#sent) return false
    this.#credited += bytes
    return true
  }
}
