import t from 'tap'
import { Connections } from '../../lib/connections.js'
import type { ClientSocket } from '../../lib/dialects/client-socket.js'
import { Drain } from '../../lib/drain.js'
import { silentLogger } from '../../lib/logger.js'
import type { DrainOptions } from '../../lib/options.js'
import type { Refusal } from '../../lib/relay/refusal.js'
import { ManualClock } from '../../lib/testing/index.js'

/** A socket that writes down what is done to it, and goes when it is told to, or stays. */
class FakeSocket {
  readonly done: Array<[what: string, atMs: number, ...Array<number | string | boolean>]> = []
  closeCode: number | null = null
  readonly #stage: Stage
  readonly #stays: boolean

  constructor (stage: Stage, stays = false) {
    this.#stage = stage
    this.#stays = stays
  }

  announce (afterMs: number): void {
    this.done.push(['announce', this.#stage.ms, afterMs])
  }

  retire ({ code }: { code: number }, forGood: boolean): void {
    this.done.push(['retire', this.#stage.ms, forGood])
    this.closeCode ??= code
    if (!this.#stays) this.#stage.delete(this)
  }

  fail (code: number): void {
    this.done.push(['fail', this.#stage.ms, code])
    this.#stage.delete(this)
  }

  cut (): void {
    this.done.push(['cut', this.#stage.ms])
    this.#stage.delete(this)
  }
}

const REST = 'nothing happens any more'

class Stage {
  readonly clock = new ManualClock()
  readonly connections: Connections
  readonly drain: Drain
  readonly log: Array<[what: string, atMs: number]> = []
  refusal: (() => Refusal) | null = null
  readonly #start = this.clock.now()

  constructor (options: Partial<DrainOptions> & { perSecond?: number, closeMs?: number, random?: () => number, drained?: Promise<void>, stopped?: Promise<void> } = {}) {
    const { perSecond = 1_000, closeMs = 1_000, random = () => 0.5, drained = Promise.resolve(), stopped = Promise.resolve(), ...given } = options
    const drain = { deadlineMs: 8_000, spreadMs: 5_000, ...given }
    this.connections = new Connections({ clock: this.clock, drain, random })
    this.drain = new Drain({
      options: drain,
      perSecond,
      closeMs,
      connections: this.connections,
      admission: { close: (refusal) => { this.refusal = refusal } },
      relay: {
        close: () => { this.#log('closed') },
        drain: async () => { this.#log('drained'); await drained },
        stop: async () => { this.#log('stopped'); await stopped }
      },
      clock: this.clock,
      log: silentLogger,
      random
    })
  }

  get ms (): number {
    return this.clock.now() - this.#start
  }

  add (stays = false): FakeSocket {
    const socket = new FakeSocket(this, stays)
    this.connections.add(socket as unknown as ClientSocket, true)
    return socket
  }

  delete (socket: FakeSocket): void {
    this.connections.delete(socket as unknown as ClientSocket)
  }

  /** Runs to the end, millisecond by millisecond; how many that took. */
  async run (withinMs = 20_000): Promise<number | typeof REST> {
    let over = false
    void this.drain.run().then(() => { over = true })
    for (let ms = 0; ms <= withinMs; ms++) {
      await new Promise((resolve) => setImmediate(resolve))
      if (over) return this.ms
      this.clock.advance(1)
    }
    return REST
  }

  #log (what: string): void {
    this.log.push([what, this.ms])
  }
}

t.test('few clients are closed at once: as many as a successor lets in at once', async (t) => {
  for (const [links, spreadMs] of [[1, 0], [2, 0], [3, 50], [22, 1_000]] as const) {
    const stage = new Stage({ perSecond: 20 })
    const sockets = Array.from({ length: links }, () => stage.add())
    t.type(await stage.run(), 'number')
    const times = sockets.map(({ done }) => done.at(-1)![1]).sort((a, b) => a - b)
    t.same(times, sockets.map((_, i) => Math.floor(spreadMs * i / links)))
    t.same(stage.log.map(([what]) => what), ['closed', 'drained', 'stopped'])
    t.equal(stage.clock.timers, 0)
  }
})

t.test('each is told its time at the start, and closed then, in an order that is left to chance', async (t) => {
  let seed = 1
  const stage = new Stage({ perSecond: 10, spreadMs: 1_000, random: () => (seed = seed * 48_271 % 2_147_483_647) / 2_147_483_647 })
  const sockets = Array.from({ length: 20 }, () => stage.add())
  t.type(await stage.run(), 'number')
  for (const { done } of sockets) {
    const [[, , afterMs] = []] = done
    t.same(done, [['announce', 0, afterMs], ['retire', afterMs, true]])
  }
  const times = sockets.map(({ done }) => done[0]![2] as number)
  t.same([...times].sort((a, b) => a - b), times.map((_, i) => i * 50), 'all over the spread')
  t.notSame(times, [...times].sort((a, b) => a - b))
  t.same(stage.connections.closes, { 1012: 20 })
})

t.test('the spread has its bound, and leaves the last one time to answer', async (t) => {
  for (const [options, longest] of [
    [{ spreadMs: 4_000 }, 3_960],
    [{ spreadMs: 8_000 }, Math.floor(7_000 * 99 / 100)],
    [{ spreadMs: 8_000, closeMs: 60_000 }, Math.floor(4_000 * 99 / 100)],
    [{ spreadMs: 8_000, deadlineMs: 1 }, 0]
  ] as const) {
    const stage = new Stage({ perSecond: 1, ...options })
    const sockets = Array.from({ length: 100 }, () => stage.add())
    t.type(await stage.run(), 'number')
    t.equal(Math.max(...sockets.map(({ done }) => done.at(-1)![1])), longest)
  }
})

t.test('whoever comes is told to stay away for a while, so that they do not return together', async (t) => {
  for (const [chance, afterMs] of [[0, 500], [0.999, 500 + 2_998]] as const) {
    const stage = new Stage({ perSecond: 10, spreadMs: 3_002, random: () => chance })
    for (let i = 0; i < 100; i++) stage.add()
    const over = stage.run()
    t.match(stage.refusal?.(), { code: 1012, httpStatus: 503, message: 'restarting', afterMs })
    await over
  }
})

t.test('before the deadline comes a last call; at it who is left is cut, and then the trunk has its moment', async (t) => {
  const never = new Promise<void>(() => {})
  const stage = new Stage({ drained: never, stopped: never })
  const goes = stage.add()
  const stays = stage.add(true)
  t.equal(await stage.run(), 8_500)
  t.same(goes.done.map(([what]) => what), ['announce', 'retire'])
  t.same(stays.done, [['announce', 0, 0], ['retire', 0, true], ['cut', 8_000]])
  t.same(stage.log.slice(0, 4), [['closed', 0], ['drained', 7_000], ['drained', 8_000], ['stopped', 8_000]])
  t.equal(stage.clock.timers, 0)
})

t.test('a hook that takes its time is waited for, and one client less is not the end', async (t) => {
  let settle = (): void => {}
  const stage = new Stage({ drained: new Promise((resolve) => { settle = resolve }) })
  const stays = stage.add(true)
  stage.add()
  const over = stage.run()
  stage.clock.after(300, () => stage.delete(stays))
  stage.clock.after(700, () => settle())
  t.equal(await over, 700)
  t.same(stage.log, [['closed', 0], ['drained', 300], ['stopped', 700]])
})

t.test('draining twice is draining once, and a trunk that cannot be closed is no reason to fail', async (t) => {
  const stage = new Stage({ stopped: Promise.reject(new Error('no')) })
  stage.add()
  t.equal(stage.drain.begun, false)
  const both = Promise.all([stage.drain.run(), stage.drain.run()])
  t.equal(stage.drain.begun, true)
  await both
  await stage.drain.run()
  t.equal(stage.log.filter(([what]) => what === 'stopped').length, 1)
})

t.test('a link that has its age is closed, and at once if what is under way does not end; up to a tenth earlier', async (t) => {
  for (const [chance, age] of [[0, 1_000], [0.5, 950], [0.9999, 901]] as const) {
    const stage = new Stage({ maxConnectionAgeMs: 1_000, deadlineMs: 300, random: () => chance })
    const goes = stage.add()
    stage.clock.advance(10)
    const stays = stage.add(true)
    const leaves = stage.add()
    stage.delete(leaves)
    stage.clock.advance(5_000)
    t.same(goes.done, [['announce', age, 0], ['retire', age, false]])
    t.same(stays.done, [['announce', age + 10, 0], ['retire', age + 10, false], ['fail', age + 310, 1012]])
    t.same(leaves.done, [])
    t.same(stage.connections.closes, { 1006: 1, 1012: 2 })
    t.equal(stage.connections.size, 0)
    t.equal(stage.clock.timers, 0)
  }
  const ageless = new Stage()
  ageless.add()
  t.equal(ageless.clock.timers, 0)
})
