import fc from 'fast-check'
import assert from 'node:assert/strict'
import t from 'tap'
import { ACK_EVENTS, DEFAULT_END_LIMITS, DEFAULT_WINDOW_BYTES, End } from '../../../lib/session/end.js'
import type { Acked, EndLimits, Standing } from '../../../lib/session/end.js'
import { holds } from '../../support.js'

/** What an event costs beside its bytes. */
const COST = 64
const WINDOW = 10_000

/** An end of a session that has just begun. */
function attached ({ windowBytes = WINDOW, ...limits }: Partial<EndLimits & Standing> = {}): End<number> {
  const end = new End<number>({ ...DEFAULT_END_LIMITS, ...limits })
  assert.ok(end.attach({ received: 0, windowBytes }))
  return end
}

/** Pushes events of so many bytes each, numbered from `from`. */
function pushAll (end: End<number>, sizes: number[], from = 0): void {
  for (const [i, size] of sizes.entries()) assert.ok(end.push(from + i, size))
}

/** Everything that may be sent now. */
function flush<Event> (end: { next (): Event | undefined }): Event[] {
  const events: Event[] = []
  for (let event = end.next(); event !== undefined; event = end.next()) events.push(event)
  return events
}

t.test('the defaults are those of the protocol', async (t) => {
  t.same([DEFAULT_WINDOW_BYTES, DEFAULT_END_LIMITS, ACK_EVENTS], [256 * 1024, { windowEvents: 512, keptBytes: 1024 * 1024, keptEvents: 4096 }, 8])
  t.notOk(new End().attached)
})

t.test('window: so many bytes are under way, and not one more', async (t) => {
  for (const [last, sent] of [[WINDOW - 2 * COST - 1000, 2], [WINDOW - 2 * COST - 999, 1]] as const) {
    const end = attached()
    pushAll(end, [1000, last])
    t.equal(flush(end).length, sent)
    t.equal(end.waiting, sent === 1)
    t.equal(end.sent, sent)
    t.equal(end.ack(1), 'taken')
    t.equal(flush(end).length, 2 - sent)
    t.equal(end.sent, 2)
  }
})

t.test('window: so many events are under way, and not one more', async (t) => {
  const end = attached({ windowEvents: 3 })
  pushAll(end, [0, 0, 0, 0, 0])
  t.same(flush(end), [0, 1, 2])
  end.ack(1)
  t.same(flush(end), [3])
  end.ack(1)
  t.same(flush(end), [])
  end.ack(4)
  t.same(flush(end), [4])
  t.notOk(end.waiting)
})

t.test('window: an event that is larger than all of it goes alone', async (t) => {
  const end = attached()
  pushAll(end, [1, WINDOW * 2, 1, WINDOW * 2, WINDOW * 2])
  t.same(flush(end), [0])
  end.ack(1)
  t.same(flush(end), [1])
  end.ack(2)
  t.same(flush(end), [2])
  end.ack(3)
  t.same(flush(end), [3])
  end.ack(4)
  t.same(flush(end), [4])
})

t.test('window: it is that of the latest answer', async (t) => {
  const end = attached()
  pushAll(end, [1000, 1000, 1000])
  t.same(flush(end), [0, 1, 2])
  t.ok(end.attach({ received: 0, windowBytes: 2 * (1000 + COST) }))
  t.same(flush(end), [0, 1])
})

t.test('kept: so many bytes, and not one more', async (t) => {
  const end = attached({ keptBytes: 5000 })
  t.notOk(end.push(0, 5000 - COST + 1), 'not even the first')
  t.ok(end.push(0, 2000))
  t.notOk(end.push(1, 3000 - 2 * COST + 1))
  t.equal(end.keptBytes, 2000 + COST, 'what was not taken is not kept')
  t.ok(end.push(1, 3000 - 2 * COST))
  t.equal(end.keptBytes, 5000)
  t.notOk(end.push(2, 0))
  t.same(flush(end), [0, 1])
  t.equal(end.keptBytes, 5000, 'what is under way is kept')
  t.notOk(end.push(2, 0))
  end.ack(1)
  t.equal(end.keptBytes, 3000 - COST)
  t.ok(end.push(2, 0))
  t.same(flush(end), [2])
})

