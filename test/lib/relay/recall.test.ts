import t from 'tap'
import { Recall } from '../../../lib/relay/recall.js'
import { ManualClock } from '../../../lib/testing/index.js'

/** Somebody who waits to be asked. */
class Somebody {
  awaitsRecall = true
  readonly #asked: number[]
  readonly #number: number

  constructor (number: number, asked: number[]) {
    this.#number = number
    this.#asked = asked
  }

  recall (): void {
    this.awaitsRecall = false
    this.#asked.push(this.#number)
  }
}

function recallOf (many: number, { perSecond = 100, room = Infinity } = {}): { recall: Recall<Somebody>, line: Somebody[], asked: number[], clock: ManualClock, turnstile: { perSecond: number, room: number } } {
  const clock = new ManualClock()
  const asked: number[] = []
  const turnstile = { perSecond, room }
  const recall = new Recall<Somebody>(turnstile, 30_000, clock)
  return { recall, line: Array.from({ length: many }, (_, i) => new Somebody(i, asked)), asked, clock, turnstile }
}

t.test('a tenth of a second\'s turns at once, the others in order and no faster than the rate', async (t) => {
  const { recall, line, asked, clock } = recallOf(60)
  recall.start(line)
  t.equal(asked.length, 10)
  clock.advance(100)
  t.equal(asked.length, 20)
  clock.advance(399)
  t.ok(asked.length < 60)
  clock.advance(20)
  t.same(asked, line.map((_, i) => i))
  t.same([recall.waiting, clock.timers], [0, 0])
})

t.test('only as many as there is room for', async (t) => {
  const { recall, line, asked, clock, turnstile } = recallOf(20, { room: 3, perSecond: 1_000 })
  recall.start(line)
  t.equal(asked.length, 3)
  turnstile.room = 0
  clock.advance(1_000)
  t.equal(asked.length, 3)
  t.equal(recall.waiting, 17)
  turnstile.room = 1
  clock.advance(20)
  t.equal(asked.length, 4)
  turnstile.room = 100
  clock.advance(20)
  t.equal(asked.length, 20)
})

t.test('those who fill the room for ever keep nobody out for ever', async (t) => {
  const { recall, line, asked, clock } = recallOf(20, { room: 0 })
  recall.start(line)
  clock.advance(29_999)
  t.equal(asked.length, 0)
  clock.advance(1)
  t.equal(asked.length, 10, 'at the rate all the same')
  clock.advance(120)
  t.equal(asked.length, 20)
})

t.test('who is gone or has asked by itself is passed over, and takes nobody\'s turn', async (t) => {
  const { recall, line, asked, clock } = recallOf(40)
  for (const somebody of line.slice(0, 25)) somebody.awaitsRecall = false
  recall.start(line)
  t.same(asked, [25, 26, 27, 28, 29, 30, 31, 32, 33, 34])
  line[36]!.awaitsRecall = false
  clock.advance(1_000)
  t.same(asked.slice(10), [35, 37, 38, 39])
})

t.test('stopped, it asks nobody; begun again, it begins with the others', async (t) => {
  const { recall, line, asked, clock } = recallOf(30)
  recall.start(line)
  recall.stop()
  clock.advance(10_000)
  t.same([asked.length, clock.timers], [10, 0])
  recall.start(line.filter(({ awaitsRecall }) => awaitsRecall))
  t.equal(asked.length, 20)
  clock.advance(1_000)
  t.same(asked, line.map((_, i) => i))
})
