import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { sourceOf } from '../../e2e/support/source.js'

/**
 * janode, in a package of its own with a lock of its own: it brings a native module that nobody should have to build who installs
 * Trunkline, and that is not needed for WebSocket.
 */

const PACKAGE = 'test/bench/janus/package.json'
/** How long npm may take, in milliseconds. */
const INSTALL_MS = 120_000

/** Where janode is. */
export function janodeUrl (): string {
  return pathToFileURL(createRequire(sourceOf(PACKAGE)).resolve('janode')).href
}

/**
 * Installs it unless it is there.
 * @throws Error it cannot be: there is no network, for one
 */
export function installJanode (say: (line: string) => void): void {
  const manifest = sourceOf(PACKAGE)
  const folder = dirname(manifest)
  const { dependencies } = JSON.parse(readFileSync(manifest, 'utf8')) as { dependencies: Record<string, string> }
  if (installedVersion(folder) === dependencies.janode) return
  say(`npm installs janode ${dependencies.janode} in ${dirname(PACKAGE)}`)
  const { status, error, stderr } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--fetch-retries=1'], { cwd: folder, encoding: 'utf8', timeout: INSTALL_MS, stdio: ['ignore', 'ignore', 'pipe'] })
  if (status !== 0) {
    const why = error?.message ?? (stderr.trim().split('\n').slice(-5).join('\n') || `npm ended with ${status}`)
    throw new Error(`janode ${dependencies.janode} could not be installed, and there is nothing to compare with. It takes the npm registry, once: npm ci --ignore-scripts --prefix ${dirname(PACKAGE)}\n${why}`)
  }
}

function installedVersion (folder: string): string | null {
  const manifest = join(folder, 'node_modules', 'janode', 'package.json')
  return existsSync(manifest) ? (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version : null
}
