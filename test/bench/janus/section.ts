import { shuffled } from '../rounds.js'
import type { Run } from '../scenarios.js'
import type { Section } from '../section.js'
import { installJanode } from './install.js'
import { figuresOf, tableOf } from './report.js'
import { VARIANTS, run, titleOf } from './run.js'
import type { JanusScenario } from './run.js'

/** What a request to Janus costs that goes through Trunkline, and what it costs a backend that speaks to Janus by janode. */

const CROWDS = [50, 200].flatMap((clients) => [1, 4].map((window) => ({ clients, window })))

/** With a stand-in for Janus, so that the relay is what everybody waits for. */
export const withStub = section('stub', CROWDS.map((crowd) => ({ answerer: 'stub', asked: 'exists', ...crowd })))
/** Requests that plugins have nothing to do with. */
export const trickles = section('trickle', [{ answerer: 'stub', asked: 'trickle', clients: 200, window: 4 }])
/** Janus takes as long as the relay: both wait for it, and gather less. */
export const withJanus = section('janus', CROWDS.map((crowd) => ({ answerer: 'janus', asked: 'exists', ...crowd })))

function section (name: string, scenarios: JanusScenario[]): Section {
  return {
    name,
    async run ({ rounds, placement, profileDir, say }) {
      installJanode(say)
      const runs: Run[] = []
      for (let round = 1; round <= rounds; round++) {
        // Neighbours and clock rates drift, and nobody may always come first.
        for (const cell of shuffled(scenarios.flatMap((scenario) => VARIANTS.map((variant) => ({ scenario, variant }))))) {
          const result = { section: `janus ${name}`, ...await run({ ...cell, round, placement, profileDir }) }
          runs.push(result)
          const { cpuMicros, rate, utilisation } = result
          say(`round ${round}  ${result.scenario.padEnd(46)}  ${cell.variant.padEnd(10)}  ${cpuMicros.toFixed(2).padStart(6)} us  ${rate.toFixed(0).padStart(6)}/s  utilisation ${utilisation.toFixed(2)}`)
        }
      }
      return { text: tableOf(scenarios.map(titleOf), runs), figures: figuresOf(scenarios.map(titleOf), runs), runs }
    }
  }
}
