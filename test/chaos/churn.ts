import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../sim/random.js'
import type { BackendState } from './backend.js'
import { ChurnWorker } from './churn-worker.js'
import type { Cycles } from './churn-worker.js'
import type { MediaServerState } from './media-server.js'
import { CHURN_USAGE, parseOptions } from './options.js'
import type { Options } from './options.js'
import { killAllProcesses } from './processes.js'
import { leftOver } from './registries.js'
import { MB } from './report.js'
import { Stage } from './stage.js'

/**
 * `npm run churn`: clients come, speak, lose their links, come back and go, over and over. Whatever is forgotten of them is
 * too much by the end of it: the heap of the last fifth is set against that of the second one, and the registries against zero.
 */

interface Sample extends Cycles {
  seconds: number
  backendBytes: number
  mediaServerBytes: number
  backend: BackendState['stats']
  mediaServer: MediaServerState['stats']
}

const SAMPLES = 20
/** How long a session outlives its client, in milliseconds: short, so that what is held for it is soon as much as it will be. */
const WINDOW_MS = 3_000
const TRUNK_CUT_MS = 7_000
/** What the heap may have grown by: code that was compiled meanwhile, and buffers of the moment. */
const GROWTH = { ratio: 1.1, bytes: 2 * 1024 * 1024 }
const EMPTY_MS = WINDOW_MS + 10_000

let options: Options
try {
  options = parseOptions(process.argv.slice(2), { seconds: 120, leastSeconds: 20 })
} catch (error) {
  console.error(`${(error as Error).message}\n\n${CHURN_USAGE}`)
  process.exit(2)
}

process.on('exit', killAllProcesses)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

const { seconds, clients, json } = options
const crashes: string[] = []
const stage = await Stage.open({ backends: 1, windowMs: WINDOW_MS, random: new Random(options.seed), crashed: (why) => crashes.push(why) })
const [backend] = stage.backends as [Stage['backends'][number]]
const workers = Array.from({ length: clients }, (_, i) => new ChurnWorker(i, backend))
const samples: Sample[] = []
const began = performance.now()

console.log(`${clients} clients at a time, 1 backend, 1 media server, ${seconds} s\n`)
console.log('                         backend                                                media server')
console.log('seconds  cycles  resumes     heap  peers  detached  rooms  links  trunk  unsent      heap  peers  trunks')
await sample()
const running = Promise.all(workers.map((worker) => worker.run()))
const cutting = setInterval(() => backend.trunk.cut(), TRUNK_CUT_MS)
for (let i = 1; i <= SAMPLES; i++) {
  await sleep(Math.max(0, began + seconds * 1_000 * i / SAMPLES - performance.now()))
  await sample()
}
clearInterval(cutting)
for (const worker of workers) worker.stop()
await running
const left = await leftOver(stage, EMPTY_MS)
await sample()
await stage.close()

console.log('')
const failures = [...crashes, ...growth('backend', ({ backendBytes }) => backendBytes), ...growth('media server', ({ mediaServerBytes }) => mediaServerBytes)]
if (Object.keys(left).length > 0) failures.push(`after everybody has left: ${JSON.stringify(left)}`)
const { stuck, cycles } = samples.at(-1)!
if (stuck > 0) failures.push(`${stuck} clients were not let in`)
if (cycles === 0) failures.push('nobody came')
if (json !== null) writeFileSync(json, JSON.stringify({ seconds, clients, samples, left, failures, ok: failures.length === 0 }, null, 2) + '\n')
console.log(failures.length === 0 ? '\nnothing is kept' : `\nFAILED\n${failures.join('\n')}`)
process.exit(failures.length === 0 ? 0 : 1)

async function sample (): Promise<void> {
  const [mediaServer, [state]] = await Promise.all([stage.mediaServerState(), stage.backendStates()])
  const sum = (pick: (counts: Cycles) => number): number => workers.reduce((total, { counts }) => total + pick(counts), 0)
  const taken: Sample = {
    seconds: Math.round((performance.now() - began) / 1_000),
    cycles: sum(({ cycles }) => cycles),
    resumes: sum(({ resumes }) => resumes),
    stuck: sum(({ stuck }) => stuck),
    backendBytes: state!.heapBytes,
    mediaServerBytes: mediaServer.heapBytes,
    backend: state!.stats,
    mediaServer: mediaServer.stats
  }
  samples.push(taken)
  const { peers, detached, rooms, links, trunk } = taken.backend
  const cells: Array<[string | number, number]> = [
    [taken.seconds, 7], [taken.cycles, 6], [taken.resumes, 7],
    [MB(taken.backendBytes), 7], [peers, 5], [detached, 8], [rooms, 5], [links, 5], [trunk.sockets, 5], [trunk.waitingBytes, 6],
    [MB(taken.mediaServerBytes), 8], [mediaServer.stats.peers, 5], [mediaServer.stats.trunks, 6]
  ]
  console.log(cells.map(([value, width]) => `${value}`.padStart(width)).join('  '))
}

/** The second fifth, since in the first one everything is still being compiled and filled. */
function growth (name: string, pick: (sample: Sample) => number): string[] {
  const mean = (from: number, to: number): number => {
    const part = samples.slice(Math.floor(SAMPLES * from) + 1, Math.floor(SAMPLES * to) + 1).map(pick)
    return part.reduce((sum, n) => sum + n, 0) / part.length
  }
  const early = mean(0.2, 0.4)
  const late = mean(0.8, 1)
  console.log(`heap of the ${name}: ${MB(early)} in the second fifth, ${MB(late)} in the last, ${MB(pick(samples.at(-1)!))} when everybody has left`)
  return late > early * GROWTH.ratio + GROWTH.bytes ? [`the heap of the ${name} has grown from ${MB(early)} to ${MB(late)}`] : []
}
