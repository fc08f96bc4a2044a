import { FakeClient, ManualClock, fakeFrame } from '../../lib/testing/index.js'
import type { HookName } from '../../lib/relay/hooks.js'
import type { Peer } from '../../plugins/trunkline.js'
import { LinkClient } from '../link-client.js'
import { calls, startApp, startMediaServer, trunkState } from '../support.js'
import { attack, eventually, isWell, tokenOf } from './support.js'

// A client that gets a hook of the app's to hang or to throw, in the worst way: it ends, and nobody else feels it.

const never = async (): Promise<never> => await new Promise(() => {})
const BAD = { roomId: 'r', peerId: 'bad' }

/** Only for the one who attacks. */
const ifBad = (act: () => unknown) => (...args: unknown[]): never => (args.some((arg) => (arg as Peer | null)?.id === 'bad') ? act() : undefined) as never

for (const name of ['onPeerJoin', 'onUplink', 'onDownlink'] as const) {
  attack(`a hook that hangs: ${name}`, async (t) => {
    const clock = new ManualClock()
    const server = await startMediaServer(t, { echo: true })
    const begun = calls(1)
    const left = calls<[Peer]>(1)
    const { app, join } = await startApp(t, server.options, {
      clock,
      hooks: {
        [name]: ifBad(async () => {
          begun.fn()
          await never()
        }),
        onPeerLeave: left.fn
      }
    })
    const well = await join()
    const bad = await join(BAD)
    bad.send('x')
    await begun.seen
    await isWell(t, well)
    clock.advance(4_999)
    await isWell(t, well)
    t.ok(app.trunkline.peers.get('bad'), 'its time is not up')
    clock.advance(1)
    t.same(await bad.closed, { code: 1011, reason: 'internal error' })
    t.equal((await left.seen)[0]![0].id, 'bad')
    await isWell(t, well)
  })
}

attack('a hook that hangs: authenticate, for as many as may be asked about at once', async (t) => {
  const clock = new ManualClock()
  const server = await startMediaServer(t, { echo: true })
  const begun = calls(2)
  const { app, base, join } = await startApp(t, server.options, {
    clock,
    limits: { concurrentAuth: 2 },
    authenticate: async (_request, { token }) => {
      if (token !== 'hang') return { roomId: 'r' }
      begun.fn()
      return await never()
    }
  })
  // The clock is moved by more than a trunk may take to come up.
  await trunkState(app, 'up')
  const hanging = [1, 2].map(async () => await t.rejects(FakeClient.connect(`${base}/signaling?token=hang`), { message: /503/ }))
  await begun.seen
  const waits = join()
  clock.advance(5_000)
  await Promise.all(hanging)
  // Their turns end when nobody believes any more that they will.
  clock.advance(5_000)
  await isWell(t, await waits)
})

attack('a hook that hangs: onPeerLeave, onTrunk, onNotification and onRecording hold up nothing but their own', async (t) => {
  const clock = new ManualClock()
  const server = await startMediaServer(t, { echo: true })
  const told: string[] = []
  const hang = (name: string) => async (): Promise<void> => {
    told.push(name)
    await never()
  }
  const { app, join } = await startApp(t, server.options, {
    clock, hooks: { onPeerJoin: () => {}, onPeerLeave: ifBad(hang('onPeerLeave')), onTrunk: hang('onTrunk'), onNotification: hang('onNotification'), onRecording: hang('onRecording') }
  })
  const well = await join()
  const bad = await join(BAD)
  await isWell(t, bad)
  await bad.cut()
  const notification = { id: 'n1', roomId: 'r', peerId: '', type: 'x', payload: '', atMs: 0, recording: null }
  server.send(fakeFrame('notification', notification))
  server.send(fakeFrame('notification', {
    ...notification, id: 'n2', roomId: 's', recording: { recordingId: 'x', roomId: 's', status: 'active', revision: 1, startedAtMs: 0, file: '', durationMs: 0, error: '' }
  }))
  await eventually(() => told.length === 4)
  // Who comes back under the same id joins after the last hook of the one before.
  const back = await join(BAD)
  back.send('back')
  await isWell(t, well)
  t.equal(back.pending, 0)
  clock.advance(5_000)
  t.equal(await back.receiveText(), 'back')
  await isWell(t, well)
  t.same(server.takeAll().filter(({ kind }) => kind === 'done'), [], 'what was not handled is told again')
  t.equal(app.trunkline.stats().peers, 2)
  let isClosed = false
  void app.close().then(() => { isClosed = true })
  await eventually(() => {
    clock.advance(1_000)
    return isClosed
  })
})

