import fc from 'fast-check'
import t from 'tap'
import { holds } from '../../support.js'
import { clientsBy, eventsPerSecond, joinsPerSecond, trunkBytesPerSecond, waitOf } from './model.js'
import type { Costs } from './model.js'
import { costsOf, figuresOf, withFigures } from './page.js'
import { fill, serve } from './simulation.js'

const costs: Costs = { roundTripMicros: 50, clients: 5_000, busyMicros: 10, idleBytes: 10_240, joinMicros: 500 }
const KiB = 1024

t.test('events one by one wait as long as the formula says', async (t) => {
  for (const busy of [0.3, 0.5, 0.7, 0.9]) {
    const { waitMicros, utilisation } = serve({ processes: 1, costMicros: 25, perSecond: busy * 40_000, events: 1_000_000, seed: 7 })
    t.ok(Math.abs(utilisation - busy) < 0.01, `${utilisation} busy`)
    t.ok(Math.abs(waitMicros / waitOf(25, busy) - 1) < 0.08, `at ${busy}: ${waitMicros} us, and ${waitOf(25, busy)} by the formula`)
  }
})

t.test('ten processes carry ten times as much, and nobody waits longer', async (t) => {
  const one = serve({ processes: 1, costMicros: 25, perSecond: 28_000, events: 500_000, seed: 3 })
  const ten = serve({ processes: 10, costMicros: 25, perSecond: 280_000, events: 500_000, seed: 3 })
  t.ok(Math.abs(ten.utilisation - one.utilisation) < 0.01)
  t.ok(Math.abs(ten.waitMicros / one.waitMicros - 1) < 0.1, `${one.waitMicros} us and ${ten.waitMicros} us`)
})

t.test('a trunk carries its window once in each round trip, but for what waits for credit', async (t) => {
  holds(t, fc.property(fc.integer({ min: 64, max: 1_024 }), fc.integer({ min: 1, max: 100 }), (windowKiB, roundTripMs) => {
    const messageBytes = 4 * KiB
    const most = trunkBytesPerSecond(windowKiB * KiB + messageBytes, roundTripMs)
    const filled = fill({ windowBytes: windowKiB * KiB, roundTripMs, creditBytes: 16 * KiB, messageBytes, messages: 50_000 })
    return filled <= most * 1.001 && filled >= most * (1 - 24 / windowKiB)
  }), { numRuns: 50 })
})

t.test('what is carried follows from what it costs', async (t) => {
  t.equal(Math.round(eventsPerSecond(costs, 1)), 28_000)
  t.equal(Math.round(clientsBy(costs, 2, 10)), 140_000)
  t.equal(Math.round(joinsPerSecond(costs, 1)), 1_400)
})

t.test('the page is made of the runs, and says what is missing', async (t) => {
  const runs = [
    ...[40, 60, 50].map((cpuMicros) => ({ section: 'growth', scenario: '5 000 clients x 200 B', variant: 'trunkline', cpuMicros })),
    { section: 'growth', scenario: '5 000 clients x 200 B', variant: 'http-proxy', cpuMicros: 99 },
    { section: 'saturation', scenario: '200 clients x 200 B', variant: 'trunkline', cpuMicros: 10 },
    { section: 'saturation', scenario: '200 clients x 2 KB', variant: 'trunkline', cpuMicros: 20 },
    { part: 'idle', variant: 'trunkline, SDK links', rssBytes: 10_240 },
    { part: 'joins', variant: 'trunkline, SDK links', cpuMicros: 500 }
  ]
  t.same(costsOf(runs), costs)
  t.throws(() => costsOf(runs.slice(0, -1)), /no joins/)
  const page = withFigures('before\n<!-- figures -->\nold\n<!-- /figures -->\nafter\n', figuresOf(costs, 'a run'))
  t.match(page, /^before\n<!-- figures -->\nMeasured \(a run\): an event up and one down cost 50 us/)
  t.match(page, /\| a process \| 28 000 \| 280 000 \| 28 000 \| 2 800 \| 1 400 \|/)
  t.match(page, /\n<!-- \/figures -->\nafter\n$/)
  t.notMatch(page, /old/)
  t.throws(() => withFigures('nothing', ''), /no place/)
})
