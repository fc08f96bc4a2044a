import { layOut, range, spread } from '../report.js'
import type { Figure, Spread } from '../report.js'
import { BESIDE_FLOOD, BESIDE_SLOW, FIFO, FLOOD_EVENT_BYTES, SLOW, TRUNKLINE, TRUNK_BYTES_PER_SECOND } from './scenarios.js'
import type { FloodRun, Latencies, SlowRun } from './scenarios.js'

/** How many times lower the others' latency beside a flood is to be than with plain FIFO. */
const WANTED_TIMES = 20
/** How many times higher the others' latency may be beside clients that are slow. */
const WANTED_RATIO = 1.5
/** A load that is as late as this with nothing going on is kept from its work by others on the machine. Milliseconds, p99. */
const DISTURBED_MS = 10

export const isFlood = (run: FloodRun | SlowRun): run is FloodRun => run.scenario !== 'slow and frozen'

export function lineOf (run: FloodRun | SlowRun): string {
  const head = `round ${run.round}  ${run.scenario.padEnd(15)}  ${run.contender.padEnd(34)}  `
  const tail = `relay ${run.relayMb.toFixed(0)} MB, media server ${run.mediaServerMb.toFixed(0)} MB`
  if (isFlood(run)) return `${head}p50 ${pointOf([run.busy], 'p50', 1)} ms  p99 ${pointOf([run.busy], 'p99', 1)} ms  answered ${answered([run.busy])}  flood ${run.floodRate.toFixed(0)}/s  ${tail}`
  return `${head}p50 ${run.quiet.p50Ms.toFixed(2)} -> ${run.busy.p50Ms.toFixed(2)} ms  answered ${answered([run.busy])}  ${said(run.ended)} within ${(run.endedMs / 1_000).toFixed(1)} s  ${tail}`
}

export function floodTable (scenario: string, runs: FloodRun[]): string {
  const rows = [['relay', 'p50 ms before', 'p50 ms', 'p99 ms', 'answered', 'flood events/s', 'relay MB', 'media server MB', 'load late ms']]
  for (const [name, mine] of byContender(runs)) {
    rows.push([
      name,
      pointOf(mine.map(({ quiet }) => quiet), 'p50', 2),
      pointOf(mine.map(({ busy }) => busy), 'p50', 1),
      pointOf(mine.map(({ busy }) => busy), 'p99', 1),
      answered(mine.map(({ busy }) => busy)),
      column(mine, ({ floodRate }) => floodRate, 0),
      column(mine, ({ relayMb }) => relayMb, 0),
      column(mine, ({ mediaServerMb }) => mediaServerMb, 0),
      column(mine, ({ busy }) => busy.lateMs, 1)
    ])
  }
  const { clients, perSecond, bytes } = BESIDE_FLOOD
  return layOut(`${scenario}: ${FLOOD_EVENT_BYTES / 1024} KB events as fast as they go, the trunk takes ${TRUNK_BYTES_PER_SECOND / 1e6} MB/s; ${clients} others, ${perSecond}/s x ${bytes} B in all`, rows)
}

export function slowTable (runs: SlowRun[]): string {
  const rows = [['relay', 'p50 ms without', 'p50 ms with', 'ratio', 'p99 ms without', 'p99 ms with', 'answered', 'relay MB', 'media server MB', 'load late ms', 'ended']]
  for (const [name, mine] of byContender(runs)) {
    rows.push([
      name,
      pointOf(mine.map((run) => run.quiet), 'p50', 2),
      pointOf(mine.map((run) => run.busy), 'p50', 2),
      ratioText(slowRatio(mine)),
      pointOf(mine.map((run) => run.quiet), 'p99', 1),
      pointOf(mine.map((run) => run.busy), 'p99', 1),
      answered(mine.map((run) => run.busy)),
      column(mine, ({ relayMb }) => relayMb, 0),
      column(mine, ({ mediaServerMb }) => mediaServerMb, 0),
      column(mine, (run) => run.busy.lateMs, 1),
      said(mine[mine.length - 1]!.ended)
    ])
  }
  return layOut(`slow and frozen: one client reads nothing, ${SLOW.clients} read ${SLOW.readBytesPerSecond / 1000} KB/s and are sent ${SLOW.eventBytes * SLOW.eventsPerSecond / 1024} KB/s, some of them ${SLOW.plainTimes} times as much; ${BESIDE_SLOW.clients} others, ${BESIDE_SLOW.perSecond}/s x ${BESIDE_SLOW.bytes} B in all`, rows)
}

