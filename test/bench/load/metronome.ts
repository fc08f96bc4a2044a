import { isMainThread, parentPort, workerData } from 'node:worker_threads'

/**
 * A thread that sleeps, and says when it is time: timers of an event loop know whole milliseconds only, and to look at the clock
 * until it is time would take the core from the media server beside it.
 */

export interface Beat {
  /** On the clock of `hrtimeMs`. */
  startMs: number
  everyMs: number
}

/** Milliseconds of a clock that all threads share; that of `performance` begins anew in each. */
export function hrtimeMs (): number {
  return Number(process.hrtime.bigint()) / 1e6
}

if (!isMainThread) {
  const { startMs, everyMs } = workerData as Beat
  const never = new Int32Array(new SharedArrayBuffer(4))
  // Until its process ends.
  for (let beat = 0; ;) {
    const waitMs = startMs + beat * everyMs - hrtimeMs()
    if (waitMs > 0) Atomics.wait(never, 0, 0, waitMs)
    parentPort!.postMessage(null)
    // Who is late misses beats, and sends at the next what was due at all of them.
    beat = Math.max(beat, Math.floor((hrtimeMs() - startMs) / everyMs)) + 1
  }
}
