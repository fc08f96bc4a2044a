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

const WIDTH = 60

/** Breaks something and watches everybody come back, until all have or twice the window is over. */
export async function watch (loads: Child[], clients: number, breakIt: () => Promise<void>): Promise<Storm> {
  await Promise.all(loads.map(async (load) => await load.ask('mark')))
  const start = performance.now()
  const broken = breakIt()
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
