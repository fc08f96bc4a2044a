import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { tcpSockets } from '../../e2e/support/proc.js'
import { sourceOf } from '../../e2e/support/source.js'
import { until } from '../../e2e/support/until.js'
import { janus } from '../../setup/janus.js'
import { janusCall } from './janus-call.js'
import type { JanusMessage } from './janus-call.js'
import { configFiles, freePorts, recordingsIn } from './janus-config.js'
import type { JanusConfig, Place } from './janus-config.js'

const ATTEMPTS = 5
const START_MS = 15_000
const STOP_MS = 5_000
const MAX_LOG_LINES = 20_000

/**
 * A real Janus, with a configuration and a folder of its own, that is reached from this machine only. It ends with this process,
 * however that ends.
 */
export class JanusServer {
  readonly folder: string
  readonly apiSecret: string
  readonly adminSecret: string
  /** What it has said, the newest lines of it, over all its lives. */
  readonly log: string[] = []
  readonly #place: Place
  readonly #options: JanusConfig
  #child: ChildProcess | null = null

  private constructor (place: Place, options: JanusConfig) {
    this.#place = place
    this.#options = options
    this.folder = place.folder
    this.apiSecret = place.apiSecret
    this.adminSecret = place.adminSecret
  }

  /**
   * Resolves when it answers.
   * @throws when there is none, or it does not start; with the end of its log
   */
  static async start (options: JanusConfig = {}): Promise<JanusServer> {
    const programs = janus()
    if (programs === null) throw new Error('there is no Janus')
    const folder = mkdtempSync(join(tmpdir(), 'trunkline-janus-'))
    try {
      buildShim(programs.gcc, shimIn(folder))
      mkdirSync(recordingsIn(folder))
      for (let attempt = 1; ; attempt++) {
        const server = new JanusServer({ folder, name: randomUUID(), apiSecret: randomUUID(), adminSecret: randomUUID(), ports: await freePorts() }, options)
        try {
          await server.#run()
          return server
        } catch (error) {
          await server.kill()
          if (attempt === ATTEMPTS || !server.log.some(isLostPort)) throw error
        }
      }
    } catch (error) {
      rmSync(folder, { recursive: true, force: true })
      throw error
    }
  }

  get url (): string {
    return `ws://127.0.0.1:${this.#place.ports.api}`
  }

  get adminUrl (): string {
    return `ws://127.0.0.1:${this.#place.ports.admin}`
  }

  get port (): number {
    return this.#place.ports.api
  }

  /** The folder of VideoRoom's and Record&Play's recordings. */
  get recordings (): string {
    return recordingsIn(this.folder)
  }

  /** @throws while it does not run */
  get pid (): number {
    if (this.#child === null) throw new Error('Janus does not run')
    return this.#child.pid!
  }

  /** One request to its API, over a connection of its own. */
  async call (request: Record<string, unknown>, withinMs?: number): Promise<JanusMessage> {
    return await janusCall(this.url, 'janus-protocol', { apisecret: this.apiSecret, ...request }, withinMs)
  }

  /**
   * One request to its admin API.
   * @throws when it is answered with an error
   */
  async admin (request: Record<string, unknown>): Promise<JanusMessage> {
    const answer = await janusCall(this.adminUrl, 'janus-admin-protocol', { admin_secret: this.adminSecret, ...request })
    if (answer.janus === 'error') throw new Error(`${String(request.janus)}: ${JSON.stringify(answer.error)}`)
    return answer
  }

  async sessions (): Promise<number[]> {
    return (await this.admin({ janus: 'list_sessions' })).sessions as number[]
  }

  async handles (session: number): Promise<number[]> {
    return (await this.admin({ janus: 'list_handles', session_id: session })).handles as number[]
  }

  async handleInfo (session: number, handle: number): Promise<Record<string, any>> {
    return (await this.admin({ janus: 'handle_info', session_id: session, handle_id: handle })).info as Record<string, any>
  }

  /** How many connections to its API there are, by the operating system's list; also while it is frozen. */
  connections (): number {
    return tcpSockets(this.pid).filter(({ state, localPort }) => state === 'established' && localPort === this.port).length
  }

  /** SIGKILL: it has no time to say goodbye to anybody. */
  async kill (): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** A new process, with ports and configuration of the former, which is killed if it still runs. It knows no session. */
  async restart (): Promise<void> {
    await this.kill()
    await this.#run()
  }

  /** It keeps its sockets, and does nothing. */
  async freeze (): Promise<void> {
    process.kill(this.pid, 'SIGSTOP')
    const tasks = `/proc/${this.pid}/task`
    await until('each of its threads is stopped', () => readdirSync(tasks).every((task) => /\) T /.test(readFileSync(join(tasks, task, 'stat'), 'utf8'))), STOP_MS, 5)
  }

  thaw (): void {
    process.kill(this.pid, 'SIGCONT')
  }

  /** In good order, as far as it can; its folder goes as well. */
  async stop (): Promise<void> {
    const deadline = setTimeout(() => this.#child?.kill('SIGKILL'), STOP_MS)
    this.#child?.kill('SIGCONT')
    await this.#end('SIGTERM')
    clearTimeout(deadline)
    rmSync(this.folder, { recursive: true, force: true })
  }

  async #end (signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === null) return
    const closed = once(child, 'close')
    child.kill(signal)
    await closed
  }

  async #run (): Promise<void> {
    for (const [name, text] of configFiles(this.#place, this.#options)) writeFileSync(join(this.folder, name), text)
    const { janus: program } = janus()!
    // Whatever ends this process, the system then ends Janus too.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, '-F', this.folder], {
      env: { ...process.env, LD_PRELOAD: shimIn(this.folder) },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    this.#child = child
    let failure: Error | null = null
    let lostPort = false
    child.on('error', (error) => { failure = error })
    child.on('close', () => {
      failure ??= new Error('it has ended')
      if (this.#child === child) this.#child = null
    })
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        lostPort ||= isLostPort(line)
        this.log.push(line)
        if (this.log.length > MAX_LOG_LINES) this.log.shift()
      })
    }
    try {
      await until('Janus answers', async () => {
        if (failure !== null) throw failure
        if (lostPort) throw new Error('one of its ports is taken')
        return await this.#answers()
      }, START_MS, 20)
    } catch (error) {
      throw new Error(`Janus does not start: ${(error as Error).message}\n${this.log.slice(-30).join('\n')}`, { cause: error })
    }
  }

  /** On both ports, and it is this one: another may have been faster. */
  async #answers (): Promise<boolean> {
    try {
      const info = await this.call({ janus: 'info' })
      const ofAdmin = await this.admin({ janus: 'info' })
      return [info, ofAdmin].every((each) => each['server-name'] === this.#place.name)
    } catch {
      return false
    }
  }
}

/** Without its admin port Janus goes on. */
const isLostPort = (line: string): boolean => line.includes('Error creating vhost')

function shimIn (folder: string): string {
  return join(folder, 'lo-shim.so')
}

/** Of `lo-shim.c`, to be preloaded. */
export function buildShim (gcc: string, target: string): void {
  const { status, stderr } = spawnSync(gcc, ['-shared', '-fPIC', '-O2', '-Wall', '-o', target, sourceOf('test/janus/support/lo-shim.c'), '-ldl'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`lo-shim.c does not compile: ${stderr}`)
}
