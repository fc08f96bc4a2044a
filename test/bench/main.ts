import { nginx } from '../setup/nginx.js'
import { conduct } from './conduct.js'
import { fairnessInShort } from './fairness/section.js'
import { fixedRate } from './fixed-rate.js'
import { fanOut } from './fan-out/section.js'
import { growth } from './growth.js'
import { idle } from './idle/section.js'
import { joins } from './joins/section.js'
import { parseOptions, USAGE } from './options.js'
import type { Options } from './options.js'
import { WITHOUT_NGINX, quickLook, saturation } from './saturation.js'
import type { Section } from './section.js'

/** `npm run bench`: what relaying one media event costs, beside the other ways to do it. */

/** All parts, in the order in which they are run. */
const sections: Section[] = [saturation, fixedRate, growth, idle, joins, fanOut, fairnessInShort]

/** So many echoes are checked at least where all parts are run. */
const LEAST_ECHOES = 10_000_000

if (process.argv[2] === 'fairness') {
  await import('./fairness/main.js')
  process.exit()
}
if (process.argv[2] === 'janus') {
  await import('./janus/main.js')
  process.exit()
}
if (process.argv[2] === 'docs') {
  await import('./docs.js')
  process.exit()
}
if (process.argv[2] === 'storm') {
  await import('./storm/main.js')
  process.exit()
}
if (process.argv[2] === 'tickets') {
  await import('./tickets/main.js')
  process.exit()
}

let options: Options
try {
  options = parseOptions(process.argv.slice(2), sections.map(({ name }) => name))
} catch (error) {
  console.error(`${(error as Error).message}\n\n${USAGE}`)
  process.exit(2)
}

const { quick, only } = options
const chosen = (quick ? [quickLook(), ...sections.slice(1)] : sections).filter(({ name }, i) => only === null ? !quick || i === 0 : name === only)
// First of all: to install it takes a while, and must not be beside anything that is measured.
const withoutNginx = (chosen.includes(saturation) || chosen.includes(fixedRate)) && nginx() === null
const failures = await conduct(chosen, options, quick || only !== null ? 0 : LEAST_ECHOES)
if (withoutNginx) console.log(`\n${WITHOUT_NGINX}`)
process.exit(failures > 0 ? 1 : 0)
