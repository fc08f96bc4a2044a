import assert from 'node:assert/strict'
import process from 'node:process'
import fc from 'fast-check'
import t from 'tap'
import { LinkError } from '../../../lib/client/index.js'
import type { LinkState } from '../../../lib/client/index.js'
import { controlMessage } from '../../../lib/session/messages.js'
import { ManualClock } from '../../../lib/testing/index.js'
import { memorySockets } from './memory-socket.js'
import { FarSide, written } from './model.js'
import type { FarSession } from './model.js'
import { EVENT_NAMES, FakeNetwork, TestLink } from './support.js'
import type { Told } from './support.js'

// Whatever meets whatever, in any order: each event arrives once and in order for as long as its session lives, the link
// does nothing but what its states allow, and where it ends nothing is left.

const RUNS = process.env.MODEL_RUNS === undefined ? 500 : Number(process.env.MODEL_RUNS)

const LEGAL = new Set(['idle initializing', 'initializing joined', 'initializing failed', 'joined leaved', 'joined reinitializing', 'joined waitingNetwork',
  'joined failed', 'leaved initializing', 'waitingNetwork reinitializing', 'reinitializing joined', 'reinitializing failed'])

/** What the app knows of one session, from its beginning or from the end of the one before. */
interface Era {
  sent: string[]
  heard: string[]
  session: FarSession | null
}

/** A link, the far side, and an app between which checks everything that it is told. */
class World {
  readonly clock = new ManualClock()
  readonly network = new FakeNetwork()
  readonly far: FarSide
  readonly link: TestLink
  era: Era = { sent: [], heard: [], session: null }
  leaves: Array<Promise<void>> = []
  destroyed = false
  /** How many events were not taken. */
  full = 0
  #state: LinkState = 'idle'
  #events = 0

