/** Mulberry32: small, and the same on every machine. Whatever a run decides comes from one of these. */
export class Random {
  #state: number

  constructor (seed: number) {
    // Neighbouring seeds begin alike otherwise.
    this.#state = Math.imul(seed + 1, 0x9E3779B1)
  }

  /** 0 up to 1. */
  readonly next = (): number => {
    this.#state = (this.#state + 0x6D2B79F5) | 0
    let t = Math.imul(this.#state ^ this.#state >>> 15, 1 | this.#state)
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t
    return ((t ^ t >>> 14) >>> 0) / 4294967296
  }

  chance (probability: number): boolean {
    return this.next() < probability
  }

  /** An integer from `least` to `most`, both included. */
  between (least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  pick<T> (list: readonly T[]): T {
    if (list.length === 0) throw new Error('nothing to pick from')
    return list[Math.floor(this.next() * list.length)]!
  }

  /** One of the choices, by their weights. */
  weighted<T> (choices: ReadonlyArray<readonly [weight: number, choice: T]>): T {
    let at = this.next() * choices.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, choice] of choices) if ((at -= weight) < 0) return choice
    return choices[choices.length - 1]![1]
  }
}
