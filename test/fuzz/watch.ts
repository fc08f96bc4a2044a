import { Writable } from 'node:stream'
import process from 'node:process'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const MAX_SHOWN = 10

/** What went wrong, each thing once. */
export class Violations {
  readonly #counts = new Map<string, number>()

  constructor () {
    process.on('uncaughtException', (error) => this.add(`uncaughtException: ${error.stack}`))
    process.on('unhandledRejection', (error) => this.add(`unhandledRejection: ${error instanceof Error ? error.stack : String(error)}`))
    process.on('warning', ({ name, message }) => this.add(`${name}: ${message}`))
  }

  get any (): boolean {
    return this.#counts.size > 0
  }

  add (what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1)
  }

  get lines (): string[] {
    return [...this.#counts].slice(0, MAX_SHOWN).map(([what, count]) => count === 1 ? what : `${what} (${count} times)`)
  }
}

/** What a hostile media server may make a backend log as an error. */
const EXPECTED = /sent text that is not UTF-8|notification is dropped|could not be authenticated/

/** A log for pino that looks for errors which nobody expects: what was caught somewhere and should not have been thrown. */
export function logTo (violations: Violations): Writable {
  return new Writable({
    write (line: Buffer, _encoding, done) {
      const { level, msg, err } = JSON.parse(line.toString()) as { level: number, msg: string, err?: { stack?: string } }
      if (level >= 50 && !EXPECTED.test(msg)) violations.add(`logged: ${msg} ${err?.stack ?? ''}`)
      done()
    }
  })
}

/** Whether it holds within the time; looked at now and then. */
export async function within (ms: number, holds: () => boolean): Promise<boolean> {
  const until = performance.now() + ms
  while (!holds()) {
    if (performance.now() > until) return false
    await sleep(1)
  }
  return true
}

let collect: (() => void) | null = null

/** Bytes that are still needed, of the heap and outside of it. */
export async function memory (): Promise<number> {
  if (collect === null) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  }
  // What the first round finalises, the next one collects.
  for (let i = 0; i < 3; i++) {
    collect()
    await turn()
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
