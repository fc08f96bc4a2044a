import { setTimeout as sleep } from 'node:timers/promises'
import type { LoadOptions } from './load/main.js'
import { withChildren } from './processes.js'
import type { Placement } from './processes.js'
import { title } from './scenarios.js'
import type { Meter, Run, Scenario, Tally, Variant } from './scenarios.js'

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

const ECHOES: Record<Variant, string> = { trunkline: './echoes/trunkline.js', 'http-proxy': './echoes/web-socket.js', net: './echoes/net.js' }
const RELAYS: Record<Variant, string> = { trunkline: './relays/trunkline.js', 'http-proxy': './relays/http-proxy.js', net: './relays/net.js' }

/**
 * Three fresh processes, measured once.
 * @throws Error one of them failed: an echo was wrong, for one
 */
export async function run ({ scenario, variant, round, warmUpMs, measureMs, placement, profileDir }: RunOptions): Promise<Run> {
  return await withChildren(async (start) => {
    const echo = start(ECHOES[variant], null, placement.others)
    const upstream = await echo.ready<{ port: number }>()
    const profile = ['--cpu-prof', `--cpu-prof-dir=${profileDir}`, `--cpu-prof-name=${variant}-${scenario.bytes}B-${round}.cpuprofile`]
    const relay = start(RELAYS[variant], upstream, placement.relay, profileDir === null ? [] : profile)
    const { port } = await relay.ready<{ port: number }>()
    const load = start('./load/main.js', { port, scenario, variant } satisfies LoadOptions, placement.others)
    await load.ready()

    await sleep(warmUpMs)
    const [before] = await Promise.all([relay.ask<Meter>('meter'), load.ask<Tally>('tally')])
    await sleep(measureMs)
    const [after, tally] = await Promise.all([relay.ask<Meter>('meter'), load.ask<Tally>('tally')])
    await load.ask('drain')

    // Each by its own clock: the two were not asked at quite the same moment.
    const utilisation = (after.cpuMs - before.cpuMs) / (after.wallMs - before.wallMs)
    const rate = tally.roundTrips / tally.wallMs * 1_000
    const { p50Ms, p99Ms } = tally
    return { variant, scenario: title(scenario), round, cpuMicros: utilisation / rate * 1e6, rate, p50Ms, p99Ms, utilisation }
  })
}