  constructor (windowBytes: number, keptEvents: number) {
    this.far = new FarSide(windowBytes)
    const { WebSocket } = memorySockets((socket) => this.far.accept(socket))
    this.link = new TestLink({
      url: 'ws://backend', WebSocket, clock: this.clock, network: this.network, limits: { keptEvents }, answerMs: 3_000, reconnect: { delayMs: (attempt) => Math.min(attempt * 500, 2_000) }
    })
    for (const name of EVENT_NAMES) this.link.on(name, (...args: unknown[]) => this.#told([name, ...args] as Told))
  }

  #told (told: Told): void {
    assert.ok(!this.destroyed, 'nothing is told after destroy')
    switch (told[0]) {
      case 'state':
        assert.equal(told[2], this.#state)
        assert.ok(LEGAL.has(`${told[2]} ${told[1]}`), `${told[2]} ${told[1]}`)
        this.#state = told[1]
        if (told[1] === 'leaved' || told[1] === 'failed') this.era = { sent: [], heard: [], session: null }
        break
      case 'reset':
        this.era = { sent: [], heard: [], session: null }
        this.send(true)
        break
      case 'joined': {
        const session = this.far.sessions.get(told[1].peerId)!
        assert.equal(told[1].resumed, this.era.session !== null)
        assert.ok(this.era.session === null || this.era.session === session)
        this.era.session = session
        break
      }
      case 'mediaEvent':
        assert.ok(this.era.session !== null)
        this.era.heard.push(written(told[1]))
    }
  }

  send (text: boolean): void {
    const name = `client ${this.#events++}`
    const event = text ? name : new TextEncoder().encode(name)
    try {
      this.link.send(event)
    } catch (error) {
      assert.ok(error instanceof LinkError)
      this.full++
      assert.equal(error.code, this.destroyed || this.link.state === 'failed' ? 'TRK_LINK_OVER' : 'TRK_LINK_FULL')
      return
    }
    this.era.sent.push(written(event))
  }

  join (): void {
    if (this.destroyed || this.link.state === 'failed') assert.throws(() => this.link.join(), { code: 'TRK_LINK_OVER' })
    else this.link.join()
  }

  destroy (): void {
    this.destroyed = true
    this.link.destroy()
  }

  get over (): boolean {
    return this.destroyed || ['idle', 'leaved', 'failed'].includes(this.link.state)
  }

  check (): void {
    const { sent, heard, session } = this.era
    if (!this.destroyed) assert.equal(this.#state, this.link.state)
    if (session !== null && !this.destroyed) {
      assert.deepEqual(session.got, sent.slice(0, session.got.length), 'what the client sent, once and in order')
      const out = session.out.filter((event) => event !== null)
      assert.deepEqual(heard, out.slice(0, heard.length), 'what the media server sent, once and in order')
    }
    if (this.over) {
      assert.equal(this.clock.timers, 0)
      assert.equal(this.network.watchers.size, 0)
      assert.equal(this.far.current, null)
    }
  }

  /** The world is kind for long enough: then everything has arrived. */
  calm (): void {
    if (!this.network.online) this.network.turn(true)
    for (let round = 0; round < 100; round++) {
      const far = this.far.current
      if (far !== null) {
        this.far.settle()
        if (this.link.state === 'joined' && !far.attached) this.far.rejoin()
        this.far.acknowledge()
        far.down.push(controlMessage({ type: 'ping' }))
        this.far.settle()
      }
      this.clock.advance(200)
      this.check()
    }
    if (this.over) return
    assert.equal(this.link.state, 'joined')
    assert.deepEqual(this.era.session?.got, this.era.sent, 'all has arrived')
    assert.deepEqual(this.era.heard, this.era.session.out.filter((event) => event !== null))
  }
}

/** What can happen, and how often beside the rest. `n` picks what there is several of. */
const steps: Record<string, [weight: number, step: (world: World, n: number) => void]> = {
  open: [6, ({ far }) => { if (far.current?.socket.readyState === 0) far.current.socket.opens() }],
  up: [10, ({ far }) => { if (far.current !== null) far.process(far.current) }],
  down: [10, ({ far }) => far.current?.deliver()],
  'all goes well': [8, ({ far }) => far.settle()],
  send: [10, (world, n) => world.send(n % 2 === 0)],
  event: [10, ({ far }, n) => far.emit(n % 5 === 0 ? null : `${n % 2 === 0 ? 'text' : 'bytes'} server ${far.session?.out.length}`)],
  ack: [4, ({ far }) => far.acknowledge()],
  ping: [2, ({ far }) => far.holder?.down.push(controlMessage({ type: 'ping' }))],
  rejoin: [3, ({ far }) => far.rejoin()],
  'trunk down': [2, ({ far }) => far.trunkDown()],
  drop: [3, ({ far }, n) => far.current?.lose([1006, 1012, 4000, 1013][n % 4]!)],
  'the media server forgets': [2, ({ far }, n) => {
    far.session = null
    if (far.holder !== null) far.holder.attached = false
    if (n % 2 === 0) far.current?.lose(4001)
    else far.rejoin()
  }],
  'late from a socket that was let go': [4, ({ far }, n) => {
    const old = far.fars[n % far.fars.length]
    if (old === undefined || old === far.current) return
    if (n % 3 === 0) old.deliver()
    else if (n % 3 === 1) far.process(old)
    else old.socket.brings('late')
  }],
  'late close': [2, ({ far }, n) => {
    const old = far.fars[n % far.fars.length]
    if (old === undefined || old === far.current) return
    far.closed(old)
    old.lose(n % 2 === 0 ? 1006 : 4403)
  }],
  offline: [2, ({ network }) => network.turn(false)],
  online: [4, ({ network }) => network.turn(true)],
  visible: [2, ({ network }) => network.show()],
  time: [8, ({ clock }, n) => clock.advance([0, 100, 600, 1_000, 2_600, 30_000][n % 6]!)],
  join: [6, (world) => world.join()],
  leave: [1, (world) => world.leaves.push(world.link.leave())],
  'leave and come again': [1, (world) => {
    world.leaves.push(world.link.leave())
    if (world.link.state === 'leaved') world.join()
  }]
}

/** These end it, so that they come once at most, and last. */
const ends: Record<string, (world: World) => void> = {
  none: () => {},
  destroy: (world) => world.destroy(),
  refused: ({ far }) => far.current?.lose(4403),
  leave: (world) => world.leaves.push(world.link.leave())
}

const step = fc.tuple(fc.oneof(...Object.entries(steps).map(([name, [weight]]) => ({ arbitrary: fc.constant(name), weight }))), fc.nat(99))

t.test('whatever happens in whatever order', async (t) => {
  let joined = 0
  let resumed = 0
  let resets = 0
  let full = 0
  await fc.assert(fc.asyncProperty(
    fc.constantFrom(200, 1_000, 256 * 1024), fc.constantFrom(4, 4096), fc.array(step, { minLength: 40, maxLength: 250, size: 'max' }), fc.constantFrom(...Object.keys(ends)), fc.array(step, { maxLength: 10 }),
    async (windowBytes, keptEvents, history, end, after) => {
      const world = new World(windowBytes, keptEvents)
      world.link.on('joined', (session) => { joined++; if (session.resumed) resumed++ })
      world.link.on('reset', () => resets++)
      world.join()
      for (const [name, n] of history) {
        steps[name]![1](world, n)
        world.check()
      }
      ends[end]!(world)
      world.check()
      for (const [name, n] of after) {
        steps[name]![1](world, n)
        world.check()
      }
      full += world.full
      world.calm()
      // They do not outlive what they wait for.
      if (world.over) await Promise.all(world.leaves)
      world.destroy()
      world.check()
      await Promise.all(world.leaves)
    }), { numRuns: RUNS })
  t.comment(`${joined} joined, ${resumed} resumed, ${resets} reset, ${full} not taken`)
  t.ok(joined > 2 * RUNS && resumed > RUNS && resets > RUNS / 2 && full > RUNS / 2, 'the histories are worth something')
})
