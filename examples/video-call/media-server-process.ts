import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface MediaServerProcess {
  /** Of its trunk; the same after a restart. */
  readonly url: string
  /** Where clients connect directly, `ws://host:port`; the same after a restart. */
  readonly direct: string
  readonly token: string
  stop (): Promise<void>
}

/** What becomes of the process after its first start. */
export type Report = (message: string) => void

/** What its first line says. */
interface Listening {
  listening: string
  direct: string
}

const SCRIPT = fileURLToPath(new URL('../media-server/main.js', import.meta.url))
const MIN_BACKOFF_MS = 250
const MAX_BACKOFF_MS = 5_000
/** After this long it was not the start that failed. */
const SETTLED_MS = 10_000
const STOP_MS = 2_500

/**
 * Runs the media server as a process of its own, and starts it again whenever it dies.
 * @throws when it does not come up the first time
 */
export async function startMediaServer (report: Report): Promise<MediaServerProcess> {
  const token = randomBytes(32).toString('base64url')
  const first = launch(token)
  const { listening: url, direct } = await first.listening
  const ports = { PORT: new URL(url).port, DIRECT_PORT: process.env.DIRECT_PORT ?? new URL(direct).port }

  let child = first.child
  let timer: NodeJS.Timeout | undefined
  let stopping = false
  let backoffMs = MIN_BACKOFF_MS

  function watch (startedAt: number): void {
    child.once('exit', (code, signal) => {
      if (stopping) return
      if (Date.now() - startedAt > SETTLED_MS) backoffMs = MIN_BACKOFF_MS
      report(`the media server has died (${signal ?? `exit code ${code}`}) and is started again in ${backoffMs} ms`)
      timer = setTimeout(() => {
        const next = launch(token, ports)
        child = next.child
        // Its exit is what counts, and is heard of above.
        next.listening.catch(() => {})
        watch(Date.now())
      }, backoffMs)
      backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS)
    })
  }
  watch(Date.now())

  return {
    url,
    direct,
    token,
    async stop () {
      stopping = true
      clearTimeout(timer)
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      const deadline = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
      await exited
      clearTimeout(deadline)
    }
  }
}

function launch (token: string, ports: Record<string, string> = {}): { child: ChildProcess, listening: Promise<Listening> } {
  const child = spawn(process.execPath, [SCRIPT], {
    // The app's own HOST and PORT are not for it.
    env: { ...process.env, HOST: '127.0.0.1', PORT: '0', ...ports, TRUNK_TOKEN: token, EXIT_WITH_PARENT: '1' },
    // Its stdin ends with this process, however that comes about.
    stdio: ['pipe', 'pipe', 'inherit']
  })
  const listening = new Promise<Listening>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => reject(new Error(`the media server did not start (${signal ?? `exit code ${code}`})`)))
    createInterface({ input: child.stdout }).once('line', (line) => {
      try {
        resolve(JSON.parse(line) as Listening)
      } catch {
        reject(new Error(`the media server did not say where it listens, but: ${line}`))
      }
    })
  })
  return { child, listening }
}
