/** So many ids at most are known at once: a power of two. */
const SLOTS = 16 * 1024
/** An id is told from others by so many of its last bytes first, in which ids differ most. */
const HASHED_BYTES = 8

/**
 * Ids that come again and again in bytes, each made into a string once: to make it anew for each media event, and have it
 * hashed for a lookup, costs more than the lookup. Which ids are known is left to chance: one displaces another.
 */
export class KnownIds {
  #ids: string[] | null = null

  /** The id in these bytes; null: it is not known. */
  find (bytes: Buffer, start: number, end: number): string | null {
    const id = this.#ids?.[slotOf(bytes, start, end)]
    if (id === undefined || id.length !== end - start) return null
    for (let i = 0; i < id.length; i++) if (id.charCodeAt(i) !== bytes[start + i]) return null
    return id
  }

  /** The bytes are those of `id`. One that is not all ASCII has fewer characters than bytes, and is not learned. */
  learn (bytes: Buffer, start: number, end: number, id: string): void {
    if (id.length !== end - start) return
    this.#ids ??= new Array<string>(SLOTS).fill('')
    this.#ids[slotOf(bytes, start, end)] = id
  }
}

function slotOf (bytes: Buffer, start: number, end: number): number {
  let hash = end - start
  for (let i = Math.max(start, end - HASHED_BYTES); i < end; i++) hash = Math.imul(hash, 31) + bytes[i]!
  return (hash ^ (hash >>> 14)) & (SLOTS - 1)
}
