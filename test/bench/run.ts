import { setTimeout as sleep } from 'node:timers/promises'
import type { Upstream } from './child.js'
import type { LoadOptions } from './load/main.js'
import { withChildren } from './processes.js'
import type { Placement } from './processes.js'
import { title } from './scenarios.js'
import type { Meter, Run, Scenario, Tally } from './scenarios.js'
import type { HookKind, Variant } from './variants.js'

export interface RunOptions {
  scenario: Scenario
  variant: Variant
  round: number
  warmUpMs: number
  measureMs: number
  placement: Placement
  /** Where the relay leaves its CPU profile; null: nowhere. */
  profileDir: string | null
}

/** What a relay is told. */
export interface RelayOptions extends Upstream {
  hook: HookKind
}

/** How long all clients may take to get in, in milliseconds. */
const JOIN_MS = 60_000

/**
 * Three fresh processes, measured once.
 * @throws Error one of them failed: an echo was wrong, for one
 */
export async function run ({ scenario, variant, round, warmUpMs, measureMs, placement, profileDir }: RunOptions): Promise<Omit<Run, 'section'>> {
  const { name, link, hook } = variant
  return await withChildren(async (start) => {
    const echo = start(variant.echo, null, placement.others)
    const upstream = await echo.ready<Upstream>()
    let { port } = upstream
    // Where there is no relay, it costs nothing.
    let meter = async (): Promise<Meter> => ({ wallMs: performance.now(), cpuMs: 0 })
    if (variant.relay !== null) {
      const profile = ['--cpu-prof', `--cpu-prof-dir=${profileDir}`, `--cpu-prof-name=${name}-${scenario.clients}x${scenario.bytes}B-${round}.cpuprofile`.replaceAll(' ', '-')]
      const relay = start(variant.relay, { ...upstream, hook } satisfies RelayOptions, placement.relay, profileDir === null ? [] : profile)
      port = (await relay.ready<Upstream>()).port
      meter = async () => await relay.ask<Meter>('meter')
    }
    const load = start('./load/main.js', { port, ...scenario, link } satisfies LoadOptions, placement.others)
    await load.ready(JOIN_MS)

    await sleep(warmUpMs)
    const [before] = await Promise.all([meter(), load.ask('begin')])
    await sleep(measureMs)
    const [after, tally] = await Promise.all([meter(), load.ask<Tally>('tally')])
    const { echoes } = await load.ask<{ echoes: number }>('drain')

    // Each by its own clock: the two were not asked at quite the same moment.
    const utilisation = (after.cpuMs - before.cpuMs) / (after.wallMs - before.wallMs)
    const { roundTrips, wallMs, ...latencies } = tally
    const rate = roundTrips / wallMs * 1_000
    return { scenario: title(scenario), variant: name, round, cpuMicros: utilisation / rate * 1e6, rate, utilisation, echoes, ...latencies }
  })
}
