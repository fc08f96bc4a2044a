import t from 'tap'
import { ManualClock } from 'trunkline/testing'
import { Absentees, LOOK_MS, MEDIA_LOOKS, STUN_LOOKS, type Heard } from '../../../examples/media-server/absentees.js'

const MEDIA_MS = MEDIA_LOOKS * LOOK_MS
const STUN_MS = STUN_LOOKS * LOOK_MS

function setUp () {
  const clock = new ManualClock(100_000)
  const gone: string[] = []
  const absentees = new Absentees<string>((client) => { gone.push(client) }, clock)
  const now = (): number => clock.now()
  /** Moves on, with what comes of a client just before each look. */
  const pass = (ms: number, before = (): void => {}): void => {
    for (let passed = 0; passed < ms; passed += LOOK_MS) {
      before()
      clock.advance(LOOK_MS)
    }
  }
  return { clock, gone, absentees, now, pass }
}

t.test('whose media stops is gone', async (t) => {
  const { clock, gone, absentees, now, pass } = setUp()
  let heard: Heard = { media: now(), stun: now() }
  absentees.add('a', () => heard)
  pass(10 * MEDIA_MS, () => { heard = { media: now(), stun: 0 } })
  t.same(gone, [], 'as long as it goes on nobody is')
  pass(MEDIA_MS - LOOK_MS, () => { heard = { ...heard, stun: now() } })
  t.same(gone, [])
  pass(LOOK_MS)
  t.same(gone, ['a'], 'whatever else comes')
  t.equal(clock.timers, 0)
})

t.test('who sends no media is known by its STUN requests', async (t) => {
  const { gone, absentees, now, pass } = setUp()
  let heard: Heard = { media: now() - MEDIA_MS, stun: now() }
  absentees.add('a', () => heard)
  pass(STUN_MS - LOOK_MS)
  heard = { ...heard, stun: now() }
  pass(STUN_MS)
  t.same(gone, [])
  pass(LOOK_MS)
  t.same(gone, ['a'])
})

t.test('who begins to send media while it is away is judged by that', async (t) => {
  const { gone, absentees, now, pass } = setUp()
  let heard: Heard = { media: -Infinity, stun: now() }
  absentees.add('a', () => heard)
  pass(MEDIA_MS)
  heard = { ...heard, media: now() }
  pass(LOOK_MS)
  pass(MEDIA_MS)
  t.same(gone, ['a'])
})

t.test('of whom nothing can be heard yet, nothing is concluded', async (t) => {
  const { gone, absentees, pass } = setUp()
  absentees.add('a', () => ({ media: -Infinity, stun: -Infinity }))
  pass(2 * STUN_MS)
  t.same(gone, [])
})

t.test('a process that was held up takes nobody for gone', async (t) => {
  const gone: string[] = []
  let [now, look] = [0, (): void => {}]
  const absentees = new Absentees<string>((client) => { gone.push(client) }, {
    now: () => now,
    every: (_ms, fn) => {
      look = fn
      return { cancel () {} }
    }
  })
  let heard: Heard = { media: now, stun: now }
  absentees.add('a', () => heard)
  now += 10 * STUN_MS
  // As Node does it: of the looks that were missed one is made up for, before anything is read.
  look()
  heard = { media: now, stun: now }
  for (let looks = 0; looks < MEDIA_LOOKS; looks++) look()
  t.same(gone, [])
  look()
  t.same(gone, ['a'])
})

t.test('one timer for all, as long as there is anybody', async (t) => {
  const { clock, gone, absentees, now, pass } = setUp()
  const heard = { media: now(), stun: now() }
  for (const name of ['a', 'b', 'c']) absentees.add(name, () => heard)
  t.equal(clock.timers, 1)
  absentees.delete('a')
  absentees.delete('nobody')
  t.equal(clock.timers, 1)
  pass(MEDIA_MS)
  t.same(gone, ['b', 'c'])
  t.equal(clock.timers, 0)
  absentees.add('a', () => heard)
  absentees.delete('a')
  t.equal(clock.timers, 0)
})

t.test('the end of one may end another', async (t) => {
  const clock = new ManualClock(100_000)
  const gone: string[] = []
  const absentees = new Absentees<string>((client) => {
    gone.push(client)
    absentees.delete('b')
  }, clock)
  const heard = { media: clock.now(), stun: clock.now() }
  for (const name of ['a', 'b']) absentees.add(name, () => heard)
  clock.advance(2 * MEDIA_MS)
  t.same(gone, ['a'])
})
