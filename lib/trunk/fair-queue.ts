/** What waits, and for how many bytes it counts. */
export interface Sized {
  readonly size: number
}

/** What waits under one key, in order. */
interface Line<Item> {
  key: string
  items: Item[]
  /** Index of the first that still waits. */
  head: number
  bytes: number
  /** Bytes that it may still take in this turn. */
  deficit: number
  /** How many of the last ones were pushed since `settle`. */
  fresh: number
  next: Line<Item> | null
}

/** A line is given so many bytes when its turn comes: what is larger saves up. */
export const QUANTUM_BYTES = 4 * 1024
/** What was taken is cleared away when there is so much of it. */
const CLEAR_AT = 64
/** Lines that are kept for the next key instead of being made anew. */
const SPARE_LINES = 256

/**
 * Many queues, one for each key, emptied in turns: each gets the same bytes, whatever the others have waiting (deficit round
 * robin, Shreedhar and Varghese 1995). Within a key the order stays.
 */
export class FairQueue<Item extends Sized> {
  readonly #lines = new Map<string, Line<Item>>()
  readonly #spare: Array<Line<Item>> = []
  #first: Line<Item> | null = null
  #last: Line<Item> | null = null
  #bytes = 0
  /** Lines that were pushed to since `settle`. */
  #fresh: Array<Line<Item>> = []

  /** Bytes of all that waits. */
  get bytes (): number {
    return this.#bytes
  }

  /** How many keys have something waiting. */
  get keys (): number {
    return this.#lines.size
  }

  bytesOf (key: string): number {
    return this.#lines.get(key)?.bytes ?? 0
  }

  /** @returns bytes that wait under the key now */
  push (key: string, item: Item): number {
    let line = this.#lines.get(key)
    if (line === undefined) {
      line = this.#begin(key)
      this.#append(line)
    }
    line.items.push(item)
    line.bytes += item.size
    this.#bytes += item.size
    if (line.fresh++ === 0) this.#fresh.push(line)
    return line.bytes
  }

  /** What `take` would give. */
  peek (): Item | undefined {
    const line = this.#turn()
    return line?.items[line.head]
  }

  /** Under which key that waits. */
  get next (): string | undefined {
    return this.#turn()?.key
  }

  /** The next in turn. */
  take (): Item | undefined {
    const line = this.#turn()
    if (line === null) return undefined
    const item = line.items[line.head++]!
    line.deficit -= item.size
    line.bytes -= item.size
    this.#bytes -= item.size
    if (line.head === line.items.length) {
      this.#end(line)
    } else if (line.head >= CLEAR_AT && line.head * 2 >= line.items.length) {
      line.items.splice(0, line.head)
      line.head = 0
    }
    return item
  }

  /** Calls back with what was pushed since the last time and still waits. */
  settle (waits: (item: Item) => void): void {
    for (const line of this.#fresh) {
      const { items, head, fresh } = line
      for (let i = Math.max(head, items.length - fresh); i < items.length; i++) waits(items[i]!)
      line.fresh = 0
    }
    this.#fresh = []
  }

  clear (): void {
    this.#lines.clear()
    this.#first = this.#last = null
    this.#bytes = 0
    this.#fresh = []
  }

  /** The line whose turn it is, with enough saved up for its first item. */
  #turn (): Line<Item> | null {
    for (;;) {
      const line = this.#first
      if (line === null || line.deficit >= line.items[line.head]!.size) return line
      line.deficit += QUANTUM_BYTES
      if (line.next === null) continue
      this.#first = line.next
      this.#append(line)
    }
  }

  #begin (key: string): Line<Item> {
    const line = this.#spare.pop() ?? { key, items: [], head: 0, bytes: 0, deficit: 0, fresh: 0, next: null }
    line.key = key
    line.deficit = QUANTUM_BYTES
    this.#lines.set(key, line)
    return line
  }

  #append (line: Line<Item>): void {
    line.next = null
    if (this.#first === null) this.#first = line
    else this.#last!.next = line
    this.#last = line
  }

  /** Whoever has nothing left saves nothing up. */
  #end (line: Line<Item>): void {
    this.#first = line.next
    if (line.next === null) this.#last = null
    this.#lines.delete(line.key)
    line.items = []
    line.head = line.fresh = 0
    line.next = null
    if (this.#spare.length < SPARE_LINES) this.#spare.push(line)
  }
}
