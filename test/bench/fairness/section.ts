import type { Section } from '../section.js'
import { LEGEND, figuresOf, floodTable, isFlood, lineOf, slowTable } from './report.js'
import { runFlood, runSlow } from './run.js'
import type { RunOptions } from './run.js'
import { FIFO, NO_SESSIONS, SESSION_CLIENTS, TRUNKLINE } from './scenarios.js'
import type { Contender, FloodRun, SlowRun, Times } from './scenarios.js'

type Run = FloodRun | SlowRun

const TIMES: Times = { warmUpMs: 500, slowWarmUpMs: 3_000, quietMs: 600, risingMs: 400, floodMs: 1_500, slowMs: 4_500, graceMs: 1_500 }
const QUICK_TIMES: Times = { warmUpMs: 300, slowWarmUpMs: 2_000, quietMs: 500, risingMs: 400, floodMs: 1_500, slowMs: 3_000, graceMs: 1_500 }

/** What one peer that floods, freezes or reads slowly costs the others, beside plain FIFO. */
export function fairness (quick: boolean): Section {
  const times = quick ? QUICK_TIMES : TIMES
  const scenarios: Array<{ contenders: Contender[], run: (options: RunOptions) => Promise<Run> }> = [
    { contenders: quick ? [TRUNKLINE, FIFO] : [TRUNKLINE, SESSION_CLIENTS, FIFO], run: async (options) => await runFlood('up', options) },
    { contenders: quick ? [TRUNKLINE, FIFO] : [TRUNKLINE, NO_SESSIONS, FIFO], run: async (options) => await runFlood('down', options) },
    { contenders: [TRUNKLINE, FIFO], run: runSlow }
  ]
  return {
    name: 'fairness',
    async run ({ rounds, placement, profileDir, say }) {
      const runs: Run[] = []
      for (let round = 1; round <= rounds; round++) {
        for (const { contenders, run } of scenarios) {
          // Turn about: neighbours and clock rates drift.
          for (const contender of round % 2 === 0 ? contenders.toReversed() : contenders) {
            const result = await run({ contender, round, times, placement, profileDir })
            runs.push(result)
            say(lineOf(result))
          }
        }
      }
      const floods = (['flood up', 'flood down'] as const).map((scenario) => floodTable(scenario, runs.filter((run): run is FloodRun => run.scenario === scenario)))
      const slow = slowTable(runs.filter((run): run is SlowRun => !isFlood(run)))
      return { text: [...floods, slow, LEGEND].join('\n\n'), figures: figuresOf(runs), runs: runs.map((run) => ({ section: 'fairness', ...run, echoes: run.quiet.answered + run.busy.answered })) }
    }
  }
}

/** As a part among others: one short round, however many those have. */
export const fairnessInShort: Section = {
  name: 'fairness',
  run: async (options) => await fairness(true).run({ ...options, rounds: 1 })
}
