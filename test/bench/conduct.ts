import { writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import type { Options } from './options.js'
import { killAll, place } from './processes.js'
import { echoesFigure, failureFigure, figureTable } from './report.js'
import type { Figure } from './report.js'
import type { Section } from './section.js'
import { whereTables } from './where.js'

/**
 * Runs the parts one after the other, prints what they come to, and leaves it in a file. A part that fails is reported, and the
 * others are run all the same.
 * @param leastEchoes that are to be checked in all of them; null: it is no matter here
 * @returns how many parts have failed
 */
export async function conduct (sections: readonly Section[], { rounds, json, profileDir }: Options, leastEchoes: number | null): Promise<number> {
  process.on('exit', killAll)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

  const placement = place()
  const figures: Figure[] = []
  const runs: object[] = []
  let failures = 0
  console.log(`Node ${process.version}, ${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, ${placement.text}`)
  console.log(`rounds: ${rounds}; load average ${loadavg()[0]!.toFixed(1)}`)

  for (const section of sections) {
    console.log(`\n=== ${section.name}\n`)
    try {
      const result = await section.run({ rounds, placement, profileDir, say: (line) => console.log(line) })
      figures.push(...result.figures)
      runs.push(...result.runs)
      console.log(`\n${result.text}`)
    } catch (error) {
      failures++
      console.error(`\nFAILED: ${section.name}: ${(error as Error).message}`)
    }
  }

  if (leastEchoes !== null) figures.push(echoesFigure(runs, leastEchoes))
  figures.push(failureFigure(failures))
  if (json !== null) writeFileSync(json, JSON.stringify({ node: process.version, date: new Date().toISOString().slice(0, 10), figures, runs }, null, 2) + '\n')
  if (profileDir !== null) console.log(`\n${whereTables(profileDir)}`)
  console.log(`\n${figureTable(figures)}`)
  return failures
}
