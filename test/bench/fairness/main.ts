import { conduct } from '../conduct.js'
import { parseOptions, USAGE } from '../options.js'
import type { Options } from '../options.js'
import { fairness } from './section.js'

/** `npm run bench -- fairness`: that part alone, and longer. */

let options: Options
try {
  options = parseOptions(process.argv.slice(3), [], { rounds: 3, quickRounds: 1 })
} catch (error) {
  console.error(`${(error as Error).message}\n\n${USAGE}`)
  process.exit(2)
}

process.exit(await conduct([fairness(options.quick)], options, null) > 0 ? 1 : 0)
