import { setImmediate as turn } from 'node:timers/promises'

/** Bytes of the heap that are still needed. The process has to run with --expose-gc. */
export async function heapBytes (): Promise<number> {
  // What the first round finalises, the second one collects.
  for (let i = 0; i < 2; i++) {
    globalThis.gc!()
    await turn()
  }
  return process.memoryUsage().heapUsed
}
