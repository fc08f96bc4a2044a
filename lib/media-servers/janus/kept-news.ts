import type { Clock, Timer } from '../../clock.js'
import type { Logger } from '../../logger.js'

/** News that wait for the app at most. */
const MAX_NEWS = 1_000
/** How long the app has before it is told again, in milliseconds: each time twice as long as before, up to the second. */
const AGAIN_MS = 10_000
const MAX_AGAIN_MS = 60_000

interface News<Item> {
  id: string
  item: Item
  told: number
}

export interface KeptNewsOptions<Item> {
  /** The hook that is told. */
  hook: string
  /** How often each is told at most. */
  attempts: number
  /** @param handled to be called once the app has dealt with it */
  tell (item: Item, id: string, handled: () => void): void
  /** What is said in the log of one that is given up. */
  describe (item: Item): object
  /** There is one less. */
  handled? (): void
  clock: Clock
  log: Logger
}

/** Keeps what Janus has told until the app has dealt with it: Janus itself says it once, or never. */
export class KeptNews<Item> {
  readonly #options: KeptNewsOptions<Item>
  /** In order. */
  readonly #news = new Map<string, News<Item>>()
  #number = 0
  #againMs = AGAIN_MS
  #timer: Timer | null = null
  #isClosed = false

  constructor (options: KeptNewsOptions<Item>) {
    this.#options = options
  }

  get size (): number {
    return this.#news.size
  }

  add (item: Item): void {
    if (this.#isClosed) return
    const news = { id: `janus-${++this.#number}`, item, told: 0 }
    const [oldest] = this.#news.values()
    if (this.#news.size >= MAX_NEWS) this.#giveUp(oldest!, `${MAX_NEWS} later news wait for its hooks`)
    this.#news.set(news.id, news)
    this.#timer ??= this.#options.clock.after(this.#againMs, () => this.#late())
    this.#say(news)
  }

  /** All that the app has not dealt with, once more. */
  again (): void {
    for (const news of [...this.#news.values()]) this.#say(news)
  }

  /** Nothing is told any more, nor kept. */
  close (): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#timer = null
    this.#news.clear()
  }

  #say (news: News<Item>): void {
    if (news.told++ >= this.#options.attempts) {
      this.#giveUp(news, 'its hooks have failed too often')
      return
    }
    this.#options.tell(news.item, news.id, () => this.#done(news))
  }

  #giveUp (news: News<Item>, why: string): void {
    this.#options.log.error(this.#options.describe(news.item), `${this.#options.hook} is not told again: ${why}`)
    this.#done(news)
  }

  #done ({ id }: News<Item>): void {
    if (!this.#news.delete(id)) return
    if (this.#news.size === 0) {
      this.#timer?.cancel()
      this.#timer = null
      this.#againMs = AGAIN_MS
    }
    this.#options.handled?.()
  }

  #late (): void {
    this.#timer = null
    this.#againMs = Math.min(MAX_AGAIN_MS, this.#againMs * 2)
    this.again()
    if (this.#news.size > 0) this.#timer ??= this.#options.clock.after(this.#againMs, () => this.#late())
  }
}
