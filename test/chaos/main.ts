import { writeFileSync } from 'node:fs'
import { CHAOS_USAGE, parseOptions } from './options.js'
import type { Options } from './options.js'
import { killAllProcesses } from './processes.js'
import { tableOf } from './report.js'
import { run } from './run.js'

/** `npm run chaos`: real processes and sockets, and everything that can happen to them; what is promised has to hold. */

let options: Options
try {
  options = parseOptions(process.argv.slice(2), { seconds: 60, leastSeconds: 5 })
} catch (error) {
  console.error(`${(error as Error).message}\n\n${CHAOS_USAGE}`)
  process.exit(2)
}

process.on('exit', killAllProcesses)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

const { seconds, clients, seed, json } = options
console.log(`${clients} clients, 2 backends, 1 media server, ${seconds} s of faults, seed ${seed}\n`)
try {
  const result = await run(options)
  if (json !== null) writeFileSync(json, JSON.stringify(result, null, 2) + '\n')
  console.log(tableOf(result))
  if (!result.ok) console.log(`\nfaults chosen as here: npm run chaos -- --seconds ${seconds} --clients ${clients} --seed ${seed}`)
  process.exit(result.ok ? 0 : 1)
} catch (error) {
  console.error(`FAILED, with seed ${seed}: ${(error as Error).stack}`)
  process.exit(1)
}
