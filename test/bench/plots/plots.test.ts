import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { holds } from '../../support.js'
import { barsSvg } from './bars.js'
import { linesSvg } from './lines.js'
import { comparison, growth, writePlots } from './write.js'
import type { PlotRun } from './write.js'

const text = fc.string({ unit: 'grapheme', maxLength: 120 })
const number = fc.oneof(fc.double(), fc.double({ min: 0, max: 1e6, noNaN: true }))
const role = fc.constantFrom('ours' as const, 'other' as const)
const measured = { value: number, min: number, max: number }
const frame = { title: text, subtitle: text, source: text }

/** Of what is drawn: nothing outside, nothing that is no number, each element closed, and no text that could be an element. */
function isSound (svg: string): boolean {
  const [, width, height] = /viewBox="0 0 (\d+(?:\.\d+)?) (\d+(?:\.\d+)?)"/.exec(svg) ?? []
  const open: string[] = []
  for (const [, end, name, attributes, alone] of svg.matchAll(/<(\/?)([a-z]+)((?:\s+[a-zA-Z0-9-]+="[^"<]*")*)\s*(\/?)>/g)) {
    if (end === '/') {
      if (open.pop() !== name) return false
      continue
    }
    if (alone === '') open.push(name!)
    for (const [, attribute, value] of attributes!.matchAll(/([a-zA-Z0-9-]+)="([^"]*)"/g)) {
      if (!/^(x|y|cx|cy|x1|x2|y1|y2|width|height|r)$/.test(attribute!)) continue
      const most = /^(x|cx|x1|x2|width)$/.test(attribute!) ? Number(width) : Number(height)
      if (!(Number(value) >= 0 && Number(value) <= most)) return false
    }
  }
  // All that is left of tags is text, in which nothing may look like one.
  return open.length === 0 && !/[<>]/.test(svg.replace(/<(\/?)([a-z]+)((?:\s+[a-zA-Z0-9-]+="[^"<]*")*)\s*(\/?)>/g, ''))
}

t.test('whatever the bars are, the picture is well-formed, and all of it inside', async (t) => {
  const bar = fc.record({ name: text, role, ...measured })
  const plot = fc.record({ ...frame, axis: text, groups: fc.array(fc.record({ title: text, bars: fc.array(bar, { maxLength: 6 }) }), { maxLength: 4 }) })
  holds(t, fc.property(plot, (plot) => isSound(barsSvg(plot))), { numRuns: 200 })
})

t.test('the same of lines', async (t) => {
  const line = fc.record({ name: text, role, points: fc.array(fc.record({ x: number, ...measured }), { maxLength: 6 }) })
  const plot = fc.record({ ...frame, xAxis: text, yAxis: text, lines: fc.array(line, { maxLength: 4 }) })
  holds(t, fc.property(plot, (plot) => isSound(linesSvg(plot))), { numRuns: 200 })
})

const run = (section: string, scenario: string, variant: string, cpuMicros: number): PlotRun => ({ section, scenario, variant, cpuMicros })
const runs = [
  run('saturation', '2 000 clients x 200 B', 'trunkline', 12), run('saturation', '200 clients x 200 B', 'trunkline', 9), run('saturation', '200 clients x 200 B', 'net', 7),
  run('growth', '100 clients x 200 B', 'trunkline', 40), run('growth', '5 000 clients x 200 B', 'trunkline', 55), run('growth', '100 clients x 200 B', 'http-proxy', 50)
]

t.test('runs are told apart by their part, and drawn in order', async (t) => {
  const bars = comparison(runs, 'a run')!
  t.ok(bars.indexOf('200 clients x 200 B') < bars.indexOf('2 000 clients x 200 B'))
  t.match(bars, /net \(no WebSocket\)/)
  t.notMatch(bars, />55</)
  t.match(growth(runs, 'a run')!, />55</)
  t.equal(comparison([], ''), null)
  t.equal(growth([], ''), null)
})

t.test('what was measured is written, and nothing else', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'trunkline-plots-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  t.same(await writePlots([...runs.slice(0, 3), { part: 'idle' }], dir), [join(dir, 'comparison.svg')])
  t.match(readFileSync(join(dir, 'comparison.svg'), 'utf8'), /^<svg /)
})
