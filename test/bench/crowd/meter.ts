import { setTimeout as sleep } from 'node:timers/promises'
import { serve } from '../child.js'
import type { Meter } from '../scenarios.js'

/** What a relay with a crowd says of itself. */

/** In bytes, after the garbage is gone. The kernel's share, the sockets' buffers, is in none of them. */
export interface Memory {
  rss: number
  heapUsed: number
  heapTotal: number
  external: number
}

/** One collection leaves what only the next finds, and the pages that it frees go back a little later. */
const COLLECTIONS = 6
const BETWEEN_MS = 250

/** @param port where clients come in */
export function serveCrowd (port: number): void {
  serve({ port }, {
    meter (): Meter {
      const { user, system } = process.cpuUsage()
      return { wallMs: performance.now(), cpuMs: (user + system) / 1_000 }
    },
    async memory (): Promise<Memory> {
      if (globalThis.gc === undefined) throw new Error('memory is told with --expose-gc only')
      for (let i = 0; i < COLLECTIONS; i++) {
        globalThis.gc()
        await sleep(BETWEEN_MS)
      }
      const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
      return { rss, heapUsed, heapTotal, external }
    }
  })
}

/** Node's own queue of connections that wait to be accepted holds 511: too few where thousands come at once. */
export const BACKLOG = 4_096
