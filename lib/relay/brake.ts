/** Every reason that there is, as a bit of its own: there are two brakes for each client, most of which never hold. */
const BITS = { 'trunk full': 1, 'queue full': 2, retiring: 4, owner: 8, 'too many': 16, 'messages full': 32 } as const

/** Why a link is not being read. */
export type Hold = 'trunk full' | 'queue full' | 'messages full' | 'retiring'

/** Pauses and resumes a link for several reasons at once: it is read only while none of them holds. */
export class Brake<Why extends keyof typeof BITS = Hold> {
  readonly #link: { pause (): void, resume (): void }
  #holds = 0

  constructor (link: { pause (): void, resume (): void }) {
    this.#link = link
  }

  /** Whether any of them holds. */
  get holds (): boolean {
    return this.#holds !== 0
  }

  hold (why: Why): void {
    if (this.#holds === 0) this.#link.pause()
    this.#holds |= BITS[why]
  }

  release (why: Why): void {
    if ((this.#holds & BITS[why]) === 0) return
    this.#holds &= ~BITS[why]
    if (this.#holds === 0) this.#link.resume()
  }
}
