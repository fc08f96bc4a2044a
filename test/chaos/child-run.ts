import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Result } from './run.js'

export interface ChildRun {
  code: number | null
  output: string
  result: Result
}

/** Runs chaos as a process of its own. @param root where `dist/test/chaos/main.js` is */
export async function runChaos (root: string, args: string[]): Promise<ChildRun> {
  const folder = mkdtempSync(join(tmpdir(), 'trunkline-chaos-'))
  const json = join(folder, 'result.json')
  try {
    // Without what a test runner loads into its processes: it takes time, and memory that is measured here.
    const { NODE_OPTIONS: _, NODE_V8_COVERAGE: __, ...env } = process.env
    const child = spawn(process.execPath, [join(root, 'dist', 'test', 'chaos', 'main.js'), ...args, '--json', json], { stdio: ['ignore', 'pipe', 'pipe'], env })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { output += text })
    const code = await new Promise<number | null>((resolve) => { child.once('close', resolve) })
    try {
      return { code, output, result: JSON.parse(readFileSync(json, 'utf8')) as Result }
    } catch {
      throw new Error(`chaos came to no verdict, and ended with ${code}:\n${output}`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
