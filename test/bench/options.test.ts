import t from 'tap'
import { parseOptions } from './options.js'

t.test('what is not given has its usual value', async (t) => {
  t.same(parseOptions([]), { rounds: 5, quick: false, json: null, profileDir: null, only: null })
  t.same(parseOptions(['--quick']), { rounds: 3, quick: true, json: null, profileDir: null, only: null })
  t.equal(parseOptions(['--quick'], [], { rounds: 7, quickRounds: 2 }).rounds, 2)
})

t.test('what is given counts', async (t) => {
  t.same(parseOptions(['--rounds', '9', '--json', 'out.json', '--profile', 'profiles', '--only', 'growth'], ['growth']), {
    rounds: 9, quick: false, json: 'out.json', profileDir: 'profiles', only: 'growth'
  })
  t.equal(parseOptions(['--quick', '--rounds', '1']).rounds, 1)
})

t.test('what cannot be understood is refused, and says what can', async (t) => {
  for (const rounds of ['0', '101', '1.5', 'many']) t.throws(() => parseOptions(['--rounds', rounds]), /from 1 to 100/)
  t.throws(() => parseOptions(['--only', 'growht'], ['saturation', 'growth']), /one of saturation, growth, not 'growht'/)
  t.throws(() => parseOptions(['--only', 'growth']), /nothing here/)
  t.throws(() => parseOptions(['--fast']))
})
