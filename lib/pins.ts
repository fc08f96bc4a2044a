import { WASTE_BYTES, isPinning } from './unpinned.js'

/** Of the bound of all buffers, a part of so many may be kept alive beside what is counted. */
export const PINNED_PART = 32

/** Of small events that are copied together: as much as an event may keep alive beside itself. */
const PIECE_BYTES = WASTE_BYTES

/** Who keeps views of what was read. */
export interface Keeper {
  /** Whether it has kept any since it was last asked to copy: of no concern to itself. */
  isPinning: boolean
  /** Copies those that it still has. */
  unpin (): void
}

/**
 * What is kept as a view keeps alive all that came in the same read. Of a media event that is sent and acknowledged soon a copy
 * would cost more than all else that is done for it, so only what is still kept when so much has been read since is copied.
 */
export class Pins {
  readonly #maxBytes: number
  readonly #keepers = new Set<Keeper>()
  /** What the latest one came in: many that came together are counted once. */
  #latest: ArrayBufferLike | null = null
  #bytes = 0

  /** @param maxBytes that may be kept alive for nothing, by all keepers together */
  constructor (maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** The keeper has this from now on. */
  keep (keeper: Keeper, data: Buffer): void {
    if (data.buffer !== this.#latest) {
      this.#latest = data.buffer
      this.#bytes += data.buffer.byteLength
      if (this.#bytes > this.#maxBytes) this.#unpin(data.buffer)
    }
    if (keeper.isPinning) return
    keeper.isPinning = true
    this.#keepers.add(keeper)
  }

  /** The keeper has nothing left. */
  forget (keeper: Keeper): void {
    this.#latest = null
    if (keeper.isPinning) this.#keepers.delete(keeper)
    keeper.isPinning = false
  }

  #unpin (latest: ArrayBufferLike): void {
    this.#bytes = latest.byteLength
    for (const keeper of this.#keepers) {
      keeper.isPinning = false
      keeper.unpin()
    }
    this.#keepers.clear()
  }
}

/**
 * Copies what keeps more alive than itself: what is small together with its neighbours, into pieces that no more than one of
 * them may keep alive, since who acknowledges them may leave out any.
 */
export function unpinAll (events: ReadonlyArray<{ data: Buffer }>): void {
  let piece: Array<{ data: Buffer }> = []
  let bytes = 0
  for (const event of events) {
    if (!isPinning(event.data)) continue
    if (bytes + event.data.length > PIECE_BYTES) {
      copy(piece, bytes)
      piece = []
      bytes = 0
    }
    piece.push(event)
    bytes += event.data.length
  }
  copy(piece, bytes)
}

function copy (events: Array<{ data: Buffer }>, bytes: number): void {
  const piece = Buffer.allocUnsafeSlow(bytes)
  let at = 0
  for (const event of events) {
    piece.set(event.data, at)
    event.data = piece.subarray(at, at += event.data.length)
  }
}
