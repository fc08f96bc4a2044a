/** Numbers, all of them kept: a histogram's steps would be larger than what is to be told apart. */
export class Samples {
  #values = new Float64Array(1 << 16)
  #count = 0

  get count (): number {
    return this.#count
  }

  add (value: number): void {
    if (this.#count === this.#values.length) {
      const more = new Float64Array(2 * this.#count)
      more.set(this.#values)
      this.#values = more
    }
    this.#values[this.#count++] = value
  }

  /** By nearest rank; 0 where there is none. */
  percentiles (...percents: number[]): number[] {
    const sorted = this.#values.subarray(0, this.#count).slice().sort()
    return percents.map((percent) => sorted[Math.max(0, Math.ceil(sorted.length * percent / 100) - 1)] ?? 0)
  }

  clear (): void {
    this.#count = 0
  }
}
