import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { spread } from '../report.js'
import { barsSvg } from './bars.js'
import type { BarPlot } from './bars.js'
import { linesSvg } from './lines.js'
import type { LinePlot } from './lines.js'
import type { Measured } from './scale.js'

/** The plots of the papers, drawn from the runs and by nobody's hand. */

/** What a plot needs to know of a run; the runs of all parts may come, and those of other parts are passed over. */
export interface PlotRun {
  section: string
  /** `200 clients x 2 KB`, for one. */
  scenario: string
  variant: string
  /** CPU time of the relay for one event up and its echo down, in microseconds. */
  cpuMicros: number
}

export interface PlotOptions<Run extends PlotRun> {
  /** Of all runs of a scenario and variant, those that count; the same as in the table. Default: all. */
  kept?: (runs: Run[]) => Run[]
  /** What the figures come from. */
  source?: string
}

const OURS = 'trunkline'
/** Whose growth is shown. */
const GROWING = [OURS, 'http-proxy']
/** A lower bound beside those that could be used. */
const LEGEND: Record<string, string> = { net: 'net (no WebSocket)' }

/**
 * Writes `comparison.svg` and `growth.svg`, each if it was measured.
 * @returns the files that were written
 */
export async function writePlots<Run extends PlotRun> (runs: object[], dir: string, options: PlotOptions<Run> = {}): Promise<string[]> {
  const known = runs.filter(isPlotRun) as Run[]
  const source = options.source ?? `npm run bench, Node ${process.version}, ${new Date().toISOString().slice(0, 10)}`
  const plots = { 'comparison.svg': comparison(known, source, options.kept), 'growth.svg': growth(known, source) }
  await mkdir(dir, { recursive: true })
  const written: string[] = []
  for (const [name, svg] of Object.entries(plots)) {
    if (svg === null) continue
    await writeFile(join(dir, name), svg)
    written.push(join(dir, name))
  }
  return written
}

export function comparison<Run extends PlotRun> (runs: Run[], source: string, kept: (runs: Run[]) => Run[] = (all) => all): string | null {
  const mine = runs.filter(({ section }) => section === 'saturation')
  if (mine.length === 0) return null
  const groups = [...new Set(mine.map(({ scenario }) => scenario))].sort(byScenario).map((scenario) => {
    const here = mine.filter((run) => run.scenario === scenario)
    const bars = [...new Set(here.map(({ variant }) => variant))].map((variant) => ({
      name: LEGEND[variant] ?? variant, role: roleOf(variant), ...measured(kept(here.filter((run) => run.variant === variant)))
    }))
    return { title: scenario, bars: bars.sort((a, b) => a.value - b.value) }
  })
  return barsSvg({
    title: 'What relaying one media event costs',
    subtitle: 'CPU time of the relay for one event up and its echo down, relay busy; median, least to most. Less is better.',
    axis: 'microseconds of CPU per round trip',
    groups,
    source
  } satisfies BarPlot)
}

export function growth (runs: PlotRun[], source: string): string | null {
  const mine = runs.filter(({ section }) => section === 'growth')
  if (mine.length === 0) return null
  const lines = GROWING.filter((variant) => mine.some((run) => run.variant === variant)).map((variant) => {
    const here = mine.filter((run) => run.variant === variant)
    const points = [...new Set(here.map(({ scenario }) => scenario))].map((scenario) => ({
      x: clientsOf(scenario), ...measured(here.filter((run) => run.scenario === scenario))
    }))
    return { name: variant, role: roleOf(variant), points }
  })
  return linesSvg({
    title: 'What an event costs as clients become more',
    subtitle: 'The same rate of all clients together; median, and least to most of the rounds. Flat is better.',
    xAxis: 'clients (logarithmic)',
    yAxis: 'microseconds of CPU of the relay per round trip',
    lines,
    source
  } satisfies LinePlot)
}

function measured (runs: PlotRun[]): Measured {
  const { median, min, max } = spread(runs.map(({ cpuMicros }) => cpuMicros))
  return { value: median, min, max }
}

function roleOf (variant: string): 'ours' | 'other' {
  return variant.startsWith(OURS) ? 'ours' : 'other'
}

function clientsOf (scenario: string): number {
  return Number(/([\d ]*\d) clients/.exec(scenario)?.[1]?.replaceAll(' ', '') ?? NaN)
}

/** Runs come in any order: few clients first, and of as many the one with the smaller events. */
function byScenario (a: string, b: string): number {
  const bytes = (scenario: string): number => {
    const [, count = '0', unit] = /x (\d+) (B|KB)/.exec(scenario) ?? []
    return Number(count) * (unit === 'KB' ? 1_024 : 1)
  }
  return clientsOf(a) - clientsOf(b) || bytes(a) - bytes(b)
}

function isPlotRun (run: object): boolean {
  return 'section' in run && 'scenario' in run && 'variant' in run && 'cpuMicros' in run
}
