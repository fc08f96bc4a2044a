import fc from 'fast-check'
import t from 'tap'
import { MAX_DRIFT_MS, SteadyTime } from '../../../examples/media-server/steady-time.js'
import { holds } from '../../support.js'

t.test('times go on as a track\'s do, wherever its timestamps begin, and in whatever order they come', async (t) => {
  const frames = fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 2, maxLength: 300 })
  holds(t, fc.property(fc.nat(2 ** 32 - 1), fc.nat(10_000), frames, (first, beganMs, shuffles) => {
    const time = new SteadyTime(90_000)
    time.at(first, beganMs)
    return shuffles.every((shuffle, i) => {
      const n = Math.max(0, i + shuffle)
      return time.at((first + n * 3_000) % 2 ** 32, beganMs + n * 100 / 3) === beganMs + Math.round(n * 100 / 3)
    })
  }))
})

t.test('timestamps that jump are not believed', async (t) => {
  const time = new SteadyTime(48_000)
  t.equal(time.at(0, 100), 100)
  t.equal(time.at(48_000, 1_100), 1_100)
  t.equal(time.at(48_000 * 3_600, 1_120), 1_120)
  t.equal(time.at(48_000 * 3_601, 2_120), 2_120, 'it goes on from there')
  t.equal(time.at(5, 2_140), 2_140)
  t.equal(time.at(5 + 48 * MAX_DRIFT_MS, 2_140), 2_140 + MAX_DRIFT_MS)
})
