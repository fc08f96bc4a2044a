import { setTimeout as sleep } from 'node:timers/promises'
import { withChildren } from '../processes.js'
import type { Child, Placement } from '../processes.js'
import type { Meter } from '../scenarios.js'
import type { Section } from '../section.js'
import type { FanOutHad, FanOutLoadOptions, FanOutTally } from './load.js'
import { figuresOf, tableOf } from './report.js'
import type { FanOutRun } from './report.js'
import type { SenderOptions, Sent } from './sender.js'

/** One event of the media server for each of a thousand clients. */

const CLIENTS = 1_000
const SIZES = [200, 2_048]
/** So that each is with everybody before the next: for every relay the same work in the same time. Milliseconds. */
const EVERY_MS = 100
/** Before that, faster: some ten thousand deliveries, so that the code is compiled. Milliseconds. */
const WARM_UP_EVERY_MS = 50
const WARM_UP_MS = 2_500
/** The first fan-outs are not counted either. */
const SETTLE_MS = 300
const MEASURE_MS = 2_500
const DRAIN_MS = 5_000
const ROUNDS = 3

const VARIANTS = ['trunkline', 'http-proxy'] as const
type Variant = typeof VARIANTS[number]
const SENDERS: Record<Variant, string> = { trunkline: './fan-out/trunkline.js', 'http-proxy': './fan-out/web-socket.js' }

export const fanOut: Section = {
  name: 'fan-out',
  async run ({ rounds, placement, profileDir, say }) {
    const runs: FanOutRun[] = []
    for (let round = 1; round <= Math.min(rounds, ROUNDS); round++) {
      for (const eventBytes of SIZES) {
        // Neighbours and clock rates drift: neither always comes first.
        for (const variant of round % 2 === 0 ? VARIANTS : VARIANTS.toReversed()) {
          const run = await measure({ variant, eventBytes, round, cores: placement, profileDir })
          runs.push(run)
          say(`round ${round}  ${String(eventBytes).padStart(4)} B  ${variant.padEnd(10)}  ${run.cpuMicros.toFixed(2).padStart(6)} us of CPU per delivery  utilisation ${run.utilisation.toFixed(2)}`)
        }
      }
    }
    return { text: tableOf(runs), figures: figuresOf(runs), runs }
  }
}

async function measure ({ variant, eventBytes, round, cores, profileDir }: {
  variant: Variant, eventBytes: number, round: number, cores: Placement, profileDir: string | null
}): Promise<FanOutRun> {
  const profile = profileDir === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`, `--cpu-prof-name=fan-out-${variant}-${eventBytes}B-${round}.cpuprofile`]
  return await withChildren(async (start) => {
    const sender = start(SENDERS[variant], { eventBytes, warmUpEveryMs: WARM_UP_EVERY_MS, everyMs: EVERY_MS } satisfies SenderOptions, cores.others)
    const relay = start(`./crowd/${variant}.js`, await sender.ready<{ port: number }>(), cores.relay, profile)
    const { port } = await relay.ready<{ port: number }>()
    const load = start('./fan-out/load.js', { port, clients: CLIENTS, eventBytes } satisfies FanOutLoadOptions, cores.others)
    await load.ready()

    await sender.ask('warmUp')
    await sleep(WARM_UP_MS)
    await allHave(load, await sender.ask<Sent>('stop'))
    await sender.ask('go')
    await sleep(SETTLE_MS)
    const [before] = await Promise.all([relay.ask<Meter>('meter'), load.ask<FanOutTally>('tally')])
    await sleep(MEASURE_MS)
    const [after, tally] = await Promise.all([relay.ask<Meter>('meter'), load.ask<FanOutTally>('tally')])
    await allHave(load, await sender.ask<Sent>('stop'))

    const utilisation = (after.cpuMs - before.cpuMs) / (after.wallMs - before.wallMs)
    const rate = tally.deliveries / tally.wallMs * 1_000
    const { lastP50Ms, lastP99Ms } = tally
    return { part: 'fan-out', variant, scenario: `${CLIENTS} clients x ${eventBytes < 1_024 ? `${eventBytes} B` : `${eventBytes / 1_024} KB`}`, round, cpuMicros: utilisation / rate * 1e6, rate, lastP50Ms, lastP99Ms, utilisation }
  })
}

/** @throws Error some client has not had each event that was sent, or more */
async function allHave (load: Child, { sent }: Sent): Promise<void> {
  const deadline = performance.now() + DRAIN_MS
  for (;;) {
    const { least, most } = await load.ask<FanOutHad>('had')
    if (most > sent) throw new Error(`${sent} events were sent, and a client has had ${most}`)
    if (least === sent) return
    if (performance.now() > deadline) throw new Error(`${sent} events were sent, and a client has had ${least}`)
    await sleep(20)
  }
}
