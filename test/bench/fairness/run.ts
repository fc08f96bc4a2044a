import { setTimeout as sleep } from 'node:timers/promises'
import { withChildren } from '../processes.js'
import type { Child, Placement, Start } from '../processes.js'
import type { FlooderOptions } from './flooder.js'
import type { MediaServerOptions } from './media-server.js'
import { BESIDE_FLOOD, BESIDE_SLOW, FROZEN_ID, SLOW, SLOW_BOUNDS, TRUNK_BYTES_PER_SECOND } from './scenarios.js'
import type { Contender, Direction, Ended, FloodRun, Memory, Seen, SlowRun, Steady, Times } from './scenarios.js'
import type { SlowOptions } from './slow.js'
import type { SteadyOptions } from './steady.js'
import type { ThrottleOptions } from './throttle.js'

export interface RunOptions {
  contender: Contender
  round: number
  times: Times
  placement: Placement
  /** Where the relay leaves its CPU profile; null: nowhere. */
  profileDir: string | null
}

const MEDIA_SERVERS: Record<Contender['stack'], string> = { trunkline: './fairness/media-server.js', fifo: './echoes/fifo.js' }
const RELAYS: Record<Contender['stack'], string> = { trunkline: './fairness/relay.js', fifo: './relays/fifo.js' }
/** How long those that fell behind may live on after the measured time, and how often is looked for it. Milliseconds. */
const ENDING_MS = 4_000
const LOOK_MS = 250

/** One peer floods, in one direction, and the trunk is slow in that direction. */
export async function runFlood (direction: Direction, options: RunOptions): Promise<FloodRun> {
  const { contender, round, times, placement } = options
  return await withChildren(async (start) => {
    const { relay, mediaServer, port, steady } = await begin(start, BESIDE_FLOOD, options, direction)
    const flooder = start('./fairness/flooder.js', { port, kind: contender.clients } satisfies FlooderOptions, placement.others)
    await flooder.ready()
    await during(steady, 'quiet', times.quietMs)
    const [from, to] = direction === 'up' ? [flooder, mediaServer] : [mediaServer, flooder]
    await from.ask('flood')
    await sleep(times.risingMs)
    await to.ask('floodRate')
    await during(steady, 'busy', times.floodMs)
    const floodRate = await to.ask<number>('floodRate')
    // The flood goes on meanwhile: the last answers are to have no easier way than the first.
    const seen = await steady.ask<Seen>('latencies')
    return { scenario: `flood ${direction}`, contender: contender.name, round, floodRate, ...seen, ...await memory(relay, mediaServer) }
  })
}

/** One client reads nothing, and many read slowly. Those that are well are measured before, beside them, and after. */
export async function runSlow (options: RunOptions): Promise<SlowRun> {
  const { contender, round, times, placement } = options
  return await withChildren(async (start) => {
    const { relay, mediaServer, port, steady } = await begin(start, BESIDE_SLOW, options, null)
    await during(steady, 'quiet', times.quietMs)

    const throttle = start('./fairness/throttle.js', { port, bytesPerSecond: SLOW.readBytesPerSecond, direction: 'down' } satisfies ThrottleOptions, placement.others)
    const { port: slowPort } = await throttle.ready<{ port: number }>()
    const slow = start('./fairness/slow.js', { port, slowPort, sessions: contender.sessions } satisfies SlowOptions, placement.others)
    await slow.ready()
    const since = performance.now()
    await Promise.all([slow.ask('freeze'), mediaServer.ask('stream')])
    await during(steady, 'busy', times.slowMs)
    const ended = await endings(relay, contender.stack === 'trunkline' ? ENDING_MS : 0)
    const endedMs = performance.now() - since
    await Promise.all([slow.stop(), throttle.stop()])

    await during(steady, 'quiet', times.quietMs)
    const seen = await steady.ask<Seen>('latencies')
    return { scenario: 'slow and frozen', contender: contender.name, round, endedMs, ...seen, ...summaryOf(ended), ...await memory(relay, mediaServer) }
  })
}

async function begin (start: Start, load: Steady, { contender, round, times, placement, profileDir }: RunOptions, throttled: Direction | null): Promise<{ relay: Child, mediaServer: Child, port: number, steady: Child }> {
  const mediaServer = start(MEDIA_SERVERS[contender.stack], { sessions: contender.sessions, bounds: throttled === null ? SLOW_BOUNDS : {} } satisfies MediaServerOptions, placement.others)
  let upstream = await mediaServer.ready<{ port: number }>()
  if (throttled !== null) {
    const throttle = start('./fairness/throttle.js', { ...upstream, bytesPerSecond: TRUNK_BYTES_PER_SECOND, direction: throttled } satisfies ThrottleOptions, placement.others)
    upstream = await throttle.ready<{ port: number }>()
  }
  const profile = ['--cpu-prof', `--cpu-prof-dir=${profileDir}`, `--cpu-prof-name=${contender.name}-${throttled ?? 'slow'}-${round}.cpuprofile`]
  const relay = start(RELAYS[contender.stack], upstream, placement.relay, profileDir === null ? [] : profile)
  const { port } = await relay.ready<{ port: number }>()
  const steady = start('./fairness/steady.js', { port, ...load, kind: contender.clients, graceMs: times.graceMs } satisfies SteadyOptions, placement.others)
  await steady.ready()
  await sleep(throttled === null ? times.slowWarmUpMs : times.warmUpMs)
  return { relay, mediaServer, port, steady }
}

async function during (steady: Child, phase: keyof Seen, ms: number): Promise<void> {
  await steady.ask(phase)
  await sleep(ms)
  await steady.ask('neither')
}

async function memory (relay: Child, mediaServer: Child): Promise<Memory> {
  const [relayMb, mediaServerMb] = await Promise.all([relay.ask<number>('peakRssMb'), mediaServer.ask<number>('peakRssMb')])
  return { relayMb, mediaServerMb }
}

async function endings (relay: Child, withinMs: number): Promise<Ended[]> {
  for (let waited = 0; ; waited += LOOK_MS) {
    const ended = await relay.ask<Ended[]>('ended')
    if (ended.length > SLOW.clients || waited >= withinMs) return ended
    await sleep(LOOK_MS)
  }
}

function summaryOf (all: Ended[]): Pick<SlowRun, 'ended' | 'asMeant'> {
  const ended: Record<string, number> = {}
  let asMeant = 0
  for (const { peerId, code, cause } of all) {
    const [who] = peerId.split('-')
    const how = `${who} ${code} ${cause}`
    ended[how] = (ended[how] ?? 0) + 1
    if (code === (who === FROZEN_ID ? 1006 : 4008)) asMeant++
  }
  return { ended, asMeant }
}