t.test('kept: so many events, and not one more', async (t) => {
  const end = attached({ keptEvents: 3 })
  pushAll(end, [0, 0, 0])
  t.notOk(end.push(3, 0))
  flush(end)
  t.notOk(end.push(3, 0))
  end.ack(1)
  t.ok(end.push(3, 0))
  t.notOk(end.push(4, 0))
  end.ack(3)
  t.ok(end.push(4, 0))
  t.same(flush(end), [3, 4])
})

t.test('an acknowledgement is taken, old, or beyond what was sent', async (t) => {
  const end = attached({ windowEvents: 3 })
  pushAll(end, [10, 20, 30, 40])
  t.equal(end.ack(1), 'beyond', 'nothing was sent')
  flush(end)
  t.same([end.judge(4), end.judge(3), end.judge(0), end.keptBytes], ['beyond', 'taken', 'taken', 100 + 4 * COST], 'what is only asked changes nothing')
  t.equal(end.ack(4), 'beyond', 'pushed, but not sent')
  t.equal(end.keptBytes, 100 + 4 * COST)
  t.equal(end.ack(2), 'taken')
  t.equal(end.keptBytes, 70 + 2 * COST)
  t.equal(end.ack(2), 'taken', 'the same once more')
  t.equal(end.ack(1), 'old')
  t.equal(end.keptBytes, 70 + 2 * COST)
  t.same(flush(end), [3])
  t.equal(end.ack(4), 'taken')
  t.equal(end.keptBytes, 0)
})

t.test('an acknowledgement is due after a quarter of the window, ...', async (t) => {
  const end = attached()
  t.same([end.ackOwed, end.ackDue], [false, false])
  end.take(WINDOW / 4 - 2 * COST - 1)
  t.same([end.ackOwed, end.ackDue], [true, false])
  end.take(0)
  t.notOk(end.ackDue)
  end.acknowledge()
  end.take(WINDOW / 4 - COST)
  t.ok(end.ackDue)
  t.equal(end.acknowledge(), 3)
  t.same([end.ackOwed, end.ackDue], [false, false])
})

t.test('... or after so many events', async (t) => {
  const end = attached({ windowBytes: DEFAULT_WINDOW_BYTES })
  for (let i = 1; i < ACK_EVENTS; i++) end.take(0)
  t.same([end.ackOwed, end.ackDue], [true, false])
  end.take(0)
  t.ok(end.ackDue)
  t.equal(end.acknowledge(), ACK_EVENTS)
  for (let i = 1; i < ACK_EVENTS; i++) end.take(0)
  t.same([end.ackOwed, end.ackDue], [true, false])
  t.equal(end.received, 2 * ACK_EVENTS - 1)
})

t.test('no event of up to three quarters of the window waits for the timer of the other end', async (t) => {
  const most = WINDOW * 3 / 4 - COST
  for (const size of [0, 1, 700, 1600, 3000, most, WINDOW, WINDOW * 2]) {
    const [one, other] = [attached({ keptBytes: 1e9 }), attached()]
    // A small one now and then, since equal ones fill the window evenly.
    pushAll(one, Array.from({ length: 300 }, (_, i) => i % 3 === 0 ? 0 : size))
    let waits = 0
    for (let taken = 0; taken < 300;) {
      const events = flush(one)
      for (const event of events) {
        assert.equal(event, taken++)
        other.take(event % 3 === 0 ? 0 : size)
        if (other.ackDue) assert.equal(one.ack(other.acknowledge()), 'taken')
      }
      if (events.length > 0) continue
      waits++
      assert.ok(other.ackOwed)
      assert.equal(one.ack(other.acknowledge()), 'taken')
    }
    t.equal(waits > 0, size > most, `${size} bytes`)
  }
})

