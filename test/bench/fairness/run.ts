import { setTimeout as sleep } from 'node:timers/promises'
import { withChildren } from '../processes.js'
import type { Child, Placement, Start } from '../processes.js'
import type { FlooderOptions } from './flooder.js'
import { BESIDE_FLOOD, BESIDE_SLOW, FROZEN_ID, SLOW, TRUNK_BYTES_PER_SECOND } from './scenarios.js'
import type { Contender, Direction, Ended, FloodRun, Latencies, Memory, SlowRun, Steady, Times } from './scenarios.js'
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
export async function runFlood (direction: Direction, { contender, round, times, placement, profileDir }: RunOptions): Promise<FloodRun> {
  return await withChildren(async (start) => {
    const { relay, mediaServer, port, steady } = await begin(start, BESIDE_FLOOD, { contender, round, times, placement, profileDir }, direction)
    const flooder = start('./fairness/flooder.js', { port, kind: contender.clients } satisfies FlooderOptions, placement.others)
    await flooder.ready()
    const quiet = await measure(steady, times.quietMs)
    const [from, to] = direction === 'up' ? [flooder, mediaServer] : [mediaServer, flooder]
    await from.ask('flood')
    await sleep(times.risingMs)
    await to.ask('floodRate')
    const flood = await measure(steady, times.floodMs)
    const floodRate = await to.ask<number>('floodRate')
    return { scenario: `flood ${direction}`, contender: contender.name, round, quiet, flood, floodRate, ...await memory(relay, mediaServer) }
  })
}

/** One client reads nothing, and many read slowly; in every other round those that are well are measured without them last. */
export async function runSlow ({ contender, round, times, placement, profileDir }: RunOptions): Promise<SlowRun> {
  return await withChildren(async (start) => {
    const { relay, mediaServer, port, steady } = await begin(start, BESIDE_SLOW, { contender, round, times, placement, profileDir }, null)
    const withoutLast = round % 2 === 0
    const before = withoutLast ? null : await measure(steady, times.quietMs)

    const throttle = start('./fairness/throttle.js', { port, bytesPerSecond: SLOW.readBytesPerSecond, direction: 'down' } satisfies ThrottleOptions, placement.others)
    const { port: slowPort } = await throttle.ready<{ port: number }>()
    const slow = start('./fairness/slow.js', { port, slowPort, sessions: contender.stack === 'trunkline' } satisfies SlowOptions, placement.others)
    await slow.ready()
    await Promise.all([slow.ask('freeze'), mediaServer.ask('stream')])
    const beside = await measure(steady, times.slowMs)
    const ended = await endings(relay, contender.stack === 'trunkline' ? ENDING_MS : 0)
    await Promise.all([slow.stop(), throttle.stop()])

    const without = before ?? await measure(steady, times.quietMs)
    return { scenario: 'slow and frozen', contender: contender.name, round, without, with: beside, ...summaryOf(ended), ...await memory(relay, mediaServer) }
  })
}

async function begin (start: Start, load: Steady, { contender, round, times, placement, profileDir }: RunOptions, throttled: Direction | null): Promise<{ relay: Child, mediaServer: Child, port: number, steady: Child }> {
  const mediaServer = start(MEDIA_SERVERS[contender.stack], null, placement.others)
  let upstream = await mediaServer.ready<{ port: number }>()
  if (throttled !== null) {
    const throttle = start('./fairness/throttle.js', { ...upstream, bytesPerSecond: TRUNK_BYTES_PER_SECOND, direction: throttled } satisfies ThrottleOptions, placement.others)
    upstream = await throttle.ready<{ port: number }>()
  }
  const profile = ['--cpu-prof', `--cpu-prof-dir=${profileDir}`, `--cpu-prof-name=${contender.name}-${throttled ?? 'slow'}-${round}.cpuprofile`]
  const relay = start(RELAYS[contender.stack], upstream, placement.relay, profileDir === null ? [] : profile)
  const { port } = await relay.ready<{ port: number }>()
  const steady = start('./fairness/steady.js', { port, ...load, kind: contender.clients } satisfies SteadyOptions, placement.others)
  await steady.ready()
  await sleep(times.warmUpMs)
  return { relay, mediaServer, port, steady }
}

async function measure (steady: Child, ms: number): Promise<Latencies> {
  await steady.ask('mark')
  await sleep(ms)
  return await steady.ask<Latencies>('latencies')
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
