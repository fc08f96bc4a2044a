import { writeFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import type { Client } from './client.js'
import { hrtimeMs } from './metronome.js'
import type { Beat } from './metronome.js'
import { Samples } from './samples.js'

/** When clients send. */
export interface Pace {
  begin (clients: readonly Client[]): void
  /** So many echoes have come to a client. */
  took (client: Client, echoes: number): void
  stop (): void
  /** How late the load itself was, in milliseconds. */
  readonly late: Samples
}

/** Each client has a number of events under way, always: as many as the relay can do. */
export class ClosedLoop implements Pace {
  readonly late = new Samples()
  readonly #window: number
  #goesOn = false

  constructor (window: number) {
    this.#window = window
  }

  begin (clients: readonly Client[]): void {
    this.#goesOn = true
    for (const client of clients) client.send(this.#window, performance.now())
  }

  took (client: Client, echoes: number): void {
    if (this.#goesOn) client.send(echoes, performance.now())
  }

  stop (): void {
    this.#goesOn = false
  }
}

/** Events that are due at once, each of another client. */
const AT_ONCE = 3

/**
 * So many events per second, whatever became of those before. They are due three at a time at fixed moments, the clients
 * taking turns, and each is measured from the moment when it was due, not from when it was sent: a load that measures from its
 * own sending forgives whoever keeps it from that. Between these moments the process sleeps, and a thread of it has the clock.
 */
export class OpenLoop implements Pace {
  readonly late = new Samples()
  readonly #everyMs: number
  #goesOn = false

  constructor (perSecond: number) {
    this.#everyMs = AT_ONCE * 1_000 / perSecond
  }

  begin (clients: readonly Client[]): void {
    this.#goesOn = true
    const start = performance.now() + 1
    let next = 0
    sleepExactly()
    const worker = new Worker(new URL('./metronome.js', import.meta.url), {
      workerData: { startMs: start + hrtimeMs() - performance.now(), everyMs: this.#everyMs } satisfies Beat
    })
    worker.on('message', () => {
      if (!this.#goesOn) return
      const now = performance.now()
      for (let dueAt = start; (dueAt = start + Math.floor(next / AT_ONCE) * this.#everyMs) <= now; next++) {
        clients[next % clients.length]!.send(1, dueAt)
        this.late.add(now - dueAt)
      }
    })
  }

  took (): void {}

  stop (): void {
    this.#goesOn = false
  }
}

/** Linux wakes a sleeper up to 50 us late, to save power, unless it is told otherwise. Threads that are started later are the same. */
function sleepExactly (): void {
  try {
    writeFileSync('/proc/self/timerslack_ns', '1000')
  } catch {
    // Not Linux, or not allowed: how late the load was is printed anyway.
  }
}
