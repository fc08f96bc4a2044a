import { conduct } from '../conduct.js'
import { parseOptions, USAGE } from '../options.js'
import type { Options } from '../options.js'
import { trickles, withJanus, withStub } from './section.js'

/** `npm run bench -- janus`: Trunkline's driver for Janus beside janode. No part of the whole run: it takes a network, and a Janus. */

const sections = [withStub, trickles, withJanus]

let options: Options
try {
  options = parseOptions(process.argv.slice(3), sections.map(({ name }) => name), { rounds: 5, quickRounds: 1 })
} catch (error) {
  console.error(`${(error as Error).message}\n\n${USAGE}`)
  process.exit(2)
}

const { only, quick } = options
const chosen = sections.filter((section) => only === null ? !quick || section !== withJanus : section.name === only)
process.exit(await conduct(chosen, options, 0) > 0 ? 1 : 0)
