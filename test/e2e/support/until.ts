import { setTimeout } from 'node:timers/promises'

/** What is there once it is found. */
type Found<T> = Exclude<T, false | null | undefined>

/**
 * Looks again and again until the answer is true, or anything else that counts as such, and returns it.
 * @throws when that takes longer than `withinMs`, with the last answer
 */
export async function until<T> (what: string, look: () => T | Promise<T>, withinMs = 20_000, everyMs = 50): Promise<Found<T>> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const answer = await look()
    if (answer) return answer as Found<T>
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what} (the last answer was ${JSON.stringify(answer)})`)
    await setTimeout(everyMs)
  }
}

/** Watches for `forMs`: for what must not happen, which no event tells. */
export async function throughout (what: string, holds: () => boolean | Promise<boolean>, forMs: number, everyMs = 50): Promise<void> {
  const end = performance.now() + forMs
  while (performance.now() < end) {
    if (!await holds()) throw new Error(`it happened all the same: ${what}`)
    await setTimeout(everyMs)
  }
}
