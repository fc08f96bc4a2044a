import { spawn } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

const SCRIPT = fileURLToPath(new URL('../../../examples/media-server/main.js', import.meta.url))

export interface MediaServer {
  readonly listening: string
  readonly api: string
  readonly direct: string
  readonly token: string
  /** What it has said to stderr. */
  readonly errors: string[]
  /** Ends it in order; resolves with its exit code, and how many milliseconds it took. */
  stop (): Promise<{ code: number | null, ms: number }>
}

/** The real process; killed at the end of the test if it is still there. */
export async function startProcess (t: Test, env: Record<string, string> = {}): Promise<MediaServer> {
  const token = 'of-the-trunk'
  const child = spawn(process.execPath, [SCRIPT], { env: { ...process.env, TRUNK_TOKEN: token, MEDIA_ADDRESS: '127.0.0.1', ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(child, 'exit')
  const errors: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => { errors.push(line) })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'), exited.then(() => { throw new Error(`the media server did not start: ${errors.join(' ')}`) })
  ]) as [string]
  return {
    ...JSON.parse(line) as { listening: string, api: string, direct: string },
    token,
    errors,
    async stop () {
      const since = performance.now()
      child.kill('SIGTERM')
      const [code] = await exited as [number | null]
      return { code, ms: performance.now() - since }
    }
  }
}
