import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, realpathSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

/** Where the browser tests find Chromium. Run as a script it says so, and fails in CI when there is none. */

const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium'
]

const INSTALL = ['apt-get install -y --no-install-recommends chromium']
const HINT = `install it (on Debian: ${INSTALL[0]}) or set CHROMIUM to its path`

let asked: string | null | undefined

/**
 * The path of a Chromium, which is installed if it can be: as root, with apt-get. Null when there is none; what that
 * means for the tests has been printed then.
 * @throws in CI, where tests that cannot run must not pass for tests that have
 */
export function chromium (): string | null {
  asked ??= find() ?? install() ?? missing()
  return asked
}

/** For the option `skip` of a test. */
export function withoutChromium (): string | false {
  return chromium() === null ? `there is no Chromium: ${HINT}` : false
}

function find (): string | null {
  const { CHROMIUM } = process.env
  if (CHROMIUM !== undefined && CHROMIUM !== '') {
    if (!isExecutable(CHROMIUM)) throw new Error(`CHROMIUM says ${CHROMIUM}, which cannot be run`)
    return CHROMIUM
  }
  return PLACES.find(isExecutable) ?? null
}

/** The one kind of machine on which it takes no decision of its owner: a container's root with Debian's packages. */
function install (): string | null {
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !existsSync('/etc/debian_version') || !isOnPath('apt-get')) return null
  process.stderr.write('# there is no Chromium: apt-get installs it\n')
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const command of ['apt-get update', ...INSTALL]) {
    const [program = '', ...args] = command.split(' ')
    // Stdout belongs to the results of the tests.
    const { status } = spawnSync(program, args, { env, stdio: ['ignore', 2, 2] })
    if (status !== 0) return null
  }
  return find()
}

function missing (): null {
  if (process.env.CI === 'true') throw new Error(`there is no Chromium, and the browser tests must run in CI: ${HINT}`)
  process.stderr.write(`# NOT RUN: the tests with real browsers, for there is no Chromium. To run them, ${HINT}.\n`)
  return null
}

function isOnPath (program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => isExecutable(join(folder, program)))
}

function isExecutable (path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function isScript (): boolean {
  const [, script] = process.argv
  return script !== undefined && existsSync(script) && realpathSync(script) === fileURLToPath(import.meta.url)
}

if (isScript()) {
  try {
    const path = chromium()
    if (path !== null) process.stdout.write(`${path}\n`)
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`)
    process.exitCode = 1
  }
}
