import { setTimeout as sleep } from 'node:timers/promises'
import { ChaosProxy } from '../../lib/testing/index.js'
import { Random } from '../sim/random.js'
import type { ChaosClient } from './client.js'
import { makeClient } from './make-client.js'
import type { Backend } from './stage.js'
import { until } from './until.js'

export interface Cycles {
  cycles: number
  resumes: number
  /** Clients that were not let in within their time. */
  stuck: number
}

/** How long a client may take to be in, in milliseconds: the trunk is cut now and then. */
const IN_MS = 15_000
const ROUNDS = 3

/** One client after the other comes, speaks, loses its link, comes back and goes, for as long as it is to. */
export class ChurnWorker {
  readonly counts: Cycles = { cycles: 0, resumes: 0, stuck: 0 }
  readonly #i: number
  readonly #backend: Backend
  readonly #random: Random
  #isOver = false

  constructor (i: number, backend: Backend) {
    this.#i = i
    this.#backend = backend
    this.#random = new Random(i)
  }

  stop (): void {
    this.#isOver = true
  }

  /** Resolves when the last client has gone. */
  async run (): Promise<void> {
    const proxy = await ChaosProxy.listen({ target: { port: this.#backend.port } })
    while (!this.#isOver) {
      const client = makeClient(this.#i, `w${this.#i}-${this.counts.cycles}`, proxy, this.#backend, this.#random)
      client.start()
      await this.#live(client)
      await this.#end(client)
      this.counts.cycles++
      this.counts.resumes += client.resumes
    }
    await proxy.close()
  }

  async #live (client: ChaosClient): Promise<void> {
    const random = this.#random
    for (let round = 0; round < ROUNDS && await this.#isIn(client); round++) {
      for (let i = random.between(1, 4); i > 0; i--) {
        client.speak()
        await sleep(random.between(5, 60))
      }
      if (random.chance(0.5)) client.proxy.cut()
      else client.proxy.reset()
      // Not asked too early: it does not know yet.
      await sleep(10)
    }
  }

  /** In good order, or without a word: then only the window ends its session. */
  async #end (client: ChaosClient): Promise<void> {
    if (this.#random.chance(0.8)) {
      if (await this.#isIn(client)) client.speak()
      await client.leave()
    } else {
      client.proxy.refuse(true)
      client.proxy.reset()
    }
    client.destroy()
    client.proxy.refuse(false)
  }

  async #isIn (client: ChaosClient): Promise<boolean> {
    const isIn = await until(IN_MS, () => client.isIn)
    if (!isIn) this.counts.stuck++
    return isIn
  }
}
