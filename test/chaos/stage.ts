import { rmSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ChaosProxy } from '../../lib/testing/index.js'
import type { Random } from '../sim/random.js'
import type { BackendSettings, BackendState } from './backend.js'
import { readLedger } from './ledger.js'
import type { PeerRecord } from './ledger.js'
import type { MediaServerSettings, MediaServerState } from './media-server.js'
import { Process } from './processes.js'

/** A process that may be replaced by another, which takes its place. */
export interface Place {
  name: string
  process: Process
  port: number
  /** How many processes had it before. */
  generation: number
  /** Of the process that has it now, before anybody came. */
  heapAtStart: number
}

export interface Backend extends Place {
  /** Its trunk leads through here. */
  trunk: ChaosProxy
  /** How the processes before it ended, by generation. */
  fates: string[]
}

/** A peer of a media server, and whether that one was killed. */
export interface Witness extends PeerRecord {
  killed: boolean
}

export interface StageOptions {
  backends: number
  windowMs: number
  random: Random
  crashed: (why: string) => void
}

/** The processes of a run, and the trunks between them. */
export class Stage {
  readonly backends: Backend[] = []
  mediaServer!: Place
  readonly #options: StageOptions
  readonly #folder = mkdtempSync(join(tmpdir(), 'trunkline-chaos-'))
  readonly #ledgers: string[] = []
  /** What media servers that were killed have left: nothing of it changes any more. */
  readonly #dead: Witness[] = []

  private constructor (options: StageOptions) {
    this.#options = options
  }

  static async open (options: StageOptions): Promise<Stage> {
    const stage = new Stage(options)
    stage.mediaServer = await stage.#startMediaServer(0, 0)
    for (let i = 0; i < options.backends; i++) {
      const trunk = await ChaosProxy.listen({ target: { port: stage.mediaServer.port } })
      stage.backends.push({ ...await stage.#startBackend(`backend ${i + 1}`, 0, trunk, 0), trunk, fates: [] })
    }
    return stage
  }

  /** SIGKILL, and a successor at the same place. */
  async replaceMediaServer (afterMs: () => Promise<void>): Promise<void> {
    const { process, port, generation } = this.mediaServer
    process.kill()
    await process.gone
    this.#dead.push(...readLedger(this.#ledgers.at(-1)!).map((record) => ({ ...record, killed: true })))
    await afterMs()
    this.mediaServer = await this.#startMediaServer(port, generation + 1)
    for (const { trunk } of this.backends) trunk.retarget({ port: this.mediaServer.port })
  }

  /** A successor at the place of a backend that is gone. */
  async replaceBackend (backend: Backend): Promise<void> {
    Object.assign(backend, await this.#startBackend(backend.name, backend.port, backend.trunk, backend.generation + 1))
  }

  /** Everything that media servers have written down, of those that were killed too. */
  witnesses (): Witness[] {
    return [...this.#dead, ...readLedger(this.#ledgers.at(-1)!).map((record) => ({ ...record, killed: false }))]
  }

  async backendStates (): Promise<BackendState[]> {
    return await Promise.all(this.backends.map(({ process }) => process.ask<BackendState>('state')))
  }

  async mediaServerState (): Promise<MediaServerState> {
    return await this.mediaServer.process.ask<MediaServerState>('state')
  }

  async close (): Promise<void> {
    for (const { process } of [...this.backends, this.mediaServer]) {
      process.kill()
      await process.gone
    }
    await Promise.all(this.backends.map(({ trunk }) => trunk.close()))
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #startMediaServer (port: number, generation: number): Promise<Place> {
    const name = `s${generation + 1}`
    const ledger = join(this.#folder, `${name}.ledger`)
    this.#ledgers.push(ledger)
    const { windowMs, random } = this.#options
    return await this.#start('./media-server.js', { name, port, ledger, windowMs, seed: random.between(0, 1e9) } satisfies MediaServerSettings, 'media server', generation)
  }

  async #startBackend (name: string, port: number, trunk: ChaosProxy, generation: number): Promise<Place> {
    return await this.#start('./backend.js', { port, trunkPort: trunk.port } satisfies BackendSettings, name, generation)
  }

  async #start (module: string, settings: unknown, name: string, generation: number): Promise<Place> {
    const { process, ready } = await Process.start<{ port: number }>(module, settings, this.#options.crashed)
    const { heapBytes } = await process.ask<{ heapBytes: number }>('state')
    return { name, process, generation, port: ready.port, heapAtStart: heapBytes }
  }
}
