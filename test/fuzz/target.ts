import type { Stage } from './stage.js'

/** What the run of a target counts. */
export interface Tally {
  messages: number
  connections: number
  /** How often a connection was closed with each code; 1006 is without one. */
  closes: Map<number, number>
}

export const tally = (): Tally => ({ messages: 0, connections: 0, closes: new Map() })

export function closed (counts: Tally, code: number): void {
  counts.closes.set(code, (counts.closes.get(code) ?? 0) + 1)
}

/** Sends the messages with the numbers from `from` to `to`. */
export type Target = (stage: Stage, seed: number, from: number, to: number, counts: Tally) => Promise<void>

/** So many workers, each with its share of the numbers. */
export async function share (workers: number, from: number, to: number, work: (from: number, to: number, worker: number) => Promise<void>): Promise<void> {
  const each = Math.ceil((to - from) / workers)
  await Promise.all(Array.from({ length: workers }, async (_, i) => await work(from + i * each, Math.min(to, from + (i + 1) * each), i)))
}
