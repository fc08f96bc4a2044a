import type { Clock, Timer } from '../clock.js'

interface Entry {
  at: number
  everyMs: number | null
  fn: () => void
}

/** A clock that stands still until it is told to go on. */
export class ManualClock implements Clock {
  readonly #entries = new Set<Entry>()
  #now: number

  constructor (startMs = 1_700_000_000_000) {
    this.#now = startMs
  }

  /** How many timers are set. */
  get timers (): number {
    return this.#entries.size
  }

  now (): number {
    return this.#now
  }

  after (ms: number, fn: () => void): Timer {
    return this.#add({ at: this.#now + ms, everyMs: null, fn })
  }

  every (ms: number, fn: () => void): Timer {
    return this.#add({ at: this.#now + ms, everyMs: ms, fn })
  }

  /** Moves on by `ms` milliseconds and calls what falls due, in order, including what that sets anew. */
  advance (ms: number): void {
    const end = this.#now + ms
    for (;;) {
      let next: Entry | null = null
      for (const entry of this.#entries) if (entry.at <= end && (next === null || entry.at < next.at)) next = entry
      if (next === null) break
      this.#now = Math.max(this.#now, next.at)
      if (next.everyMs === null) this.#entries.delete(next)
      else next.at += next.everyMs
      next.fn()
    }
    this.#now = end
  }

  #add (entry: Entry): Timer {
    this.#entries.add(entry)
    return { cancel: () => { this.#entries.delete(entry) } }
  }
}
