import { checkOptions } from '../../lib/options.js'
import type { Settings } from '../../lib/options.js'
import type { Random } from './random.js'

/** What differs between runs beside what happens in them. */
export interface Setup {
  backends: number
  sdkClients: number
  plainClients: number
  /** Whether two clients have one identity, and so push each other out. */
  rivals: boolean
  hooks: 'none' | 'sync' | 'async'
  encoding: 'protobuf' | 'json'
  windowBytes: number
  trunkWindowBytes: number
  trunkQueueBytes: number
  trunkHoldMs: number
  /** How long a token is good for, in milliseconds; 0: for ever. */
  tokenMs: number
  /** How often something goes wrong, beside everything else that happens. */
  faults: number
  /** How many clients a backend takes its successor to let in per second: by it, it lets go of its own. */
  letInPerSecond: number
  settings: Settings
}

/** Times in the proportions of the defaults, a third as long: less to play. */
export const WINDOW_MS = 10_000
export const CLIENT_BEAT_MS = 3_000
export const TRUNK_BEAT_MS = 1_500
export const ANSWER_MS = 5_000

export function makeSetup (random: Random): Setup {
  const rivals = random.chance(0.25)
  const windowBytes = random.pick([1_500, 6_000, 256 * 1024])
  // What may be under way for a client always fits, and one event that is larger than that.
  const downlinkBytes = Math.ceil(windowBytes * 1.25) + 4_000
  return {
    backends: random.between(1, 2),
    sdkClients: random.between(rivals ? 2 : 1, 3),
    plainClients: random.between(0, 1),
    rivals,
    hooks: random.pick(['none', 'sync', 'async', 'async']),
    encoding: random.chance(0.2) ? 'json' : 'protobuf',
    windowBytes,
    trunkWindowBytes: random.pick([64 * 1024, 256 * 1024]),
    trunkQueueBytes: random.pick([2_000, 20_000, 1024 * 1024]),
    trunkHoldMs: random.pick([0, 0, 1]),
    tokenMs: random.chance(0.25) ? 9_000 : 0,
    faults: random.pick([2, 5, 9]),
    letInPerSecond: random.pick([1, 3, 1_000]),
    settings: checkOptions({
      authenticate: () => {},
      mediaServer: { url: 'ws://media' },
      trunkDownMs: WINDOW_MS,
      // Now and then who comes has to wait for its turn, and so has who is asked to come back.
      limits: { openMs: 3_000, authMs: 3_000, authPerSecond: random.chance(0.2) ? 4 : 1_000, concurrentAuth: random.chance(0.2) ? 1 : 64, uplinkQueueBytes: random.pick([2_000, 64 * 1024]), downlinkQueueBytes: downlinkBytes, downlinkBytes },
      heartbeat: { clientMs: CLIENT_BEAT_MS, trunkMs: TRUNK_BEAT_MS },
      resume: { windowMs: WINDOW_MS },
      token: { refreshMs: 4_000, graceMs: 3_000 },
      ...random.chance(0.3) && { drain: { maxConnectionAgeMs: random.pick([3_000, 12_000]) } }
    })
  }
}