const circle: Record<string, unknown> = { message: 'a circle' }
circle.cause = circle
const TRAPS = ['get', 'has', 'ownKeys', 'getPrototypeOf', 'isExtensible', 'getOwnPropertyDescriptor']
const everythingThrows: Error = new Proxy(new Error('x'), Object.fromEntries(TRAPS.map((trap) => [trap, () => { throw everythingThrows }])))
const { proxy: revoked, revoke } = Proxy.revocable({}, {})
revoke()

/** What a hook may throw, though nobody should. */
const THINGS: Record<string, unknown> = {
  'an error': new Error('x'),
  nothing: undefined,
  null: null,
  text: 'text',
  'a symbol': Symbol('x'),
  'a bigint': 1n,
  'a function': () => {},
  'an object without a prototype': Object.create(null),
  'a frozen error': Object.freeze(new Error('frozen')),
  'an error of frozen errors': new AggregateError([Object.freeze(new Error('frozen'))]),
  'an error with a getter that throws': Object.defineProperty(new Error('x'), 'detail', { enumerable: true, get () { throw new Error('a getter') } }),
  'an error whose message throws': Object.defineProperty(new Error('x'), 'message', { get () { throw new Error('a getter') } }),
  'an error whose code cannot be text': Object.assign(new Error('x'), { code: Object.create(null), statusCode: Symbol('x') }),
  'a circle': circle,
  'what throws whatever is done with it': everythingThrows,
  'a proxy that is revoked': revoked
}

/** Ways to fail with it. */
const WAYS: Record<string, (thing: unknown) => unknown> = {
  thrown: (thing) => { throw thing },
  rejected: async (thing) => {
    await null
    throw thing
  },
  'thrown by a thenable': (thing) => ({ then () { throw thing } }),
  'rejected twice by a thenable': (thing) => ({
    then (_resolve: unknown, reject: (thing: unknown) => void) {
      reject(thing)
      reject(thing)
    }
  })
}

const HOOKS: HookName[] = ['onPeerJoin', 'onUplink', 'onDownlink', 'onPeerLeave', 'onTrunk', 'onNotification', 'onRecording']

for (const [way, fail] of Object.entries(WAYS)) {
  attack(`a hook that throws: everything, ${way}`, async (t) => {
    const server = await startMediaServer(t, { echo: true })
    let [thing, where]: [unknown, string] = [null, '']
    const attacked = (name: string) => ifBad(() => name === where ? fail(thing) : undefined)
    const { app, base, join } = await startApp(t, server.options, {
      authenticate: (_request, { token }) => {
        if (where === 'authenticate' && token.includes('bad')) return fail(thing) as never
        return JSON.parse(token) as { roomId: string }
      },
      hooks: Object.fromEntries(HOOKS.map((name) => [name, attacked(name)]))
    })
    app.trunkline.addHook('onNotification', () => { if (where === 'onNotification') return fail(thing) as never })
    app.trunkline.addHook('onTrunk', () => { if (where === 'onTrunk') return fail(thing) as never })
    const well = await join()
    for (const [what, value] of Object.entries(THINGS)) {
      thing = value
      where = 'authenticate'
      await t.rejects(join(BAD), { name: 'UpgradeRefused' }, `authenticate: ${what}`)
      const link = await LinkClient.connect({ base })
      link.ask(BAD)
      t.ok([4401, 1013].includes((await link.closed).code), `authenticate of a link: ${what}`)
      for (where of ['onPeerJoin', 'onUplink', 'onDownlink']) {
        const bad = await join(BAD)
        bad.send('x')
        t.equal((await bad.closed).code, 1011, `${where}: ${what}`)
      }
      where = 'onPeerLeave'
      const gone = await join(BAD)
      await isWell(t, gone)
      await gone.cut()
      where = 'onNotification'
      server.send(fakeFrame('notification', { id: 'n', roomId: 'r', peerId: '', type: 'x', payload: '', atMs: 0, recording: null }))
      await isWell(t, well)
    }
    where = 'onTrunk'
    await FakeClient.connect(`${base}/signaling?token=${tokenOf(BAD)}`)
    server.cut()
    await server.nextTrunk()
    await eventually(() => app.trunkline.trunk.state === 'up')
  })
}
