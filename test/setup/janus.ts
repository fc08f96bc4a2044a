import { spawnSync } from 'node:child_process'
import process from 'node:process'
import { install, installCommand, onPath } from './debian.js'
import { asScript } from './script.js'

/** Where the tests find a real Janus, and what else they need of the system. Run as a script it says so, and fails in CI when there is none. */

export interface JanusPrograms {
  janus: string
  /** Makes of a recording what others can play. */
  ppRec: string
  /** For the shim that lets Janus use the loopback interface. */
  gcc: string
}

const PACKAGES = ['janus', 'janus-tools', 'gcc', 'libc6-dev']
const HINT = `install it (on Debian: ${installCommand(PACKAGES.join(' '))})`

let asked: JanusPrograms | null | undefined

/**
 * What is needed, which is installed if it can be: as root, with apt-get. Null when it is not there; what that means for the tests has
 * been printed then. A Janus that is installed here is never run as a service, now or later.
 * @throws in CI, where tests that cannot run must not pass for tests that have
 */
export function janus (): JanusPrograms | null {
  // Once only, or what is missing would be said, and installed in vain, for each test.
  if (asked === undefined) asked = find() ?? (install(lacking().join(' '), 'janus') ? find() : null) ?? missing()
  return asked
}

/** For the option `skip` of a test. */
export function withoutJanus (): string | false {
  return janus() === null ? `there is no Janus, or no compiler: ${HINT}` : false
}

function find (): JanusPrograms | null {
  // Elsewhere its sockets cannot be counted, nor can its network interfaces be chosen.
  if (process.platform !== 'linux') return null
  const [janus, ppRec, gcc] = [onPath('janus'), onPath('janus-pp-rec'), onPath('gcc')]
  return janus === null || ppRec === null || gcc === null || !hasHeaders(gcc) ? null : { janus, ppRec, gcc }
}

function lacking (): string[] {
  const gcc = onPath('gcc')
  const has: Record<string, boolean> = {
    janus: onPath('janus') !== null,
    'janus-tools': onPath('janus-pp-rec') !== null,
    gcc: gcc !== null,
    'libc6-dev': gcc !== null && hasHeaders(gcc)
  }
  return PACKAGES.filter((name) => has[name] !== true)
}

function hasHeaders (gcc: string): boolean {
  return spawnSync(gcc, ['-E', '-x', 'c', '-'], { input: '#include <ifaddrs.h>\n', stdio: ['pipe', 'ignore', 'ignore'] }).status === 0
}

function missing (): null {
  const what = process.platform === 'linux' ? `there is no ${lacking().join(', no ')}` : 'this is not Linux'
  if (process.env.CI === 'true') throw new Error(`${what}, and the tests with a real Janus must run in CI: ${HINT}`)
  process.stderr.write(`# NOT RUN: the tests with a real Janus, for ${what}. To run them, ${HINT}.\n`)
  return null
}

asScript(import.meta.url, () => janus()?.janus ?? null)
