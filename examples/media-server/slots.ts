import type { Kind } from './forwarder.js'

/** An m-line of a client's offer. */
export interface MLine {
  readonly mid: string
  readonly kind: Kind
  /** What the client offers to do with it. */
  readonly direction: 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'
}

/** How many m-lines the client shall offer to receive on. */
export interface TracksTypes {
  audio: number
  video: number
}

interface Offered {
  readonly id: string
  readonly kind: Kind
}

type Slot =
  | { kind: Kind, state: 'free' }
  | { kind: Kind, state: 'carrying', trackId: string }
  | { kind: Kind, state: 'releasing' }

/**
 * Which track of the others a client receives on which of its m-lines.
 *
 * An m-line, once there, stays in every later offer, so those of tracks that have ended are used again. A browser tells
 * its application of a new track only when the m-line was inactive in the answer before; hence `releasing`.
 */
export class Slots<Track extends Offered> {
  readonly #slots = new Map<string, Slot>()
  readonly #announced = new Map<string, Track>()
  readonly #pending = new Map<string, Track>()

  /** The client shall get this track, from the next negotiation on. */
  add (track: Track): void {
    this.#pending.set(track.id, track)
  }

  /**
   * The track has ended.
   * @returns whether the client has heard of it, and so has to hear of its end
   */
  remove (trackId: string): boolean {
    if (this.#pending.delete(trackId)) return false
    for (const [mid, slot] of this.#slots) {
      if (slot.state === 'carrying' && slot.trackId === trackId) {
        this.#slots.set(mid, { kind: slot.kind, state: 'releasing' })
        return true
      }
    }
    return this.#announced.delete(trackId)
  }

  /** Whether the client has been told of the track. */
  knows (trackId: string): boolean {
    if (this.#announced.has(trackId)) return true
    for (const slot of this.#slots.values()) {
      if (slot.state === 'carrying' && slot.trackId === trackId) return true
    }
    return false
  }

  /** Whether there are tracks that the client has not been told of. */
  get hasPending (): boolean {
    return this.#pending.size > 0
  }

  /** Starts a negotiation. @returns the tracks that the client has to be told of before it is asked for an offer */
  announce (): Track[] {
    const tracks = [...this.#pending.values()]
    for (const track of tracks) this.#announced.set(track.id, track)
    this.#pending.clear()
    return tracks
  }

  /**
   * How many m-lines to receive on the client shall offer: those that it has, and those that are missing. Never fewer
   * than it has: its own arithmetic fails on that, and with it the negotiation.
   */
  get tracksTypes (): TracksTypes {
    const needed = (kind: Kind): number => {
      const slots = [...this.#slots.values()].filter((slot) => slot.kind === kind)
      const free = slots.filter((slot) => slot.state === 'free').length
      const waiting = [...this.#announced.values()].filter((track) => track.kind === kind).length
      return slots.length + Math.max(0, waiting - free)
    }
    return { audio: needed('audio'), video: needed('video') }
  }

  /**
   * Gives the announced tracks their m-lines of an offer.
   * @returns the track id for each m-line that the answer sends on; every other one is to be inactive
   */
  assign (mLines: readonly MLine[]): Map<string, string> {
    for (const { mid, kind, direction } of mLines) {
      if (direction === 'recvonly' && !this.#slots.has(mid)) this.#slots.set(mid, { kind, state: 'free' })
    }
    for (const track of this.#announced.values()) {
      const mid = this.#findFree(track.kind)
      if (mid === undefined) continue
      this.#slots.set(mid, { kind: track.kind, state: 'carrying', trackId: track.id })
      this.#announced.delete(track.id)
    }
    const sending = new Map<string, string>()
    for (const [mid, slot] of this.#slots) {
      if (slot.state === 'carrying') sending.set(mid, slot.trackId)
      else if (slot.state === 'releasing') this.#slots.set(mid, { kind: slot.kind, state: 'free' })
    }
    return sending
  }

  #findFree (kind: Kind): string | undefined {
    for (const [mid, slot] of this.#slots) {
      if (slot.state === 'free' && slot.kind === kind) return mid
    }
    return undefined
  }
}
