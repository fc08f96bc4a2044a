import { serve } from '../child.js'
import type { Meter } from '../scenarios.js'

/** Tells the parent where the relay listens, and what it has used so far whenever it is asked. */
export function serveRelay (port: number): void {
  serve({ port }, {
    meter (): Meter {
      const { user, system } = process.cpuUsage()
      return { wallMs: performance.now(), cpuMs: (user + system) / 1_000 }
    }
  })
}
