import t from 'tap'
import { CloseCode } from '../../../lib/close-codes.js'
import { Admission } from '../../../lib/relay/admission.js'
import type { AdmissionLimits, CheckedIdentity } from '../../../lib/relay/admission.js'
import { Refusal } from '../../../lib/relay/refusal.js'
import type { Visitor } from '../../../lib/relay/turnstile.js'
import { ManualClock } from '../../../lib/testing/index.js'

const settled = async (): Promise<void> => { await new Promise((resolve) => setImmediate(resolve)) }

/** An `authenticate` that answers when it is told to. */
class Asked {
  readonly clock = new ManualClock()
  readonly admission: Admission<string, unknown>
  /** Who is being asked about, and how to answer. */
  readonly asked: Array<{ who: string, answer: () => void, fail: (error: Error) => void }> = []
  readonly let: string[] = []
  readonly refused: Array<{ who: string, refusal: Refusal }> = []

  constructor (limits: Partial<AdmissionLimits> = {}) {
    this.admission = new Admission<string, unknown>(
      async (who) => await new Promise((resolve, reject) => this.asked.push({ who, answer: () => resolve({ roomId: who }), fail: reject })),
      { hookMs: 5_000, authPerSecond: 1_000_000, concurrentAuth: 1, waitingAuth: 2, ...limits },
      this.clock
    )
  }

  async come (who: string, visitor?: Visitor): Promise<void> {
    this.admission.admit(who, { token: who, from: 'query' }, visitor).then(
      ({ roomId }: CheckedIdentity<unknown>) => this.let.push(roomId),
      (refusal: Refusal) => this.refused.push({ who, refusal })
    )
    await settled()
  }

  get who (): string[] {
    return this.asked.map(({ who }) => who)
  }
}

t.test('one that is too late is refused, and keeps its turn until it ends', async (t) => {
  const one = new Asked()
  await one.come('slow')
  await one.come('next')
  one.clock.advance(4_999)
  await settled()
  t.equal(one.refused.length, 0)
  one.clock.advance(1)
  await settled()
  t.match(one.refused, [{ who: 'slow', refusal: { code: 1013, httpStatus: 503, message: 'try again later', afterMs: null } }])
  t.same(one.who, ['slow'], 'it may still be running')
  t.match(one.admission.stats(), { running: 1, waiting: 1, overdue: 1, abandoned: 0 })
  one.asked[0]!.answer()
  await settled()
  t.same(one.who, ['slow', 'next'])
  t.match(one.admission.stats(), { running: 1, waiting: 0, overdue: 0, abandoned: 0 })
  one.asked[1]!.fail(new Error('no'))
  await settled()
  t.equal(one.refused[1]?.refusal.httpStatus, 401)
  t.same([one.admission.stats().running, one.clock.timers], [0, 0])
})

t.test('one that never ends has its turn for as long again, and then no more', async (t) => {
  const one = new Asked()
  await one.come('stuck')
  await one.come('next')
  one.clock.advance(2 * 5_000 - 1)
  await settled()
  t.same(one.who, ['stuck'])
  one.clock.advance(1)
  await settled()
  t.same(one.who, ['stuck', 'next'])
  t.match(one.admission.stats(), { running: 1, overdue: 0, abandoned: 1 })
  await one.come('third')
  one.asked[0]!.answer()
  await settled()
  t.same(one.who, ['stuck', 'next'], 'its late end frees nobody else\'s turn')
  t.match(one.admission.stats(), { running: 1, waiting: 1 })
})

t.test('whoever is gone while it waits is not asked about', async (t) => {
  const one = new Asked()
  const [second, third] = [new AbortController(), new AbortController()]
  await one.come('first')
  await one.come('second', { gone: second.signal })
  await one.come('third', { gone: third.signal })
  second.abort()
  await settled()
  t.match(one.refused, [{ who: 'second', refusal: { code: 1001, message: 'the client is gone' } }])
  // The turn is the third's when it goes, and has not begun.
  one.asked[0]!.answer()
  await Promise.resolve()
  await Promise.resolve()
  third.abort()
  await settled()
  await one.come('fourth')
  t.ok(one.who.includes('fourth'))
  t.notOk(one.who.includes('second'))
  t.match(one.admission.stats(), { waiting: 0 })
  t.same(one.let, ['first'])
})

t.test('a synchronous function, one that throws, and one that answers nonsense give their turn on', async (t) => {
  const said = [() => ({ roomId: 'r' }), () => { throw new Error('no') }, () => ({ roomId: 1 }), () => ({ roomId: 'r' })]
  const clock = new ManualClock()
  const admission = new Admission<number, unknown>((index) => said[index]!() as { roomId: string }, { hookMs: 5_000, authPerSecond: 100, concurrentAuth: 1, waitingAuth: 10 }, clock)
  const results = await Promise.allSettled(said.map(async (_, index) => await admission.admit(index, { token: 'x', from: 'query' })))
  t.same(results.map(({ status }) => status), ['fulfilled', 'rejected', 'rejected', 'fulfilled'])
  t.match(admission.stats(), { running: 0, waiting: 0, mostRunning: 1, mostWaiting: 3 })
  t.equal(clock.timers, 0)
})

t.test('closing sends away who waits and who is asked about, and leaves no timer', async (t) => {
  const one = new Asked({ concurrentAuth: 2 })
  await one.come('late')
  one.clock.advance(5_000)
  await one.come('asked')
  await one.come('waits')
  one.admission.close(() => new Refusal(CloseCode.restart, 503, 'restarting'))
  await one.come('comes after')
  t.same(one.refused.map(({ who }) => who).sort(), ['asked', 'comes after', 'late', 'waits'])
  t.ok(one.refused.filter(({ who }) => who !== 'late').every(({ refusal }) => refusal.code === 1012))
  t.equal(one.clock.timers, 0)
  one.asked[1]!.answer()
  await settled()
  t.same(one.let, [])
  t.same(one.who, ['late', 'asked'])
})
