import { setTimeout as sleep } from 'node:timers/promises'
import { ChaosProxy } from '../../lib/testing/index.js'
import { Random } from '../sim/random.js'
import type { ChaosClient } from './client.js'
import { Injector } from './injector.js'
import type { Pace } from './injector.js'
import { makeClient } from './make-client.js'
import type { Options } from './options.js'
import { leftOver } from './registries.js'
import { Stage } from './stage.js'
import type { Place } from './stage.js'
import { until } from './until.js'
import { allArrived, isSpoilt, judge } from './verdict.js'
import type { Verdict } from './verdict.js'

export interface Memory {
  name: string
  /** Processes that had its place before: start and end are those of the last one. */
  replaced: number
  startBytes: number
  endBytes: number
}

export interface Result extends Verdict {
  seed: number
  seconds: number
  clients: number
  resumes: number
  faults: Record<string, number>
  /** Peers, rooms and links that were left after everybody had gone. */
  leaked: number
  memory: Memory[]
  ok: boolean
}

const TICK_MS = 100
/** Slices of a tick, so that not all clients speak at once. */
const SLICES = 5
/** How long everything may take to be joined and delivered once nothing happens any more, in milliseconds. */
const SETTLE_MS = 30_000
/** The same, when something has gone wrong already that no waiting puts right. */
const SPOILT_MS = 4_000
/** How long the registries may take to be empty, beyond the window in which an absent client may come back. */
const EMPTY_MS = 5_000

/** One run, from the first process to the verdict. */
export async function run ({ seconds, clients: count, seed }: Options): Promise<Result> {
  // What the injector chooses must not depend on how often somebody else has asked.
  const random = new Random(seed)
  const windowMs = seconds < 30 ? 6_000 : 8_000
  const crashes: string[] = []
  const stage = await Stage.open({ backends: 2, windowMs, random: new Random(seed + 1), crashed: (why) => crashes.push(why) })
  const clients = await Promise.all(Array.from({ length: count }, (_, i) => clientAt(i, stage, new Random(seed + 2 + i))))
  const injector = new Injector({ stage, clients, windowMs, pace: paceOf(seconds * 1_000, count), random })
  try {
    for (const client of clients) client.start()
    let slice = 0
    const speaking = setInterval(() => {
      slice = (slice + 1) % SLICES
      clients.forEach((client, i) => { if (i % SLICES === slice) client.speak() })
    }, TICK_MS / SLICES)
    injector.start()
    await sleep(seconds * 1_000)
    await injector.stop()
    clearInterval(speaking)
    await stage.mediaServer.process.ask('quiet')

    await settle(clients, stage)
    const verdict = judge(instancesOf(clients), stage.witnesses(), windowMs)
    for (const client of clients) if (!client.isIn) verdict.violations.push(`${client.name} has not come back`)
    await Promise.all(clients.map((client) => client.leave()))
    const left = await leftOver(stage, windowMs + EMPTY_MS)
    const leaked = Object.values(left).reduce((sum, n) => sum + n, 0)
    if (leaked > 0) verdict.violations.push(`after everybody has left: ${JSON.stringify(left)}`)
    verdict.violations.push(...crashes)
    const memory = await memoryOf(stage)
    const resumes = clients.reduce((sum, client) => sum + client.resumes, 0)
    return { ...verdict, seed, seconds, clients: count, resumes, faults: injector.faults, leaked, memory, ok: verdict.violations.length === 0 }
  } finally {
    for (const client of clients) client.destroy()
    await Promise.all(clients.map(({ proxy }) => proxy.close()))
    await stage.close()
  }
}

/** Resolves when all that can arrive has arrived, as far as that is worth waiting for. */
async function settle (clients: ChaosClient[], stage: Stage): Promise<void> {
  const hasSettled = (): boolean => clients.every(({ isIn }) => isIn) && allArrived(instancesOf(clients), stage.witnesses())
  if (await until(SPOILT_MS, hasSettled) || isSpoilt(instancesOf(clients), stage.witnesses())) return
  await until(SETTLE_MS - SPOILT_MS, hasSettled)
}

/** A short run has its share of everything. */
function paceOf (ms: number, clients: number): Pace {
  return {
    linkMs: 3_000 / clients,
    trunkMs: Math.min(1_000, ms / 24),
    backendMs: Math.min(5_000, ms / 6),
    mediaServerMs: Math.min(20_000, ms / 3)
  }
}

async function clientAt (i: number, stage: Stage, random: Random): Promise<ChaosClient> {
  const backend = random.pick(stage.backends)
  return makeClient(i, `c${i}`, await ChaosProxy.listen({ target: { port: backend.port } }), backend, random)
}

const instancesOf = (clients: ChaosClient[]): ChaosClient['instances'] => clients.flatMap(({ instances }) => instances)

async function memoryOf (stage: Stage): Promise<Memory[]> {
  const of = ({ name, generation, heapAtStart }: Place, { heapBytes }: { heapBytes: number }): Memory => ({ name, replaced: generation, startBytes: heapAtStart, endBytes: heapBytes })
  const backends = await stage.backendStates()
  return [of(stage.mediaServer, await stage.mediaServerState()), ...stage.backends.map((backend, i) => of(backend, backends[i]!))]
}
