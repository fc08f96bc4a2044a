/** Why a link is not being read. */
export type Hold = 'trunk full' | 'queue full'

/** Pauses and resumes a link for several reasons at once: it is read only while none of them holds. */
export class Brake {
  readonly #link: { pause (): void, resume (): void }
  readonly #holds = new Set<Hold>()

  constructor (link: { pause (): void, resume (): void }) {
    this.#link = link
  }

  hold (why: Hold): void {
    if (this.#holds.size === 0) this.#link.pause()
    this.#holds.add(why)
  }

  release (why: Hold): void {
    if (this.#holds.delete(why) && this.#holds.size === 0) this.#link.resume()
  }
}
