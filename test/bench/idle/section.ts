import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { allIn, crowd, refused, titleOf, warmRelay } from '../crowd/crowd.js'
import type { Cores, Variant } from '../crowd/crowd.js'
import type { CrowdState } from '../crowd/load.js'
import type { Memory } from '../crowd/meter.js'
import { withChildren } from '../processes.js'
import type { Section } from '../section.js'
import { figuresOf, tableOf } from './report.js'
import type { IdleRun } from './report.js'

/** What ten thousand clients that say nothing cost in memory. */

const CLIENTS = 10_000
/** Memory varies little from one run to the next: more rounds would only take longer. */
const ROUNDS = 2
/** How many join at once: here it is about those that are in. */
const CONNECTING = 100
/** How long they are left alone before it is looked at them: several heartbeats. Milliseconds. */
const HOLD_MS = 5_000
/** Open files that are not clients. */
const OTHER_FILES = 250

/** Two at a time: bytes do not care who else uses the machine, and most of the time goes into letting everybody in. */
const PAIRS: Variant[][] = [
  [{ relay: 'trunkline', kind: 'session' }, { relay: 'http-proxy', kind: 'plain' }],
  [{ relay: 'trunkline', kind: 'plain' }, { relay: 'bare', kind: 'plain' }]
]
const ANYWHERE: Cores = { relay: null, others: null }

export const idle: Section = {
  name: 'idle',
  async run ({ rounds, say }) {
    const runs: IdleRun[] = []
    for (let round = 1; round <= Math.min(rounds, ROUNDS); round++) {
      for (const pair of PAIRS) {
        const both = await Promise.all(pair.map(async (variant) => await measure(variant, round)))
        for (const { variant, clients, rssBytes } of both) say(`round ${round}  ${variant.padEnd(24)}  ${clients} clients  ${(rssBytes / 1_024).toFixed(1)} KiB RSS each`)
        runs.push(...both)
      }
    }
    return { text: tableOf(runs), figures: figuresOf(runs), runs }
  }
}

async function measure (variant: Variant, round: number): Promise<IdleRun> {
  const clients = Math.min(CLIENTS, clientsFor(variant.relay === 'http-proxy' ? 2 : 1))
  return await withChildren(async (start) => {
    const { relay, port } = await warmRelay(start, variant, ANYWHERE, ['--expose-gc'])
    const before = await relay.ask<Memory>('memory')
    const load = await crowd(start, { port, kind: variant.kind, clients, connecting: CONNECTING, events: 1 }, ANYWHERE)
    await allIn(load, clients)
    await sleep(HOLD_MS)
    const after = await relay.ask<Memory>('memory')
    const state = await load.ask<CrowdState>('state')
    if (refused(state) > 0) throw new Error(`idle clients did not stay: ${JSON.stringify(state.over)}`)
    const each = (pick: (memory: Memory) => number): number => (pick(after) - pick(before)) / clients
    return {
      part: 'idle',
      variant: titleOf(variant),
      round,
      clients,
      rssBytes: each(({ rss }) => rss),
      heapBytes: each(({ heapUsed }) => heapUsed),
      heapSlackBytes: each(({ heapTotal, heapUsed }) => heapTotal - heapUsed),
      externalBytes: each(({ external }) => external),
      baseRssMb: before.rss / 2 ** 20,
      fullRssMb: after.rss / 2 ** 20
    }
  })
}

/** As many clients as the files allow that a process may open. */
function clientsFor (filesEach: number): number {
  // Node raises its own limit to the hard one.
  const limit = execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim()
  return limit === 'unlimited' ? Infinity : Math.floor((Number(limit) - OTHER_FILES) / filesEach)
}
