/** So many at once; the others wait, in the order in which they came. */
export class Slots {
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor (size: number) {
    this.#free = size
  }

  get waiting (): number {
    return this.#waiting.size
  }

  /** Rejects with the signal's reason, and takes none, where that comes first. */
  async take (signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#free > 0) {
      this.#free--
      return
    }
    await new Promise<void>((resolve, reject) => {
      const cut = (): void => {
        this.#waiting.delete(taken)
        const reason = signal.reason as Error
        reject(reason)
      }
      const taken = (): void => {
        signal.removeEventListener('abort', cut)
        resolve()
      }
      this.#waiting.add(taken)
      signal.addEventListener('abort', cut, { once: true })
    })
  }

  give (): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#free++
    } else {
      this.#waiting.delete(next)
      next()
    }
  }
}