t.test('detached, it gives nothing, takes nothing and owes nothing, but keeps what is pushed', async (t) => {
  const end = new End<number>()
  t.same([end.next(), end.take(10), end.push(0, 10), end.next(), end.waiting], [undefined, false, true, undefined, true])
  end.attach({ received: 0, windowBytes: WINDOW })
  end.take(WINDOW)
  t.ok(end.ackDue)
  end.detach()
  t.same([end.attached, end.next(), end.take(10), end.received], [false, undefined, false, 1])
  t.same([end.ackOwed, end.ackDue], [false, false], 'asking tells it anyway')
  t.ok(end.push(1, 10))
  t.ok(end.attach({ received: 0, windowBytes: WINDOW }))
  t.same([end.attached, flush(end), end.ackOwed], [true, [0, 1], false])
})

t.test('attached anew, it sends what the other end lacks, and nothing that it has', async (t) => {
  const end = attached({ windowEvents: 4 })
  pushAll(end, [10, 10, 10, 10, 10, 10])
  t.same(flush(end), [0, 1, 2, 3])
  end.ack(1)
  t.same(flush(end), [4])
  end.detach()
  t.ok(end.attach({ received: 3, windowBytes: WINDOW }))
  t.equal(end.keptBytes, 3 * (10 + COST))
  t.same([flush(end), end.sent], [[3, 4, 5], 6])
  end.detach()
  t.ok(end.attach({ received: 6, windowBytes: WINDOW }))
  t.same([flush(end), end.sent, end.keptBytes, end.waiting], [[], 6, 0, false])
})

t.test('an end that cannot go on says so, and is not attached', async (t) => {
  for (const received of [1, 5]) {
    const end = attached({ windowEvents: 4 })
    pushAll(end, [10, 10, 10, 10, 10])
    flush(end)
    end.ack(2)
    end.take(10)
    t.notOk(end.attach({ received, windowBytes: WINDOW }), received === 1 ? 'less than it once acknowledged' : 'what was never sent')
    t.same([end.attached, end.next(), end.take(10)], [false, undefined, false])
    t.same([end.keptBytes, end.sent, end.received], [3 * (10 + COST), 4, 1])
    // Told otherwise, it goes on all the same.
    t.ok(end.attach({ received: 4, windowBytes: WINDOW }))
    t.same(flush(end), [4])
  }
})

t.test('without a window nothing is counted by the other end, so nothing is kept, acknowledged or sent again', async (t) => {
  const end = attached({ windowBytes: 0, windowEvents: 2, keptBytes: 1000, keptEvents: 4 })
  for (let i = 0; i < 100; i++) {
    assert.ok(end.push(i, 500))
    assert.equal(end.next(), i)
    assert.equal(end.next(), undefined)
  }
  t.same([end.keptBytes, end.sent, end.waiting], [0, 100, false])
  for (let i = 0; i < 100; i++) end.take(1000)
  t.same([end.received, end.ackOwed, end.ackDue], [100, false, false])
  end.detach()
  pushAll(end, [100, 100, 100, 100], 100)
  t.notOk(end.push(104, 100), 'what waits is bounded all the same')
  t.ok(end.attach({ received: 0, windowBytes: 0 }), 'its count is of no interest')
  t.same([flush(end), end.keptBytes], [[100, 101, 102, 103], 0])
})

t.test('an end that changes from a window to none counts each event once', async (t) => {
  const end = attached({ windowEvents: 10 })
  pushAll(end, [10, 10, 10, 10, 10, 10, 10, 10, 10, 10])
  flush(end)
  end.ack(5)
  t.ok(end.attach({ received: 5, windowBytes: 0 }))
  t.equal(end.next(), 5)
  t.same([end.sent, end.keptBytes], [10, 4 * (10 + COST)])
  t.equal(end.ack(11), 'beyond')
  t.same(flush(end), [6, 7, 8, 9])
  t.equal(end.sent, 10)
})

