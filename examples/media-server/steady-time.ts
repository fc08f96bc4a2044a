import type { RtpPacket } from 'werift'

/** How far a publisher's timestamps may be from when they come, in milliseconds: beyond, they are not believed. */
export const MAX_DRIFT_MS = 5_000

/**
 * Timestamps of one track, in milliseconds from when its file begins.
 *
 * werift's recorder cuts each step of a track down to whole milliseconds, so that video at 30 frames a second loses a hundredth
 * of its time; and it lets each track begin at 0, whenever it came.
 */
export class SteadyTime {
  readonly #ticksPerMs: number
  #ticks = 0
  #last: number | undefined
  /** What the file's time is ahead of the track's. */
  #aheadMs = 0

  constructor (clockRate: number) {
    this.#ticksPerMs = clockRate / 1000
  }

  /** @param arrivedMs since the file began */
  at (timestamp: number, arrivedMs: number): number {
    const isFirst = this.#last === undefined
    // By the shorter way around: timestamps wrap, and a packet may be late.
    this.#ticks += (timestamp - (this.#last ?? timestamp)) | 0
    this.#last = timestamp
    const trackMs = this.#ticks / this.#ticksPerMs
    if (isFirst || Math.abs(trackMs + this.#aheadMs - arrivedMs) > MAX_DRIFT_MS) this.#aheadMs = arrivedMs - trackMs
    return Math.max(0, Math.round(trackMs + this.#aheadMs))
  }
}

/** A copy of a packet that says a time in whole milliseconds. */
export function retimed (packet: RtpPacket, ms: number, clockRate: number): RtpPacket {
  const copy = packet.clone()
  copy.header.timestamp = (ms * (clockRate / 1000)) % 2 ** 32
  copy.header.extensions = []
  return copy
}
