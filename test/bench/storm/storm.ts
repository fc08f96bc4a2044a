import { setTimeout as sleep } from 'node:timers/promises'
import type { Child } from '../processes.js'
import type { Back } from './load.js'

/** How everybody came back. */
export interface Storm {
  /** How many were back, and when. */
  curve: Array<{ ms: number, back: number }>
  end: Back
  /** Clients that lack an echo. */
  missing: number
}

/** Between two looks, in milliseconds. */
const LOOK_MS = 250
/** The resume window of both sides: whoever comes later has lost its session. Milliseconds. */
export const WINDOW_MS = 30_000

/** How long a client may take to get in before the storm, on a slow machine. Milliseconds. */
const SLOWEST_MS = 30

const WIDTH = 60

/** @throws Error they do not come to be in within a reasonable time */
export async function allIn (loads: Child[], clients: number): Promise<void> {
  const deadline = performance.now() + SLOWEST_MS * clients
  for (let joined = 0; joined < clients;) {
    if (performance.now() > deadline) throw new Error(`${clients - joined} clients did not get in`)
    await sleep(LOOK_MS)
    const each = await Promise.all(loads.map(async (load) => await load.ask<{ joined: number }>('in')))
    joined = each.reduce((sum, { joined }) => sum + joined, 0)
  }
}

/** Breaks something and watches everybody come back, until all have or twice the window is over. */
export async function watch (loads: Child[], clients: number, breakIt: () => Promise<void>): Promise<Storm> {
  await Promise.all(loads.map(async (load) => await load.ask('mark')))
  const start = performance.now()
  const broken = breakIt()
  // It is waited for below, and may fail before.
  broken.catch(() => {})
  const curve: Storm['curve'] = []
  let end: Back
  do {
    await sleep(LOOK_MS - (performance.now() - start) % LOOK_MS)
    end = sum(await Promise.all(loads.map(async (load) => await load.ask<Back>('back'))))
    const ms = performance.now() - start
    curve.push({ ms, back: end.back })
    console.log(`${(ms / 1_000).toFixed(2).padStart(7)} s  ${String(end.back).padStart(6)}  ${'#'.repeat(Math.round(end.back / clients * WIDTH))}`)
  } while (end.back < clients && performance.now() - start < 2 * WINDOW_MS)
  await broken
  const echoes = await Promise.all(loads.map(async (load) => await load.ask<{ missing: number }>('echoes')))
  return { curve, end, missing: echoes.reduce((all, { missing }) => all + missing, 0) }
}

/** Seconds until this part of all was back; null: it never was. */
export function timeTo ({ curve }: Storm, part: number, clients: number): number | null {
  const reached = curve.find(({ back }) => back >= part * clients)
  return reached === undefined ? null : reached.ms / 1_000
}

function sum (each: Back[]): Back {
  const all: Back = { back: 0, resumed: 0, reset: 0, failed: 0, attempts: 0, closes: {} }
  for (const { closes, ...counts } of each) {
    for (const [name, count] of Object.entries(counts)) all[name as keyof typeof counts] += count
    for (const [code, count] of Object.entries(closes)) all.closes[code] = (all.closes[code] ?? 0) + count
  }
  return all
}
