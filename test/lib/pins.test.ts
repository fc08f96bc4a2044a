import fc from 'fast-check'
import t from 'tap'
import { Pins, unpinAll } from '../../lib/pins.js'
import type { Keeper } from '../../lib/pins.js'
import { End } from '../../lib/session/end.js'
import { holds } from '../support.js'

const READ_BYTES = 64 * 1024
const MAX_BYTES = 4 * READ_BYTES

/** Keeps what it sends until it is acknowledged. */
class Session implements Keeper {
  isPinning = false
  readonly end = new End<{ data: Buffer, n: number }>({ windowEvents: 512, keptBytes: 1e9, keptEvents: 1e9 })
  readonly kept: Array<{ data: Buffer, n: number }> = []

  constructor () {
    this.end.attach({ received: 0, windowBytes: 1e9 })
  }

  keep (data: Buffer, n: number): void {
    const event = { data, n }
    this.end.push(event, data.length)
    this.kept.push(event)
    this.end.next()
  }

  ack (events: number): void {
    this.end.ack(this.end.sent - this.kept.length + events)
    this.kept.splice(0, events)
  }

  unpin (): void {
    unpinAll(this.end.settle())
  }
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ session: fc.nat(3), bytes: fc.integer({ min: 0, max: 3_000 }) }) },
  { weight: 1, arbitrary: fc.record({ session: fc.nat(3), acked: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.constant('read' as const) }
)

t.test('whatever is kept and for how long: it stays what it is, and no more is kept alive beside it than the bound', async (t) => {
  holds(t, fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
    const pins = new Pins(MAX_BYTES)
    const sessions = Array.from({ length: 4 }, () => new Session())
    let read = Buffer.alloc(READ_BYTES)
    let at = 0
    let n = 0
    for (const step of steps) {
      if (step === 'read') {
        read = Buffer.alloc(READ_BYTES)
        at = 0
      } else if ('acked' in step) {
        const session = sessions[step.session]!
        session.ack(Math.min(step.acked, session.kept.length))
      } else if (at + step.bytes <= READ_BYTES) {
        const session = sessions[step.session]!
        const data = read.subarray(at, at += step.bytes).fill(n % 251)
        session.keep(data, n++)
        pins.keep(session, data)
      }
    }
    const all = sessions.flatMap(({ kept }) => kept)
    if (!all.every(({ data, n }) => data.every((byte) => byte === n % 251))) return false
    // Of what was copied none keeps more than itself and a little: any of them may be the only one that is left.
    if (!all.every(({ data }) => data.buffer.byteLength === READ_BYTES || data.buffer.byteLength <= Math.max(data.length, 2_048))) return false
    const alive = [...new Set(all.map(({ data }) => data.buffer))].filter(({ byteLength }) => byteLength === READ_BYTES)
    return alive.length * READ_BYTES <= MAX_BYTES + READ_BYTES
  }), { numRuns: 300 })
})

t.test('who is over is not asked any more', async (t) => {
  const pins = new Pins(READ_BYTES)
  let asked = 0
  const keeper: Keeper = { isPinning: false, unpin: () => { asked++ } }
  pins.keep(keeper, Buffer.alloc(READ_BYTES))
  pins.forget(keeper)
  pins.keep({ isPinning: false, unpin () {} }, Buffer.alloc(READ_BYTES))
  t.equal(asked, 0)
  pins.keep(keeper, Buffer.alloc(READ_BYTES))
  pins.keep(keeper, Buffer.alloc(READ_BYTES))
  t.equal(asked, 1, 'whoever keeps anew is')
})
