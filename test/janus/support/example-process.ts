import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { processTree } from '../../e2e/support/proc.js'
import { until } from '../../e2e/support/until.js'
import { janus } from '../../setup/janus.js'
import { buildShim } from './janus-server.js'

const SCRIPT = fileURLToPath(new URL('../../../examples/janus/main.js', import.meta.url))
const STOP_MS = 12_000

/** `examples/janus` as `npm run example:janus` runs it, and the Janus that it starts, which is told to use the loopback interface. */
export class ExampleProcess {
  readonly url: string
  readonly pid: number
  readonly #child: ChildProcess
  readonly #folder: string

  private constructor (child: ChildProcess, url: string, folder: string) {
    this.#child = child
    this.pid = child.pid!
    this.url = url
    this.#folder = folder
  }

  static async start (): Promise<ExampleProcess> {
    const programs = janus()
    if (programs === null) throw new Error('there is no Janus')
    const folder = mkdtempSync(join(tmpdir(), 'trunkline-example-'))
    try {
      const shim = join(folder, 'lo-shim.so')
      buildShim(programs.gcc, shim)
      const program = join(folder, 'janus')
      // Whatever ends the example, the system then ends Janus too.
      writeFileSync(program, `#!/bin/sh\nLD_PRELOAD='${shim}' exec setpriv --pdeathsig KILL '${programs.janus}' "$@"\n`)
      chmodSync(program, 0o755)
      const child = spawn(process.execPath, [SCRIPT], { env: { ...process.env, PORT: '0', HOST: '127.0.0.1', JANUS: program, EXIT_WITH_PARENT: '1' }, stdio: ['pipe', 'pipe', 'inherit'] })
      const url = await new Promise<string>((resolve, reject) => {
        createInterface({ input: child.stdout }).once('line', resolve)
        child.once('error', reject)
        child.once('exit', (code, signal) => reject(new Error(`the example has ended before it listened: ${signal ?? code}`)))
      })
      return new ExampleProcess(child, url, folder)
    } catch (error) {
      rmSync(folder, { recursive: true, force: true })
      throw error
    }
  }

  /** Of the Janus of the moment. */
  async janusPid (): Promise<number> {
    return await until('there is a Janus', () => processTree(this.pid).find(({ command }) => / -F \S+trunkline-janus/.test(command) && !command.startsWith('/bin/sh'))?.pid)
  }

  async health (): Promise<{ trunk: string, trunks: number, peers: number }> {
    return await (await fetch(`${this.url}/health`)).json() as { trunk: string, trunks: number, peers: number }
  }

  async ticket (name: string): Promise<{ roomId: string, peerId: string, token: string }> {
    const response = await fetch(`${this.url}/join`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name }) })
    return await response.json() as { roomId: string, peerId: string, token: string }
  }

  /** How it ended: in good order, 0. */
  async stop (): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, 'exit')
      this.#child.kill('SIGTERM')
      const deadline = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS)
      await exited
      clearTimeout(deadline)
    }
    rmSync(this.#folder, { recursive: true, force: true })
    return this.#child.exitCode
  }
}

/** Runs the example with this environment and nothing else, until it ends by itself. */
export async function runExample (env: Record<string, string>): Promise<{ code: number | null, out: string, error: string }> {
  const child = spawn(process.execPath, [SCRIPT], { env: { ...env, PORT: '0', EXIT_WITH_PARENT: '1' } })
  const [out, error, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  return { code: code as number | null, out, error }
}