t.test('reset: nothing is left of the old session', async (t) => {
  const end = attached({ keptBytes: 1000, keptEvents: 4 })
  pushAll(end, [100, 100, 100, 100])
  flush(end)
  end.ack(2)
  end.take(5000)
  end.take(5000)
  end.acknowledge()
  end.take(5000)
  end.reset()
  t.same([end.attached, end.sent, end.received, end.keptBytes, end.waiting, end.ackOwed, end.ackDue], [false, 0, 0, 0, false, false, false])
  t.equal(end.ack(1), 'beyond')
  pushAll(end, [100, 100, 100, 100], 10)
  t.notOk(end.attach({ received: 1, windowBytes: WINDOW }))
  t.ok(end.attach({ received: 0, windowBytes: WINDOW }))
  t.same([end.ackOwed, flush(end), end.sent], [false, [10, 11, 12, 13], 4])
  end.take(0)
  t.same([end.received, end.ackOwed, end.ackDue], [1, true, false])
  end.ack(4)
  t.equal(end.keptBytes, 0)
})

t.test('events that are gone are cleared away, and the count goes on', async (t) => {
  const end = attached({ windowEvents: 512, windowBytes: 1_000_000 })
  let sent = 0
  let acked = 0
  let pushed = 0
  let bytes = 0
  const size = (i: number): number => i % 97
  // What is acknowledged falls on either side of every threshold, with and without anything left.
  for (const step of [1, 255, 256, 257, 300, 511, 512, 513, 600, 64, 1, 1000, 2000, 3]) {
    for (let round = 0; round < 6; round++) {
      for (let i = 0; i < step && end.push(pushed, size(pushed)); i++) bytes += size(pushed++) + COST
      for (const event of flush(end)) assert.equal(event, sent++)
      assert.equal(end.sent, sent)
      const target = round === 5 ? sent : acked + Math.floor((sent - acked) * round / 4)
      assert.equal(end.ack(target), 'taken')
      for (; acked < target; acked++) bytes -= size(acked) + COST
      assert.equal(end.keptBytes, bytes)
      if (round === 3) {
        // The other end has taken in half of what is under way.
        const received = acked + Math.floor((sent - acked) / 2)
        assert.ok(end.attach({ received, windowBytes: 1_000_000 }))
        for (; acked < received; acked++) bytes -= size(acked) + COST
        const before = sent
        sent = received
        for (const event of flush(end)) assert.equal(event, sent++)
        assert.ok(sent >= before)
      }
    }
  }
  t.ok(pushed > 8000)
  t.equal(end.sent, sent)
})

// The same by arrays that only grow

interface Numbered { id: number, bytes: number }

class Model {
  readonly #limits: EndLimits
  all: Numbered[] = []
  acked = 0
  flushed = 0
  sent = 0
  windowBytes = 0
  attached = false
  taken: number[] = []
  told = 0

  constructor (limits: EndLimits) {
    this.#limits = limits
  }

  get received (): number { return this.taken.length }
  get keptBytes (): number { return cost(this.all.slice(this.acked)) }
  get waiting (): boolean { return this.flushed < this.all.length }
  get ackOwed (): boolean { return this.attached && this.windowBytes > 0 && this.received > this.told }
  get ackDue (): boolean {
    const untold = this.taken.slice(this.told)
    return this.ackOwed && (untold.length >= 64 || untold.reduce((sum, bytes) => sum + bytes + COST, 0) >= this.windowBytes / 4)
  }

  push (id: number, bytes: number): boolean {
    const { keptBytes, keptEvents } = this.#limits
    if (this.keptBytes + bytes + COST > keptBytes || this.all.length - this.acked + 1 > keptEvents) return false
    this.all.push({ id, bytes })
    return true
  }

