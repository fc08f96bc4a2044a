import t from 'tap'
import { ratioOf } from './compared.js'
import { killAll, place } from './processes.js'
import { quickLook } from './saturation.js'
import type { Run } from './scenarios.js'
import { NET, TRUNKLINE } from './variants.js'

/** Far from what is measured on a quiet machine, since this one need not be: it is to notice that somebody made the hot path slow. */
const MOST = 1.8
const ROUNDS = 5
/** Neighbours may have a bad minute. */
const TRIES = 2

const TIMEOUT_MS = 170_000

t.setTimeout(TIMEOUT_MS)
t.teardown(killAll)

t.test('what relaying an event costs, beside the bare sockets; and each echo is right', { timeout: TIMEOUT_MS }, async (t) => {
  let ratio = Infinity
  for (let tries = 1; tries <= TRIES && ratio > MOST; tries++) {
    const { runs } = await quickLook([TRUNKLINE, NET]).run({ rounds: ROUNDS, placement: place(), profileDir: null, say: (line) => t.comment(line) })
    ratio = ratioOf(runs as Run[], TRUNKLINE.name, NET.name)!.median
  }
  t.comment(`CPU per round trip, ${TRUNKLINE.name} / ${NET.name}: ${ratio.toFixed(2)}`)
  t.ok(ratio <= MOST, `at most ${MOST} times that of the bare sockets`)
})
