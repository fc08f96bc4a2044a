import { writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { parseOptions, USAGE } from './options.js'
import type { Options } from './options.js'
import { killAll, place } from './processes.js'
import { failureFigure, figuresOf, LEGEND, tableOf } from './report.js'
import { run } from './run.js'
import { SCENARIOS, title, VARIANTS } from './scenarios.js'
import type { Run } from './scenarios.js'

/** `npm run bench`: what relaying one media event costs, beside the other ways to do it. */

if (process.argv[2] === 'fairness') {
  await import('./fairness/main.js')
  process.exit()
}
if (process.argv[2] === 'storm') {
  await import('./storm/main.js')
  process.exit()
}

let options: Options
try {
  options = parseOptions(process.argv.slice(2))
} catch (error) {
  console.error(`${(error as Error).message}\n\n${USAGE}`)
  process.exit(2)
}

process.on('exit', killAll)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

const { quick, rounds, json, profileDir } = options
const scenarios = quick ? [SCENARIOS[0]] : SCENARIOS
const times = quick ? { warmUpMs: 1_000, measureMs: 2_000 } : { warmUpMs: 1_500, measureMs: 3_000 }
const placement = place()
const runs: Run[] = []

console.log(`Node ${process.version}, ${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, ${placement.text}`)
console.log(`${rounds} rounds, ${times.measureMs / 1_000} s each after ${times.warmUpMs / 1_000} s of warm-up, in random order; load average ${loadavg()[0]!.toFixed(1)}\n`)

try {
  for (let round = 1; round <= rounds; round++) {
    const cells = shuffle(scenarios.flatMap((scenario) => VARIANTS.map((variant) => ({ scenario, variant }))))
    for (const cell of cells) {
      const result = await run({ ...cell, ...times, round, placement, profileDir })
      runs.push(result)
      console.log(`round ${round}  ${result.scenario.padEnd(22)}  ${result.variant.padEnd(10)}  ${result.cpuMicros.toFixed(2).padStart(6)} us  ${result.rate.toFixed(0).padStart(7)}/s  utilisation ${result.utilisation.toFixed(2)}`)
    }
  }
} catch (error) {
  console.error(`\nFAILED: ${(error as Error).message}`)
  leave(1)
  process.exit(1)
}

for (const scenario of scenarios) console.log('\n' + tableOf(title(scenario), runs.filter((result) => result.scenario === title(scenario))))
console.log(`\n${LEGEND}\n`)
for (const { name, value, wanted, pass } of leave(0)) console.log(`${pass ? 'as wanted ' : 'NOT WANTED'}  ${name}: ${value} (wanted: ${wanted})`)

function leave (failures: number): ReturnType<typeof figuresOf> {
  const figures = [...figuresOf(scenarios.map(title), runs), failureFigure(failures)]
  if (json !== null) writeFileSync(json, JSON.stringify({ figures, runs }, null, 2) + '\n')
  return figures
}

/** Neighbours and clock rates drift: no variant may always come first. */
function shuffle<T> (items: T[]): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    const item = items[i]!
    items[i] = items[j]!
    items[j] = item
  }
  return items
}
