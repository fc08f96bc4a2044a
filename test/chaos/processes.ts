import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** How long a process may take for one answer, its start included, in milliseconds. */
const ANSWER_MS = 20_000
/** How long a process may take to end when it is asked to, in milliseconds. */
const END_MS = 12_000

interface Waiting {
  resolve: (answer: unknown) => void
  reject: (error: Error) => void
}

const all = new Set<Process>()

/** For an end that does not wait. */
export function killAllProcesses (): void {
  for (const each of all) each.kill()
}

/** A forked module that answers questions (`../bench/child.ts` is its side), is killed, and is not to end by itself. */
export class Process {
  /** Resolves when it is gone. */
  readonly gone: Promise<void>
  readonly #name: string
  readonly #process: ChildProcess
  /** In the order asked, which is that of the answers. */
  readonly #waiting: Waiting[] = []
  #isOver = false
  #mayEnd = false
  #stderr = ''

  private constructor (module: string, argument: unknown, crashed: (why: string) => void) {
    this.#name = module
    const path = fileURLToPath(new URL(module, import.meta.url))
    const child = this.#process = fork(path, [JSON.stringify(argument)], { execArgv: ['--expose-gc'], stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
    all.add(this)
    child.stderr?.setEncoding('utf8').on('data', (text: string) => { this.#stderr = (this.#stderr + text).slice(-4_000) })
    child.on('message', (answer) => this.#waiting.shift()?.resolve(answer))
    // That it could not be started, or a question not be asked: the end says so, or the deadline of the answer.
    child.on('error', (error) => { this.#stderr += error.message })
    this.gone = new Promise((resolve) => {
      // Not 'exit': by then its last words may still be in the pipe.
      child.on('close', (code, signal) => {
        this.#isOver = true
        all.delete(this)
        const why = `${module} has ended (${signal ?? code}): ${this.#stderr.trim()}`
        for (const { reject } of this.#waiting.splice(0)) reject(new Error(why))
        if (!this.#mayEnd) crashed(why)
        resolve()
      })
    })
  }

  /**
   * Resolves when it is ready, with what it says of itself.
   * @param module relative to this file, as compiled
   * @param crashed called if it ends and nobody has asked for that
   */
  static async start<Ready> (module: string, argument: unknown, crashed: (why: string) => void): Promise<{ process: Process, ready: Ready }> {
    const process = new Process(module, argument, crashed)
    return { process, ready: await process.#answer('ready') as Ready }
  }

  async ask<Answer> (question: string): Promise<Answer> {
    const answer = this.#answer(question)
    if (this.#process.connected) this.#process.send(question)
    return await answer as Answer
  }

  /** Nothing of it runs on: SIGKILL. */
  kill (): void {
    this.#mayEnd = true
    this.#process.kill('SIGKILL')
  }

  /** Asks it to end. Resolves when others can have its place; `gone`, to whether it went by itself, when it is gone. */
  async retire (): Promise<{ gone: Promise<boolean> }> {
    this.#mayEnd = true
    await this.ask('close')
    return { gone: this.#inTime() }
  }

  async #inTime (): Promise<boolean> {
    let inTime = true
    const timer = setTimeout(() => {
      inTime = false
      this.kill()
    }, END_MS)
    await this.gone
    clearTimeout(timer)
    return inTime
  }

  #answer (question: string): Promise<unknown> {
    if (this.#isOver) return Promise.reject(new Error(`${this.#name} has ended, and cannot answer '${question}'`))
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.#name} has not answered '${question}' within ${ANSWER_MS} ms`)), ANSWER_MS)
      this.#waiting.push({
        resolve: (answer) => { clearTimeout(timer); resolve(answer) },
        reject: (error) => { clearTimeout(timer); reject(error) }
      })
    })
  }
}
