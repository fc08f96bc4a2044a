import { setTimeout as sleep } from 'node:timers/promises'
import { withChildren } from '../processes.js'
import type { Child, Placement, Start } from '../processes.js'
import type { Meter, Run, Tally } from '../scenarios.js'
import type { Asked } from './client.js'
import { startJanus } from './janus.js'
import type { JanusLoadOptions } from './load.js'
import type { JanusUpstream } from './upstream.js'

/** Who answers: Janus itself, or what stands in its place and takes less time. */
export type Answerer = 'stub' | 'janus'

export interface JanusScenario {
  readonly answerer: Answerer
  readonly asked: Asked
  readonly clients: number
  /** Requests that each client has under way, as fast as it goes. */
  readonly window: number
}

export const VARIANTS = ['trunkline', 'janode', 'bare relay'] as const
export type Variant = typeof VARIANTS[number]
const RELAYS: Record<Variant, string> = { trunkline: './janus/relays/trunkline.js', janode: './janus/relays/janode.js', 'bare relay': './janus/relays/bare.js' }

export interface JanusRunOptions {
  scenario: JanusScenario
  variant: Variant
  round: number
  placement: Placement
  profileDir: string | null
}

const WARM_UP_MS = 1_500
const MEASURE_MS = 2_000
/** How long all clients may take to have their sessions, in milliseconds. */
const JOIN_MS = 30_000

export function titleOf ({ answerer, asked, clients, window }: JanusScenario): string {
  return `${asked}, ${answerer === 'stub' ? 'stub' : 'real Janus'}, ${clients} clients x ${window} in flight`
}

/**
 * Fresh processes, measured once.
 * @throws Error one of them failed: an answer was wrong, for one
 */
export async function run (options: JanusRunOptions): Promise<Omit<Run, 'section'>> {
  return await withChildren(async (start) => {
    if (options.scenario.answerer === 'stub') {
      return await measure(start, options, await start('./janus/stub.js', null, options.placement.others).ready<JanusUpstream>())
    }
    const { stop, ...upstream } = await startJanus(options.placement)
    try {
      return await measure(start, options, upstream)
    } finally {
      await stop()
    }
  })
}

async function measure (start: Start, { scenario, variant, round, placement, profileDir }: JanusRunOptions, upstream: JanusUpstream): Promise<Omit<Run, 'section'>> {
  const { answerer, asked, clients, window } = scenario
  const profile = profileDir === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`, `--cpu-prof-name=janus-${variant}-${answerer}-${asked}-${clients}x${window}-${round}.cpuprofile`.replaceAll(' ', '-')]
  const relay: Child = start(RELAYS[variant], upstream, placement.relay, profile)
  const { port } = await relay.ready<{ port: number }>()
  const load = start('./janus/load.js', { port, clients, window, asked } satisfies JanusLoadOptions, placement.others)
  await load.ready(JOIN_MS)

  await sleep(WARM_UP_MS)
  const [before] = await Promise.all([relay.ask<Meter>('meter'), load.ask('begin')])
  await sleep(MEASURE_MS)
  const [after, tally] = await Promise.all([relay.ask<Meter>('meter'), load.ask<Tally>('tally')])
  const { echoes } = await load.ask<{ echoes: number }>('drain')

  // Each by its own clock: the two were not asked at quite the same moment.
  const utilisation = (after.cpuMs - before.cpuMs) / (after.wallMs - before.wallMs)
  const { roundTrips, wallMs, ...latencies } = tally
  const rate = roundTrips / wallMs * 1_000
  return { scenario: titleOf(scenario), variant, round, cpuMicros: utilisation / rate * 1e6, rate, utilisation, echoes, ...latencies }
}
