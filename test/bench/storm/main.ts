import { cpus, loadavg } from 'node:os'
import { ChaosProxy } from '../../../lib/testing/index.js'
import { Child } from '../processes.js'
import type { BackendOptions, BackendReport } from './backend.js'
import type { LoadOptions } from './load.js'
import { parseStormOptions, USAGE } from './options.js'
import type { StormOptions } from './options.js'
import { WINDOW_MS, allIn, timeTo, watch } from './storm.js'
import type { Storm } from './storm.js'

/** `npm run bench -- storm`: thousands of clients come back at once, after a crash of the backend and after a loss of the trunk. */

let options: StormOptions
try {
  options = parseStormOptions(process.argv.slice(3))
} catch (error) {
  console.error(`${(error as Error).message}\n\n${USAGE}`)
  process.exit(2)
}

/** Clients of one load process at most. */
const PER_PROCESS = 2_500

const children: Child[] = []
process.on('exit', () => { for (const child of children) child.kill() })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

const { clients, profileDir } = options
let failures = 0

try {
  await storm()
} catch (error) {
  console.error(`\nFAILED: ${(error as Error).message}`)
  failures++
}
process.exit(failures > 0 ? 1 : 0)

async function storm (): Promise<void> {
  console.log(`Node ${process.version}, ${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores; load average ${loadavg()[0]!.toFixed(1)}`)
  const media = start('./echoes/trunkline.js', null)
  const trunks = await ChaosProxy.listen({ target: await media.ready<{ port: number }>() })
  const first = start('./storm/backend.js', { mediaPort: trunks.port, port: 0 } satisfies BackendOptions)
  const { port } = await first.ready<{ port: number }>()
  const processes = Math.ceil(clients / PER_PROCESS)
  const loads = Array.from({ length: processes }, (_, i) => start('./storm/load.js', {
    port, clients: Math.floor((clients + i) / processes)
  } satisfies LoadOptions))
  await Promise.all(loads.map(async (load) => await load.ready()))
  await allIn(loads, clients)
  console.log(`${clients} clients with sessions in ${processes} processes; authenticate takes 5 ms`)

  console.log('\nThe backend is killed, and started anew at once:\n')
  let second: Child | null = null
  const crash = await watch(loads, clients, async () => {
    first.kill()
    second = start('./storm/backend.js', { mediaPort: trunks.port, port } satisfies BackendOptions, profileDir === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`])
    await second.ready()
  })
  conclude(crash, await second!.ask<BackendReport>('report'))

  console.log('\nThe trunk alone is cut:\n')
  conclude(await watch(loads, clients, async () => trunks.cut()), await second!.ask<BackendReport>('report'))

  await Promise.all(loads.map(async (load) => await load.stop()))
  await second!.stop()
  await trunks.close()
  await media.stop()
}

function start (module: string, argument: unknown, nodeOptions: string[] = []): Child {
  const child = new Child(module, argument, null, nodeOptions)
  children.push(child)
  return child
}

function conclude (result: Storm, { stats, peakRssMb, longestPauseMs }: BackendReport): void {
  const { end, missing } = result
  const seconds = (part: number): string => timeTo(result, part, clients)?.toFixed(2) ?? 'never'
  const { auth } = stats
  console.log(`
  back: 50 % after ${seconds(0.5)} s, 90 % after ${seconds(0.9)} s, 100 % after ${seconds(1)} s
  sessions: ${end.resumed} went on, ${end.reset} were gone, ${end.failed} clients gave up, ${missing} clients lack an echo
  sockets opened: ${end.attempts}; closed, by code: ${JSON.stringify(end.closes)}
  of the backend since it was started: authenticate at most ${auth.mostRunning} at once, ${auth.mostWaiting} waiting; refused ${JSON.stringify(stats.refused)};
    peers that left ${JSON.stringify(stats.left)}; ${peakRssMb.toFixed(0)} MB at most; longest pause ${longestPauseMs.toFixed(0)} ms`)
  const all = timeTo(result, 1, clients)
  judge('all are back within the resume window', all !== null && all * 1_000 < WINDOW_MS)
  judge('all with their sessions, and each event once and in order', end.resumed === clients && end.reset === 0 && end.failed === 0 && missing === 0)
}

function judge (wanted: string, pass: boolean): void {
  console.log(`  ${pass ? 'as wanted ' : 'NOT WANTED'}  ${wanted}`)
  if (!pass) failures++
}