  next (): number | undefined {
    if (!this.attached || !this.waiting) return undefined
    if (this.windowBytes === 0) this.acked = this.flushed + 1
    else {
      const underWay = this.all.slice(this.acked, this.flushed + 1)
      if (underWay.length > 1 && (underWay.length > this.#limits.windowEvents || cost(underWay) > this.windowBytes)) return undefined
    }
    const event = this.all[this.flushed++]!
    this.sent = Math.max(this.sent, this.flushed)
    return event.id
  }

  judge (received: number): Acked {
    if (received > this.sent) return 'beyond'
    return received < this.acked ? 'old' : 'taken'
  }

  ack (received: number): Acked {
    if (this.judge(received) !== 'taken') return this.judge(received)
    this.acked = received
    this.flushed = Math.max(this.flushed, received)
    return 'taken'
  }

  take (bytes: number): boolean {
    if (this.attached) this.taken.push(bytes)
    return this.attached
  }

  acknowledge (): number {
    this.told = this.received
    return this.told
  }

  attach ({ received, windowBytes }: Standing): boolean {
    this.detach()
    if (windowBytes > 0 && this.ack(received) !== 'taken') return false
    this.windowBytes = windowBytes
    this.attached = true
    this.acknowledge()
    return true
  }

  detach (): void {
    this.attached = false
    this.flushed = this.acked
  }

  reset (): void {
    this.all = []
    this.taken = []
    this.acked = this.flushed = this.sent = this.told = 0
    this.attached = false
  }
}

const cost = (events: Numbered[]): number => events.reduce((sum, { bytes }) => sum + bytes + COST, 0)

const STATE = ['attached', 'received', 'sent', 'keptBytes', 'waiting', 'ackDue', 'ackOwed'] as const
const stateOf = (end: Pick<End<number>, typeof STATE[number]>): unknown[] => STATE.map((name) => end[name])

/** A count that is somewhere around what was acknowledged and what was sent. */
const around = (model: Model, n: number): number => Math.max(0, model.acked - 1 + n % (model.sent - model.acked + 3))

t.test('whatever is asked of it, it answers as plain arrays would', async (t) => {
  const nat = fc.nat(1_000_000)
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(fc.constant('push' as const), fc.nat(1500)) },
    { weight: 4, arbitrary: fc.tuple(fc.constantFrom('next' as const, 'flush' as const), nat) },
    { weight: 3, arbitrary: fc.tuple(fc.constantFrom('ack' as const, 'ack' as const, 'judge' as const), nat) },
    { weight: 3, arbitrary: fc.tuple(fc.constant('take' as const), fc.nat(1500)) },
    { weight: 2, arbitrary: fc.tuple(fc.constantFrom('acknowledge' as const, 'attach' as const), nat) },
    fc.tuple(fc.constant('attach without a window' as const), nat),
    fc.tuple(fc.constant('detach' as const), nat),
    { weight: 1, arbitrary: fc.tuple(fc.constant('reset' as const), nat) }
  )
  const limits = fc.record({ windowEvents: fc.integer({ min: 1, max: 10 }), keptBytes: fc.integer({ min: 500, max: 10_000 }), keptEvents: fc.integer({ min: 1, max: 30 }) })
  holds(t, fc.property(limits, fc.integer({ min: 1, max: 5000 }), fc.array(step, { maxLength: 150, size: 'max' }), (limits, windowBytes, steps) => {
    const end = new End<number>(limits)
    const model = new Model(limits)
    for (const [id, [what, n]] of steps.entries()) {
      const answer = (side: End<number> | Model): unknown => {
        switch (what) {
          case 'push': return side.push(id, n)
          case 'next': return side.next()
          case 'flush': return flush<number>(side)
          case 'take': return side.take(n)
          case 'acknowledge': return side.acknowledge()
          case 'detach': return side.detach()
          case 'reset': return side.reset()
          case 'ack': return side.ack(count)
          case 'judge': return side.judge(count)
          case 'attach': return side.attach({ received: count, windowBytes })
          case 'attach without a window': return side.attach({ received: count, windowBytes: 0 })
        }
      }
      const count = around(model, n)
      assert.deepEqual(answer(end), answer(model), what)
      assert.deepEqual(stateOf(end), stateOf(model), what)
    }
  }), { numRuns: 600 })
})

