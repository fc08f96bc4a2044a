import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 50

/** Resolves when it is so, or when the time is over: which of the two it was. */
export async function until (withinMs: number, isSo: () => boolean | Promise<boolean>): Promise<boolean> {
  for (const giveUpAt = performance.now() + withinMs; !await isSo(); await sleep(POLL_MS)) {
    if (performance.now() >= giveUpAt) return false
  }
  return true
}
