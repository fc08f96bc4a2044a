import process from 'node:process'
import { install, installCommand, isExecutable } from './debian.js'
import { asScript } from './script.js'

/** Where the browser tests find Chromium. Run as a script it says so, and fails in CI when there is none. */

const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium'
]

const HINT = `install it (on Debian: ${installCommand('chromium')}) or set CHROMIUM to its path`

let asked: string | null | undefined

/**
 * The path of a Chromium, which is installed if it can be: as root, with apt-get. Null when there is none; what that
 * means for the tests has been printed then.
 * @throws in CI, where tests that cannot run must not pass for tests that have
 */
export function chromium (): string | null {
  asked ??= find() ?? (install('chromium') ? find() : null) ?? missing()
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

function missing (): null {
  if (process.env.CI === 'true') throw new Error(`there is no Chromium, and the browser tests must run in CI: ${HINT}`)
  process.stderr.write(`# NOT RUN: the tests with real browsers, for there is no Chromium. To run them, ${HINT}.\n`)
  return null
}

asScript(import.meta.url, chromium)