t.test('the same with thousands of events', async (t) => {
  const nat = fc.nat(1_000_000)
  const step = fc.tuple(fc.constantFrom('push' as const, 'push' as const, 'flush' as const, 'flush' as const, 'ack' as const, 'attach' as const, 'attach without a window' as const), nat)
  const limits = { windowEvents: 700, keptBytes: 10_000_000, keptEvents: 3000 }
  holds(t, fc.property(fc.array(step, { minLength: 20, maxLength: 80, size: 'max' }), (steps) => {
    const end = new End<number>(limits)
    const model = new Model(limits)
    for (const side of [end, model]) side.attach({ received: 0, windowBytes: 1_000_000 })
    let id = 0
    for (const [what, n] of steps) {
      const count = around(model, n)
      if (what === 'push') {
        for (let i = n % 900; i > 0; i--) assert.equal(end.push(++id, i), model.push(id, i))
        continue
      }
      const answer = (side: End<number> | Model): unknown => {
        switch (what) {
          case 'flush': return flush<number>(side)
          case 'ack': return side.ack(count)
          case 'attach': return side.attach({ received: count, windowBytes: 1_000_000 })
          case 'attach without a window': return side.attach({ received: count, windowBytes: 0 })
        }
      }
      assert.deepEqual(answer(end), answer(model), what)
      assert.deepEqual(stateOf(end), stateOf(model), what)
    }
  }), { numRuns: 30 })
})

// Two ends, and what lies between them

type Message =
  | { kind: 'event', id: number, bytes: number }
  | { kind: 'ack', received: number }
  | { kind: 'ask' | 'answer', id: number, received: number }

/** One way between two ends, as long as it lasts. */
interface Carrier {
  open: boolean
  /** Messages on their way to each end. */
  to: [Message[], Message[]]
}

const CLIENT = 0
const SERVER = 1
type Side = typeof CLIENT | typeof SERVER

/**
 * A client's end, which asks, and a server's, which answers, over carriers that break. What was on its way is lost with its
 * carrier, or comes late, when the end that it was for is not attached.
 */
class World {
  readonly #limits: EndLimits
  readonly #windowBytes: number
  readonly #ends: [End<Numbered>, End<Numbered>]
  readonly #pushed: [Numbered[], Numbered[]] = [[], []]
  readonly #taken: [number[], number[]] = [[], []]
  /** How much of what it pushed the other end is known to have, and how much of it was handed out since attached. */
  readonly #acked: [number, number] = [0, 0]
  readonly #handed: [number, number] = [0, 0]
  readonly #late: [Message[], Message[]] = [[], []]
  #carrier: Carrier = { open: false, to: [[], []] }
  /** That of the server's attachment, which may be gone without its knowing. */
  #serversCarrier: Carrier = this.#carrier
  #asked = 0
  #ids = 0

  constructor (limits: EndLimits, windowBytes: number) {
    this.#limits = limits
    this.#windowBytes = windowBytes
    this.#ends = [new End(limits), new End(limits)]
  }

