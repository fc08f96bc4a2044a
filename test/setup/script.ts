import { existsSync, realpathSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

/** Where the module with this URL is what was run, prints what it finds, which is null where there is nothing; an error fails. */
export function asScript (url: string, find: () => string | null): void {
  const [, script] = process.argv
  if (script === undefined || !existsSync(script) || realpathSync(script) !== fileURLToPath(url)) return
  try {
    const path = find()
    if (path !== null) process.stdout.write(`${path}\n`)
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`)
    process.exitCode = 1
  }
}
