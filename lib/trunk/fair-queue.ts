/** What waits, and for how many bytes it counts. */
export interface Sized {
  readonly size: number
}

/** What waits under one key, in order. Whoever pushes often keeps it, to save looking it up. */
export interface Line<Item> {
  key: string
  /** What waits stands from `head` to `tail`; the places of the others are empty. */
  items: Array<Item | null>
  head: number
  tail: number
  bytes: number
  /** Whether somebody keeps it: then it is nobody else's, ever. */
  isKept: boolean
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
  #takenKey = ''
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

  /** The line of a key, to keep and to push on; while there is another of the same key with anything in it, that one. */
  line (key: string): Line<Item> {
    const line = this.#lines.get(key) ?? makeLine(key)
    line.isKept = true
    return line
  }

  /** @returns bytes that wait under the key now */
  push (key: string, item: Item): number {
    return this.#push(this.#lines.get(key) ?? this.#begin(this.#spare.pop() ?? makeLine(key), key), item).bytes
  }

  /** @returns the line on which it waits: the one to keep from now on */
  pushOn (line: Line<Item>, item: Item): Line<Item> {
    if (line.bytes > 0) return this.#push(line, item)
    const there = this.#lines.get(line.key)
    if (there !== undefined) there.isKept = true
    return this.#push(there ?? this.#begin(line, line.key), item)
  }

  /** What `take` would give. */
  peek (): Item | undefined {
    const line = this.#turn()
    return line?.items[line.head] ?? undefined
  }

  /** The next in turn, unless it is larger than so many bytes. */
  take (maxBytes = Infinity): Item | undefined {
    const line = this.#turn()
    if (line === null) return undefined
    const item = line.items[line.head]!
    const { size } = item
    if (size > maxBytes) return undefined
    line.items[line.head++] = null
    line.deficit -= size
    line.bytes -= size
    this.#bytes -= size
    this.#takenKey = line.key
    if (line.head === line.tail) {
      this.#end(line)
    } else if (line.head >= CLEAR_AT && line.head * 2 >= line.tail) {
      line.items.copyWithin(0, line.head, line.tail)
      line.items.length = line.tail - line.head
      line.tail = line.items.length
      line.head = 0
    }
    return item
  }

  /** Under which key the last one waited that was taken. */
  get takenKey (): string {
    return this.#takenKey
  }

  /** Calls back with what was pushed since the last time and still waits. */
  settle (waits: (item: Item) => void): void {
    for (const line of this.#fresh) {
      const { items, head, tail, fresh } = line
      for (let i = Math.max(head, tail - fresh); i < tail; i++) waits(items[i]!)
      line.fresh = 0
    }
    this.#fresh = []
  }

  clear (): void {
    for (const line of this.#lines.values()) empty(line)
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

  #begin (line: Line<Item>, key: string): Line<Item> {
    line.key = key
    line.deficit = QUANTUM_BYTES
    this.#lines.set(key, line)
    this.#append(line)
    return line
  }

  #push (line: Line<Item>, item: Item): Line<Item> {
    line.items[line.tail++] = item
    line.bytes += item.size
    this.#bytes += item.size
    if (line.fresh++ === 0) this.#fresh.push(line)
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
    empty(line)
    if (!line.isKept && this.#spare.length < SPARE_LINES) this.#spare.push(line)
  }
}

function makeLine<Item> (key: string): Line<Item> {
  return { key, items: [], head: 0, tail: 0, bytes: 0, isKept: false, deficit: 0, fresh: 0, next: null }
}

function empty (line: Line<unknown>): void {
  // A short list is used again, a long one was an exception.
  if (line.bytes > 0 || line.items.length > CLEAR_AT) line.items = []
  line.head = line.tail = line.fresh = line.bytes = 0
  line.next = null
}