  push (side: Side, bytes: number): void {
    const event = { id: this.#ids++, bytes }
    const kept = this.#pushed[side].slice(this.#acked[side])
    const fits = cost([...kept, event]) <= this.#limits.keptBytes && kept.length < this.#limits.keptEvents
    assert.equal(this.#ends[side].push(event, bytes), fits)
    if (fits) this.#pushed[side].push(event)
  }

  flush (side: Side): void {
    for (const { id, bytes } of flush(this.#ends[side])) {
      assert.equal(id, this.#pushed[side][this.#handed[side]++]!.id, 'the next one that the other end lacks')
      this.#send(side, { kind: 'event', id, bytes })
    }
    const end = this.#ends[side]
    if (!end.attached || !end.waiting) return
    const underWay = this.#pushed[side].slice(this.#acked[side], this.#handed[side] + 1)
    assert.ok(underWay.length > this.#limits.windowEvents || cost(underWay) > this.#windowBytes, 'only the window holds it up')
  }

  acknowledge (side: Side, onlyIfDue: boolean): void {
    const end = this.#ends[side]
    assert.ok(!end.ackDue || end.ackOwed)
    if (onlyIfDue ? end.ackDue : end.ackOwed) this.#send(side, { kind: 'ack', received: end.acknowledge() })
  }

  /** Delivers up to so many messages. */
  deliver (side: Side, n: number): void {
    for (; n > 0; n--) {
      const message = this.#carrier.to[side].shift()
      if (message === undefined) return
      this.#arrive(side, message)
    }
  }

  /** The carrier is gone, and the client knows. */
  drop (): void {
    const { to } = this.#carrier
    this.#carrier.open = false
    for (const side of [CLIENT, SERVER] as const) this.#late[side].push(...to[side].splice(0))
    this.#ends[CLIENT].detach()
    this.#asked++
  }

  /** The server finds out too. */
  notice (): void {
    if (!this.#serversCarrier.open) this.#ends[SERVER].detach()
  }

  /** Something of an older attachment turns up. */
  late (side: Side): void {
    const end = this.#ends[side]
    const message = this.#late[side].shift()
    if (message === undefined || end.attached) return
    if (message.kind === 'event') assert.equal(end.take(message.bytes), false)
    else if (message.kind === 'ack') this.#ack(side, message.received)
    else if (message.kind === 'answer') this.#arrive(side, message)
  }

  /** The client asks: over the carrier that there is, or over a new one. */
  ask (): void {
    if (!this.#carrier.open) this.#carrier = { open: true, to: [[], []] }
    const end = this.#ends[CLIENT]
    end.detach()
    this.#send(CLIENT, { kind: 'ask', id: ++this.#asked, received: end.received })
  }

  /** What holds after each step. */
  check (): void {
    for (const side of [CLIENT, SERVER] as const) {
      const end = this.#ends[side]
      const pushed = this.#pushed[side]
      const taken = this.#taken[1 - side as Side]
      assert.deepEqual(taken, pushed.slice(0, taken.length).map(({ id }) => id), 'taken once and in order')
      assert.equal(end.keptBytes, cost(pushed.slice(this.#acked[side])), 'kept bytes')
      assert.ok(end.keptBytes <= this.#limits.keptBytes)
      assert.equal(end.received, this.#taken[side].length)
      assert.ok(end.sent >= this.#ends[1 - side as Side].received)
      if (!end.attached) continue
      const underWay = pushed.slice(this.#acked[side], this.#handed[side])
      assert.ok(underWay.length <= 1 || (underWay.length <= this.#limits.windowEvents && cost(underWay) <= this.#windowBytes), 'never more than the window')
      assert.equal(end.waiting, this.#handed[side] < pushed.length)
    }
  }

  /** No more faults: everything arrives, and is known to have arrived. */
  settle (): void {
    this.drop()
    this.ask()
    for (let rounds = 0; this.#ends.some(({ keptBytes, attached }) => keptBytes > 0 || !attached); rounds++) {
      assert.ok(rounds < 2000, 'it is stuck')
      for (const side of [SERVER, CLIENT] as const) {
        this.deliver(side, Infinity)
        this.flush(side)
        this.acknowledge(side, false)
        this.check()
      }
    }
    for (const side of [CLIENT, SERVER] as const) assert.equal(this.#taken[side].length, this.#pushed[1 - side as Side].length)
  }

  #send (from: Side, message: Message): void {
    const carrier = from === CLIENT ? this.#carrier : this.#serversCarrier
    if (carrier.open) carrier.to[1 - from as Side].push(message)
  }

  #arrive (side: Side, message: Message): void {
    const end = this.#ends[side]
    if (message.kind === 'event') {
      if (end.take(message.bytes)) this.#taken[side].push(message.id)
    } else if (message.kind === 'ack') {
      // Of the same carrier, and nevertheless of an older attachment, if the client has asked meanwhile.
      assert.equal(this.#ack(side, message.received), 'taken')
    } else if (message.kind === 'ask') {
      this.#serversCarrier = this.#carrier
      this.#attach(side, message.received)
      this.#send(SERVER, { kind: 'answer', id: message.id, received: end.received })
    } else if (message.id === this.#asked) {
      this.#attach(side, message.received)
    }
  }

  #attach (side: Side, received: number): void {
    assert.ok(this.#ends[side].attach({ received, windowBytes: this.#windowBytes }))
    this.#acked[side] = this.#handed[side] = received
  }

  #ack (side: Side, received: number): Acked {
    const answer = this.#ends[side].ack(received)
    assert.notEqual(answer, 'beyond')
    if (answer === 'taken') {
      this.#acked[side] = received
      this.#handed[side] = Math.max(this.#handed[side], received)
    }
    return answer
  }
}

const sides = fc.constantFrom<Side>(CLIENT, SERVER)
const happening = (bytes: number): fc.Arbitrary<(world: World) => void> => fc.oneof(
  { weight: 6, arbitrary: fc.tuple(sides, fc.integer({ min: 0, max: bytes }), fc.integer({ min: 1, max: 6 })).map(([side, bytes, n]) => named(`push ${n} of ${bytes} at ${side}`, (world) => { for (let i = 0; i < n; i++) world.push(side, bytes) })) },
  { weight: 6, arbitrary: sides.map((side) => named(`flush ${side}`, (world) => world.flush(side))) },
  { weight: 8, arbitrary: fc.tuple(sides, fc.integer({ min: 1, max: 12 })).map(([side, n]) => named(`deliver ${n} to ${side}`, (world) => world.deliver(side, n))) },
  { weight: 3, arbitrary: fc.tuple(sides, fc.boolean()).map(([side, onlyIfDue]) => named(`acknowledge at ${side}`, (world) => world.acknowledge(side, onlyIfDue))) },
  { weight: 3, arbitrary: sides.map((side) => named(`late to ${side}`, (world) => world.late(side))) },
  { weight: 1, arbitrary: fc.constant(named('drop', (world) => world.drop())) },
  { weight: 1, arbitrary: fc.constant(named('the server notices', (world) => world.notice())) },
  { weight: 3, arbitrary: fc.constant(named('ask', (world) => world.ask())) }
)

/** So that a counterexample can be read. */
function named (name: string, happens: (world: World) => void): (world: World) => void {
  return Object.assign(happens, { [fc.toStringMethod]: () => name })
}

t.test('two ends: whatever is lost between them, each event is taken in once and in order', async (t) => {
  const limits = { windowEvents: 8, keptBytes: 6000, keptEvents: 40 }
  holds(t, fc.property(fc.array(happening(1200), { maxLength: 200, size: 'max' }), (history) => {
    const world = new World(limits, 1000)
    world.ask()
    for (const happens of history) {
      happens(world)
      world.check()
    }
    world.settle()
  }), { numRuns: 1000 })
})

t.test('two ends: the same with many small events', async (t) => {
  const limits = { windowEvents: 300, keptBytes: 1_000_000, keptEvents: 4000 }
  holds(t, fc.property(fc.array(happening(10), { minLength: 100, maxLength: 300, size: 'max' }), (history) => {
    const world = new World(limits, 30_000)
    world.ask()
    for (const happens of history) {
      for (let i = 0; i < 20; i++) happens(world)
    }
    world.check()
    world.settle()
  }), { numRuns: 40 })
})
