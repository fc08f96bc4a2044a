import { execFileSync, fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'

/** How long a process may take for one answer, in milliseconds. */
const ANSWER_MS = 15_000
/** How long a process may take to end by itself, in milliseconds. */
const END_MS = 2_000

/** Which cores the processes run on; null: wherever the system likes. */
export interface Placement {
  relay: string | null
  others: string | null
  text: string
}

/** The relay gets a core of its own: the cost of one thread, not of its neighbours in that thread's caches. */
export function place (): Placement {
  const anywhere = (why: string): Placement => ({ relay: null, others: null, text: `not pinned: ${why}` })
  if (availableParallelism() < 2) return anywhere('there is one core')
  let answer: string
  try {
    answer = execFileSync('taskset', ['-cp', String(process.pid)], { encoding: 'utf8' })
    // To ask is allowed where to set may not be.
    execFileSync('taskset', ['-c', answer.split(':').pop()!.trim(), 'true'])
  } catch {
    return anywhere('there is no taskset, or it may not be used')
  }
  const cores = (answer.split(':').pop() ?? '').trim().split(',').flatMap((range) => {
    const [from = NaN, to = from] = range.split('-').map(Number)
    return Array.from({ length: to - from + 1 }, (_, i) => from + i)
  })
  const relay = cores.pop()
  if (relay === undefined || cores.length === 0) return anywhere('there is one core')
  return { relay: String(relay), others: cores.join(','), text: `pinned: relay on core ${relay}, load and media server on ${cores.join(', ')}` }
}

/** A forked module that answers questions, one at a time (`child.ts` is its side). */
export class Child {
  readonly #name: string
  readonly #process: ChildProcess
  #waiting: { resolve: (answer: unknown) => void, reject: (error: Error) => void } | null = null
  #failure: Error | null = null
  #stderr = ''

  /** @param module relative to this file, as compiled */
  constructor (module: string, argument: unknown, core: string | null, nodeOptions: string[] = []) {
    this.#name = module
    const path = fileURLToPath(new URL(module, import.meta.url))
    const pinned = core === null ? {} : { execPath: 'taskset', execArgv: ['-c', core, process.execPath, ...nodeOptions] }
    this.#process = fork(path, [JSON.stringify(argument)], { execArgv: nodeOptions, ...pinned, stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => { this.#stderr = (this.#stderr + text).slice(-4_000) })
    this.#process.on('message', (answer) => {
      this.#waiting?.resolve(answer)
      this.#waiting = null
    })
    this.#process.on('error', (error) => this.#fail(error))
    // Not 'exit': by then its last words may still be in the pipe.
    this.#process.on('close', (code, signal) => this.#fail(new Error(`${module} has ended (${signal ?? code}): ${this.#stderr.trim()}`)))
  }

  /** What the process says of itself once it is ready. */
  ready<T> (withinMs = ANSWER_MS): Promise<T> {
    return this.#answer<T>('ready', withinMs)
  }

  ask<T> (question: string): Promise<T> {
    const answer = this.#answer<T>(question)
    if (this.#process.connected) this.#process.send(question)
    return answer
  }

  /** Resolves when the process is gone. */
  async stop (): Promise<void> {
    const { exitCode, signalCode, pid } = this.#process
    if (pid === undefined || exitCode !== null || signalCode !== null) return
    const gone = new Promise((resolve) => { this.#process.once('exit', resolve) })
    const timer = setTimeout(() => this.kill(), END_MS)
    if (this.#process.connected) this.#process.disconnect()
    await gone
    clearTimeout(timer)
  }

  kill (): void {
    this.#process.kill('SIGKILL')
  }

  #answer<T> (question: string, withinMs = ANSWER_MS): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) {
        reject(this.#failure)
        return
      }
      const timer = setTimeout(() => this.#fail(new Error(`${this.#name} has not answered '${question}' within ${withinMs} ms`)), withinMs)
      this.#waiting = {
        resolve: (answer) => { clearTimeout(timer); resolve(answer as T) },
        reject: (error) => { clearTimeout(timer); reject(error) }
      }
    })
  }

  #fail (error: Error): void {
    this.#failure ??= error
    this.#waiting?.reject(this.#failure)
    this.#waiting = null
  }
}

/** Starts one more process. */
export type Start = (...child: ConstructorParameters<typeof Child>) => Child

const running = new Set<Child>()

/** Processes that are gone when `use` is through, the last one first: to a load, a relay that goes away is a failure. */
export async function withChildren<T> (use: (start: Start) => Promise<T>): Promise<T> {
  const children: Child[] = []
  try {
    return await use((...options) => {
      const child = new Child(...options)
      children.push(child)
      running.add(child)
      return child
    })
  } finally {
    for (const child of children.reverse()) {
      await child.stop()
      running.delete(child)
    }
  }
}

/** For an end that does not wait. */
export function killAll (): void {
  for (const child of running) child.kill()
}
