import type { Answers } from '../child.js'
import { FLOOD_EVENT_BYTES, FLOOD_ID, HELLO, SLOW, SLOW_ID, STEADY_ID } from './scenarios.js'

/** False: it should wait, until `relieved`. */
type Send = (text: string) => boolean

/** Events of a flood in one turn of the event loop. */
const POUR = 64
const STREAM_MS = 4

const FLOOD_EVENT = 'f'.repeat(FLOOD_EVENT_BYTES)
const SLOW_EVENT = 's'.repeat(SLOW.eventBytes)

/** What a media server does in this benchmark, however it sends. */
export class Part {
  readonly #peers = new Map<string, Send>()
  #floodEvents = 0
  #since = performance.now()
  #flooding = false

  /** What the parent may ask for. */
  readonly answers: Answers = {
    flood: () => {
      this.#flooding = true
      this.#pour()
    },
    stream: () => this.#stream(),
    /** Events per second that a flooding client got through, since this was last asked. */
    floodRate: () => {
      const now = performance.now()
      const rate = this.#floodEvents * 1_000 / (now - this.#since)
      this.#floodEvents = 0
      this.#since = now
      return rate
    }
  }

  joined (id: string, send: Send): void {
    this.#peers.set(id, send)
  }

  left (id: string): void {
    this.#peers.delete(id)
  }

  event (id: string, data: Buffer): void {
    if (id.startsWith(STEADY_ID) || data.length === HELLO.length) this.#peers.get(id)?.(data.toString())
    else if (id === FLOOD_ID) this.#floodEvents++
  }

  /** Who was told to wait need not any longer. */
  relieved (id: string): void {
    if (id === FLOOD_ID && this.#flooding) this.#pour()
  }

  /** To one client, as fast as it goes. */
  #pour (): void {
    const send = this.#peers.get(FLOOD_ID)
    for (let i = 0; i < POUR; i++) if (send?.(FLOOD_EVENT) !== true) return
    setImmediate(() => this.#pour())
  }

  /** To all slow ones in turn, at a rate that does not care how they fare. */
  #stream (): void {
    const start = performance.now()
    const turns = turnsOf()
    const everyMs = 1_000 / (turns.length * SLOW.eventsPerSecond)
    let sent = 0
    setInterval(() => {
      for (const due = (performance.now() - start) / everyMs; sent < due; sent++) this.#peers.get(turns[sent % turns.length]!)?.(SLOW_EVENT)
    }, STREAM_MS)
  }
}

/** Whose turn it is, so often that each gets its rate, and nobody all of it at once. */
function turnsOf (): string[] {
  const id = (i: number): string => `${SLOW_ID}-${i}`
  return Array.from({ length: SLOW.plainTimes }, (_, turn) => Array.from({ length: SLOW.clients }, (_, i) => i)
    .filter((i) => i < SLOW.plain || i % SLOW.plainTimes === turn).map(id)).flat()
}
