import { writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { parseOptions, USAGE } from '../options.js'
import type { Options } from '../options.js'
import { killAll, place } from '../processes.js'
import { failureFigure } from '../report.js'
import { LEGEND, figuresOf, floodTable, isFlood, lineOf, slowTable } from './report.js'
import { runFlood, runSlow } from './run.js'
import type { RunOptions } from './run.js'
import { FIFO, NO_SESSIONS, SESSION_CLIENTS, TRUNKLINE } from './scenarios.js'
import type { Contender, FloodRun, SlowRun, Times } from './scenarios.js'

/** `npm run bench -- fairness`: what one peer that floods, freezes or reads slowly costs the others, beside plain FIFO. */

type Run = FloodRun | SlowRun

let options: Options
try {
  options = parseOptions(process.argv.slice(3), { rounds: 3, quickRounds: 1 })
} catch (error) {
  console.error(`${(error as Error).message}\n\n${USAGE}`)
  process.exit(2)
}

process.on('exit', killAll)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

const { quick, rounds, json, profileDir } = options
const times: Times = quick
  ? { warmUpMs: 300, slowWarmUpMs: 2_000, quietMs: 500, risingMs: 400, floodMs: 1_500, slowMs: 3_000, graceMs: 1_500 }
  : { warmUpMs: 500, slowWarmUpMs: 3_000, quietMs: 600, risingMs: 400, floodMs: 1_500, slowMs: 4_500, graceMs: 1_500 }
const placement = place()
const runs: Run[] = []

const scenarios: Array<{ contenders: Contender[], run: (options: RunOptions) => Promise<Run> }> = [
  { contenders: quick ? [TRUNKLINE, FIFO] : [TRUNKLINE, SESSION_CLIENTS, FIFO], run: async (options) => await runFlood('up', options) },
  { contenders: quick ? [TRUNKLINE, FIFO] : [TRUNKLINE, NO_SESSIONS, FIFO], run: async (options) => await runFlood('down', options) },
  { contenders: [TRUNKLINE, FIFO], run: runSlow }
]

console.log(`Node ${process.version}, ${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, ${placement.text}`)
console.log(`rounds: ${rounds}; load average ${loadavg()[0]!.toFixed(1)}\n`)

try {
  for (let round = 1; round <= rounds; round++) {
    for (const { contenders, run } of scenarios) {
      // Turn about: neighbours and clock rates drift.
      for (const contender of round % 2 === 0 ? contenders.toReversed() : contenders) {
        const result = await run({ contender, round, times, placement, profileDir })
        runs.push(result)
        console.log(lineOf(result))
      }
    }
  }
} catch (error) {
  console.error(`\nFAILED: ${(error as Error).message}`)
  leave(1)
  process.exit(1)
}

for (const scenario of ['flood up', 'flood down'] as const) console.log('\n' + floodTable(scenario, runs.filter((run): run is FloodRun => run.scenario === scenario)))
console.log('\n' + slowTable(runs.filter((run): run is SlowRun => !isFlood(run))))
console.log(`\n${LEGEND}\n`)
for (const { name, value, wanted, pass } of leave(0)) console.log(`${pass ? 'as wanted ' : 'NOT WANTED'}  ${name}: ${value} (wanted: ${wanted})`)

function leave (failures: number): ReturnType<typeof figuresOf> {
  const figures = [...figuresOf(runs), failureFigure(failures)]
  if (json !== null) writeFileSync(json, JSON.stringify({ figures, runs }, null, 2) + '\n')
  return figures
}
