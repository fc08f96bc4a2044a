import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../sim/random.js'
import type { ChaosClient } from './client.js'
import { TRUNK_FAULTS, linkFaults } from './faults.js'
import type { Fault } from './faults.js'
import type { Backend, Stage } from './stage.js'

/** Milliseconds from one fault of a sort to the next, on average. */
export interface Pace {
  linkMs: number
  trunkMs: number
  backendMs: number
  mediaServerMs: number
}

export const BACKEND_KILLED = 'backend killed'
export const BACKEND_DRAINED = 'backend drained and replaced'
export const MEDIA_SERVER_KILLED = 'media server killed'

export interface InjectorOptions {
  stage: Stage
  clients: ChaosClient[]
  windowMs: number
  pace: Pace
  random: Random
}

/** How long a process may be missed before its successor starts, in milliseconds. */
const MISSED_MS = [0, 500] as const

/**
 * Does everything to everything, until it is stopped. What is chosen, and in which order, follows from the seed alone; what
 * it hits, and when, depends on how the processes come along.
 */
export class Injector {
  readonly faults: Record<string, number> = {}
  readonly #options: InjectorOptions
  readonly #stopping = new AbortController()
  /** Whose fault has not ended yet. */
  readonly #suffering = new Set<unknown>()
  #loops: Promise<unknown> = Promise.resolve()

  constructor (options: InjectorOptions) {
    this.#options = options
    // One for each fault that is under way.
    setMaxListeners(0, this.#stopping.signal)
  }

  start (): void {
    const { stage, clients, windowMs, pace, random } = this.#options
    // Each goes on in its own order, however the others come along.
    const [ofLinks, ofTrunks, ofBackends, ofMediaServer] = [fork(random), fork(random), fork(random), fork(random)] as const
    const links = deck(linkFaults(stage.backends, windowMs), ofLinks)
    const trunks = deck(TRUNK_FAULTS, ofTrunks)
    const ends = deck([{ kind: BACKEND_KILLED, times: 1 }, { kind: BACKEND_DRAINED, times: 1 }], ofBackends)
    this.#loops = Promise.all([
      this.#every(pace.linkMs, ofLinks, () => this.#on(clients, links, ofLinks, (client, begun) => client.trouble(begun))),
      this.#every(pace.trunkMs, ofTrunks, () => this.#on(stage.backends, trunks, ofTrunks, () => {})),
      this.#every(pace.backendMs, ofBackends, async () => await this.#endBackend(ofBackends.pick(stage.backends), ends().kind, ofBackends)),
      this.#every(pace.mediaServerMs, ofMediaServer, async () => {
        this.#count(MEDIA_SERVER_KILLED)
        await stage.replaceMediaServer(() => this.#missed(ofMediaServer))
      })
    ])
    // Told by `stop`, and not before.
    this.#loops.catch(() => {})
  }

  /** Nothing new happens, and what is under way ends at once; resolves when all processes are there. */
  async stop (): Promise<void> {
    this.#stopping.abort()
    await this.#loops
  }

  /** @throws what a process did that could not be started */
  async #every (ms: number, random: Random, act: () => unknown): Promise<void> {
    // Evenly, so that a short run has its share too.
    while (await this.#wait(ms * (0.5 + random.next()))) await act()
  }

  #on<Target> (targets: Target[], next: () => Fault<Target>, random: Random, tell: (target: Target, begun: boolean) => void): void {
    const free = targets.filter((target) => !this.#suffering.has(target))
    if (free.length === 0) return
    const { kind, ms: [least, most], begin } = next()
    const forMs = random.between(least, most)
    const target = random.pick(free)
    this.#count(kind)
    this.#suffering.add(target)
    tell(target, true)
    const end = begin(target, fork(random))
    void this.#wait(forMs).then(() => {
      end()
      tell(target, false)
      this.#suffering.delete(target)
    })
  }

  async #endBackend (backend: Backend, kind: string, random: Random): Promise<void> {
    const { stage, clients } = this.#options
    this.#count(kind)
    backend.fates[backend.generation] = kind
    let wentByItself = Promise.resolve(true)
    if (kind === BACKEND_KILLED) {
      backend.process.kill()
      await backend.process.gone
      await this.#missed(random)
    } else {
      // Its successor is there while it is still letting go of its clients.
      wentByItself = (await backend.process.retire()).gone
    }
    await stage.replaceBackend(backend)
    for (const client of clients) if (client.backend === backend) client.moveTo(backend)
    if (!await wentByItself) throw new Error(`${backend.name} did not close in time`)
  }

  async #missed (random: Random): Promise<void> {
    await this.#wait(random.between(...MISSED_MS))
  }

  #count (kind: string): void {
    this.faults[kind] = (this.faults[kind] ?? 0) + 1
  }

  /** False: it was stopped meanwhile, or had been. */
  async #wait (ms: number): Promise<boolean> {
    if (this.#stopping.signal.aborted) return false
    return await sleep(ms, true, { signal: this.#stopping.signal }).catch(() => false)
  }
}

/** Each as often as it says, in an order that is shuffled; and again from the beginning. */
function deck<Card extends { times: number }> (cards: readonly Card[], random: Random): () => Card {
  const all = cards.flatMap((card) => Array.from({ length: card.times }, () => card))
  let rest: Card[] = []
  return () => {
    if (rest.length === 0) rest = [...all]
    return rest.splice(random.between(0, rest.length - 1), 1)[0]!
  }
}

/** What one choice does with it moves no other. */
const fork = (random: Random): Random => new Random(random.between(0, 2 ** 31))
