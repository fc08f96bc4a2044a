/** Why a link is not being read. */
export type Hold = 'trunk full' | 'queue full' | 'retiring'

/** Pauses and resumes a link for several reasons at once: it is read only while none of them holds. */
export class Brake<Why extends string = Hold> {
  readonly #link: { pause (): void, resume (): void }
  readonly #holds = new Set<Why>()

  constructor (link: { pause (): void, resume (): void }) {
    this.#link = link
  }

  /** Whether any of them holds. */
  get holds (): boolean {
    return this.#holds.size > 0
  }

  hold (why: Why): void {
    if (this.#holds.size === 0) this.#link.pause()
    this.#holds.add(why)
  }

  release (why: Why): void {
    if (this.#holds.delete(why) && this.#holds.size === 0) this.#link.resume()
  }
}