export const LEGEND = [
  'Latencies are of the others: from the time when an event should have been sent to its echo. Medians, with [min - max] over',
  'the rounds. What had no answer after a wait at the end is counted as if it had got it then: >= is what is left of the truth. MB is peak',
  'resident memory. "load late" is how late the load itself was, p99: differences below it say nothing. "ended" is of the last round.',
  `Of the slow ones, runs in which the load was more than ${DISTURBED_MS} ms late before anything happened are discarded; *: there were too many of them.`
].join('\n')

/** What is wanted of the results, and whether it is so. */
export function figuresOf (runs: Array<FloodRun | SlowRun>): Figure[] {
  const floods = runs.filter(isFlood)
  const slow = runs.filter((run): run is SlowRun => !isFlood(run) && run.contender === TRUNKLINE.name)
  const figures: Figure[] = []
  const figure = (name: string, value: number, unit: string, wanted: string, pass: boolean): void => {
    figures.push({ name, value: Number(value.toFixed(3)), unit, wanted, pass })
  }
  for (const scenario of new Set(floods.map((run) => run.scenario))) {
    const here = byContender(floods.filter((run) => run.scenario === scenario))
    const median = (mine: FloodRun[]): number => spread(mine.map(({ busy }) => busy.p50Ms)).median
    const fifo = here.get(FIFO.name)
    for (const [name, mine] of here) {
      if (name === FIFO.name || fifo === undefined) continue
      const times = median(fifo) / median(mine)
      figure(`p50 of the others, plain FIFO / ${name}, ${scenario}`, times, 'ratio', `>= ${WANTED_TIMES}`, times >= WANTED_TIMES)
    }
  }
  if (slow.length > 0) {
    const { ratio: { median }, isDisturbed } = slowRatio(slow)
    figure(`p50 of those that are well, beside slow and frozen ones / without${isDisturbed ? ', on a machine that is busy with other things' : ''}`, median, 'ratio', `<= ${WANTED_RATIO}`, median <= WANTED_RATIO)
    const fewest = Math.min(...slow.map(({ asMeant }) => asMeant))
    figure('ended as they should be: slow ones with 4008, the frozen one by its heartbeat', fewest, 'clients', `${SLOW.clients + 1}`, fewest === SLOW.clients + 1)
  }
  const ours = runs.filter(({ contender }) => contender !== FIFO.name)
  const lost = ours.flatMap(({ quiet, busy }) => [quiet, busy]).reduce((sum, { sent, answered }) => sum + sent - answered, 0)
  figure('echoes of the others that were lost, trunkline', lost, 'events', '0', lost === 0)
  const peak = Math.max(...ours.map(({ relayMb }) => relayMb))
  figure('peak memory of the relay, trunkline', peak, 'MB', '< 512', peak < 512)
  return figures
}

interface SlowRatio {
  ratio: Spread
  discarded: number
  /** Too many runs would have had to be discarded, so that all of them count. */
  isDisturbed: boolean
}

/** Of the medians of one run, since its phases have the same neighbours; without those that had too many of these. */
function slowRatio (runs: SlowRun[]): SlowRatio {
  const calm = runs.filter(({ quiet }) => quiet.lateMs <= DISTURBED_MS)
  const isDisturbed = calm.length * 2 < runs.length
  const kept = isDisturbed ? runs : calm
  return { ratio: spread(kept.map(({ quiet, busy }) => busy.p50Ms / quiet.p50Ms)), discarded: runs.length - kept.length, isDisturbed }
}

function ratioText ({ ratio, discarded, isDisturbed }: SlowRatio): string {
  return range(ratio, 2) + (isDisturbed ? ' *' : discarded > 0 ? ` (${discarded} discarded)` : '')
}

function byContender<Run extends FloodRun | SlowRun> (runs: Run[]): Map<string, Run[]> {
  const found = new Map<string, Run[]>()
  for (const run of runs) found.set(run.contender, [...found.get(run.contender) ?? [], run])
  return found
}

function column<Run> (runs: Run[], pick: (run: Run) => number, digits: number): string {
  return range(spread(runs.map(pick)), digits)
}

function pointOf (latencies: Latencies[], point: 'p50' | 'p99', digits: number): string {
  const isBound = latencies.some((latency) => latency[`${point}IsBound`])
  const values = spread(latencies.map((latency) => latency[`${point}Ms`]))
  return (isBound ? '>= ' : '') + (latencies.length === 1 ? values.median.toFixed(digits) : range(values, digits))
}

function answered (latencies: Latencies[]): string {
  const of = (pick: (latency: Latencies) => number): number => latencies.reduce((sum, latency) => sum + pick(latency), 0)
  return `${of((latency) => latency.answered)} of ${of(({ sent }) => sent)}`
}

function said (ended: Record<string, number>): string {
  return Object.entries(ended).map(([how, count]) => `${count} x ${how}`).join(', ') || 'nobody'
}
