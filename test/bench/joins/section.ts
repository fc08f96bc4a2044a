import { come, crowd, refused, titleOf, warmRelay } from '../crowd/crowd.js'
import type { Variant } from '../crowd/crowd.js'
import { withChildren } from '../processes.js'
import type { Placement } from '../processes.js'
import type { Meter } from '../scenarios.js'
import type { Section } from '../section.js'
import { figuresOf, tableOf } from './report.js'
import type { JoinsRun } from './report.js'

/** Five thousand clients that come at the same moment: each gets in, and has an echo. */

const CLIENTS = 5_000
const ROUNDS = 3

const VARIANTS: Variant[] = [
  { relay: 'trunkline', kind: 'plain' },
  { relay: 'trunkline', kind: 'session' },
  { relay: 'http-proxy', kind: 'plain' }
]

export const joins: Section = {
  name: 'joins',
  async run ({ rounds, placement, profileDir, say }) {
    const runs: JoinsRun[] = []
    for (let round = 1; round <= Math.min(rounds, ROUNDS); round++) {
      for (let i = 0; i < VARIANTS.length; i++) {
        // Neighbours and clock rates drift: another one comes first in each round.
        const variant = VARIANTS[(i + round) % VARIANTS.length]!
        const run = await measure(variant, round, placement, profileDir)
        runs.push(run)
        say(`round ${round}  ${run.variant.padEnd(24)}  ${run.cpuMicros.toFixed(0).padStart(5)} us of CPU per join  all in after ${(run.tookMs / 1_000).toFixed(2)} s  refused ${run.refused}, lost ${run.lost}`)
      }
    }
    return { text: tableOf(runs), figures: figuresOf(runs), runs }
  }
}

async function measure (variant: Variant, round: number, cores: Placement, profileDir: string | null): Promise<JoinsRun> {
  const profile = profileDir === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`, `--cpu-prof-name=joins-${variant.relay}-${variant.kind}-${round}.cpuprofile`]
  return await withChildren(async (start) => {
    const { relay, port } = await warmRelay(start, variant, cores, profile)
    const load = await crowd(start, { port, kind: variant.kind, clients: CLIENTS, connecting: CLIENTS, events: 1 }, cores)
    const before = await relay.ask<Meter>('meter')
    const state = await come(load, CLIENTS)
    const after = await relay.ask<Meter>('meter')
    return {
      part: 'joins',
      variant: titleOf(variant),
      round,
      clients: CLIENTS,
      refused: refused(state),
      lost: CLIENTS - state.in - refused(state),
      hows: state.over,
      tookMs: state.tookMs,
      cpuMicros: (after.cpuMs - before.cpuMs) / CLIENTS * 1_000
    }
  })
}
