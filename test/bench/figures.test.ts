import t from 'tap'
import { calmRuns, countOf, ratioOf, saturatedRuns } from './compared.js'
import { addedOf, figuresOf as fixedRateFigures, tableOf as fixedRateTable } from './fixed-rate.js'
import { figuresOf as growthFigures, growthOf, tableOf as growthTable } from './growth.js'
import { atMost, echoesFigure, failureFigure, figureTable, layOut, spread } from './report.js'
import { figuresOf as saturationFigures, tableOf as saturationTable } from './saturation.js'
import type { Run } from './scenarios.js'
import { TRUNKLINE } from './variants.js'

const SMALL = '200 clients x 200 B'

/** A run as it may come out, but for what is given. */
function ran (variant: string, given: Partial<Run>): Run {
  return {
    section: 'any', scenario: SMALL, variant, round: 1, cpuMicros: 10, rate: 1_000, p50Ms: 1, p99Ms: 2, lateP50Ms: 0, lateP99Ms: 0, utilisation: 0.95, echoes: 100, ...given
  }
}

function costs (variant: string, ...micros: number[]): Run[] {
  return micros.map((cpuMicros, i) => ran(variant, { cpuMicros, round: i + 1 }))
}

t.test('the middle of an even number lies between two', async (t) => {
  t.same(spread([4, 1, 3]), { median: 3, min: 1, max: 4 })
  t.same(spread([4, 1, 3, 2]), { median: 2.5, min: 1, max: 4 })
  t.same(spread([7]), { median: 7, min: 7, max: 7 })
})

t.test('runs that were idle in part are discarded, while they are few', async (t) => {
  const runs = [0.95, 0.89, 0.9].map((utilisation) => ran('net', { utilisation }))
  t.same(saturatedRuns(runs), { kept: [runs[0], runs[2]], discarded: 1, isGood: true })
  const idle = [0.95, 0.5, 0.6].map((utilisation) => ran('net', { utilisation }))
  t.same(saturatedRuns(idle), { kept: idle, discarded: 0, isGood: false })
})

t.test('runs in which the load was late are discarded, while they are few', async (t) => {
  const runs = [0.5, 30, 2].map((lateP99Ms) => ran('net', { lateP99Ms }))
  t.same(calmRuns(runs).kept, [runs[0], runs[2]])
  t.equal(countOf(calmRuns(runs)), '2 (1 discarded)')
  t.equal(countOf(calmRuns(runs.slice(1, 2))), '1')
})

t.test('a ratio is of medians, and its range within rounds', async (t) => {
  const runs = [...costs('trunkline', 10, 12, 20), ...costs('net', 10, 10, 8)]
  t.same(ratioOf(runs, 'trunkline', 'net'), { median: 1.2, min: 1, max: 2.5 })
  t.equal(ratioOf(runs, 'trunkline', 'nginx'), null)
})

t.test('a busy relay is not set against one that has waited', async (t) => {
  const mine = [ran('trunkline', { cpuMicros: 10 }), ran('trunkline', { cpuMicros: 14, round: 2 }), ran('trunkline', { cpuMicros: 30, round: 3, utilisation: 0.5 })]
  const busy = costs('net', 10, 10, 10)
  t.equal(ratioOf([...mine, ...busy], 'trunkline', 'net')?.median, 1.2)
  const waited = busy.map((run) => ({ ...run, utilisation: 0.4 }))
  t.equal(ratioOf([...mine, ...waited], 'trunkline', 'net')?.median, 1.4)
})

t.test('saturation: what is wanted is asked of what was measured, and of nothing else', async (t) => {
  const runs = [...costs('trunkline', 12), ...costs('net', 10), ...costs('http-proxy', 20), ...costs('trunkline session', 18)]
  t.same(saturationFigures(runs).map(({ value, wanted, pass }) => [value, wanted, pass]), [[1.2, '<= 1.25', true], [0.6, '<= 0.45', false], [1.5, '<= 1.15', false]])
  t.same(saturationFigures(costs('trunkline', 12)), [])
  const table = saturationTable(SMALL, runs)
  t.match(table, /trunkline {2,}12\.00/)
  t.notMatch(table, /nginx/)
})

t.test('fixed rate: what a relay adds is what is not there without it', async (t) => {
  const runs = [ran('direct', { p50Ms: 0.1 }), ran('nginx', { p50Ms: 0.2 }), ran('trunkline', { p50Ms: 0.25 })]
  t.equal(addedOf(runs, 'trunkline').toFixed(3), '0.150')
  t.match(fixedRateFigures(runs), [{ value: 1.5, wanted: '<= 1.6', pass: true }])
  t.same(fixedRateFigures(runs.filter(({ variant }) => variant !== 'nginx')), [], 'without nginx there is nothing to compare with')
  t.match(fixedRateFigures(runs.map((run) => ({ ...run, p50Ms: 0.1 }))), [{ pass: false }], 'nor where nothing can be told apart')
  t.match(fixedRateTable(runs), /direct/)
})

t.test('growth: by what it costs with the fewest clients', async (t) => {
  const at = (variant: string, clients: string, cpuMicros: number): Run => ran(variant, { scenario: `${clients} clients x 200 B`, cpuMicros })
  const runs = [at('trunkline', '100', 20), at('trunkline', '5 000', 38), at('http-proxy', '100', 40), at('http-proxy', '5 000', 70)]
  t.equal(growthOf(runs, TRUNKLINE, 5_000), 1.9)
  t.match(growthFigures(runs), [{ value: 1.9, pass: true }, { value: 1.086, wanted: '< 1', pass: false }])
  t.match(growthTable(runs), /trunkline {2,}5000/)
})

t.test('figures are judged, and laid out', async (t) => {
  t.match(atMost('a', 1.15, 1.15), { value: 1.15, wanted: '<= 1.15', pass: true })
  t.match(atMost('a', 1.1501, 1.15), { pass: false })
  t.match(failureFigure(1), { pass: false })
  t.match(echoesFigure([{ echoes: 5 }, { other: 1 }, { echoes: 6 }], 11), { value: 11, pass: true })
  t.match(echoesFigure([{ echoes: 5 }], 6), { pass: false })
  t.equal(layOut('title', [['a', 'b'], ['long', 'c']]), 'title\n  a     b\n  long  c')
  t.equal(figureTable([atMost('a', 1, 2), atMost('b', 3, 2, 'ms')]), [
    'Figures', '  figure  wanted  measured', '  a       <= 2    1         pass', '  b       <= 2    3 ms      falls short'
  ].join('\n'))
})
