/** What has arrived and was not taken yet; whoever waits for something gets it as soon as it is there. */
export class Inbox<T> {
  readonly #items: T[] = []
  readonly #waiting = new Set<{ wanted: (item: T) => boolean, resolve: (item: T) => void, reject: (error: Error) => void }>()
  #ended: Error | null = null

  get length (): number {
    return this.#items.length
  }

  push (item: T): void {
    for (const waiter of this.#waiting) {
      if (!waiter.wanted(item)) continue
      this.#waiting.delete(waiter)
      waiter.resolve(item)
      return
    }
    this.#items.push(item)
  }

  /** Nothing more will come: whoever waits, now or later, is told why. */
  end (why: Error): void {
    this.#ended ??= why
    for (const { reject } of this.#waiting) reject(this.#ended)
    this.#waiting.clear()
  }

  /** Takes the first item that is wanted, waiting for it if need be. Those before it stay. */
  async take (wanted: (item: T) => boolean = () => true): Promise<T> {
    const index = this.#items.findIndex(wanted)
    if (index !== -1) return this.#items.splice(index, 1)[0]!
    if (this.#ended !== null) throw this.#ended
    return await new Promise<T>((resolve, reject) => this.#waiting.add({ wanted, resolve, reject }))
  }

  /** Takes everything that is there. */
  takeAll (): T[] {
    return this.#items.splice(0)
  }
}
