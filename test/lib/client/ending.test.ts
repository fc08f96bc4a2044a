import t from 'tap'
import { admit, joinedMemoryLink, memoryLink, settled } from './memory-socket.js'
import { FakeBackend, joinedLink } from './support.js'

/** Whether a promise has resolved by now. */
async function isDone (promise: Promise<unknown>): Promise<boolean> {
  let done = false
  void promise.then(() => { done = true })
  await settled()
  return done
}

t.test('leave: the backend is told, and the session is over', async (t) => {
  const backend = await FakeBackend.listen(t)
  const { link, far } = await joinedLink(t, backend)
  link.send('last words')
  await link.leave()
  t.equal(link.state, 'leaved')
  t.equal(await far.event(), 'last words')
  t.same(await far.said.take(), { type: 'leave' })
  t.equal((await far.closed).code, 1000)
  t.same(link.told.takeAll(), [['state', 'leaved', 'joined']])
  link.send('for the next session')
  link.join()
  const again = await backend.link()
  const { client, ...join } = await again.admit()
  t.same(join, { type: 'join', id: 2, version: 1 })
  t.equal(await again.event(), 'for the next session')
})

t.test('leave where there is nothing to end resolves at once', async (t) => {
  const { link, sockets, clock } = memoryLink(t)
  await link.leave()
  t.equal(link.state, 'idle')
  link.join()
  admit(sockets[0])
  await link.leave()
  await link.leave()
  t.equal(link.state, 'leaved')
  t.equal(clock.timers, 0)
  link.join()
  sockets[1]!.opens()
  sockets[1]!.closes(4403)
  t.equal(link.state, 'failed')
  await link.leave()
  link.destroy()
  await link.leave()
})

t.test('leave while it asks, or waits for the network, waits for the answer', async (t) => {
  const { link, sockets, network } = memoryLink(t)
  link.join()
  link.send('kept')
  const first = link.leave()
  t.equal(await isDone(first), false)
  t.equal(link.state, 'initializing')
  t.equal(link.leave(), first)
  sockets[0]!.opens()
  admit(sockets[0])
  await first
  t.equal(link.state, 'leaved')
  t.same(sockets[0]!.said, [], 'it has said all before the answer was cleared away')
  t.same(link.told.takeAll().map((told) => told.slice(0, 2)), [
    ['state', 'initializing'], ['state', 'joined'], ['joined', { peerId: 'peer', roomId: 'room', resumed: false }], ['state', 'leaved']
  ])

  link.join()
  admit(sockets[1])
  sockets[1]!.control({ type: 'rejoin', reason: 'trunk' })
  const second = link.leave()
  t.equal(await isDone(second), false)
  network.turn(false)
  t.equal(link.state, 'reinitializing')
  sockets[1]!.closes(1006)
  network.turn(true)
  admit(sockets[2])
  await second
  t.equal(link.state, 'leaved')

  link.join()
  admit(sockets[3])
  network.turn(false)
  const third = link.leave()
  t.equal(await isDone(third), false)
  t.equal(link.state, 'waitingNetwork')
  network.turn(true)
  t.equal(await isDone(third), false)
  admit(sockets[4])
  await third
  t.equal(link.state, 'leaved')
})

t.test('leave that waits is over when the link fails, or is destroyed', async (t) => {
  const { link, sockets } = memoryLink(t)
  link.join()
  const left = link.leave()
  sockets[0]!.opens()
  sockets[0]!.closes(4403)
  await left
  t.equal(link.state, 'failed')
  const other = memoryLink(t)
  other.link.join()
  const never = other.link.leave()
  other.link.destroy()
  await never
  t.equal(other.link.state, 'initializing')
})

t.test('what was sent goes out before the leave that waited', async (t) => {
  const { link, sockets } = memoryLink(t)
  link.join()
  link.on('joined', () => link.send('hello'))
  link.send('kept')
  void link.leave()
  const said: unknown[] = []
  sockets[0]!.hears = (message) => said.push(message.type)
  sockets[0]!.opens()
  admit(sockets[0])
  t.same(said, ['join', 'event', 'event', 'leave'])
  t.equal(sockets[0]!.closedWith?.code, 1000)
})

t.test('listeners may leave and destroy', async (t) => {
  const { link, sockets } = memoryLink(t)
  link.on('state', (state) => { if (state === 'joined') void link.leave() })
  const second: string[] = []
  link.on('state', (state) => second.push(state))
  link.join()
  admit(sockets[0])
  t.equal(link.state, 'leaved')
  t.same(second, ['initializing', 'joined', 'leaved'], 'all of them hear it in the order in which it came about')

  for (const name of ['state', 'joined', 'mediaEvent', 'reset', 'trunk'] as const) {
    const { link, sockets, socket, clock, network } = joinedMemoryLink(t)
    link.on(name, () => link.destroy())
    let after = 0
    for (const each of ['state', 'joined', 'mediaEvent', 'reset', 'trunk', 'failed'] as const) link.on(each, () => after++)
    if (name === 'mediaEvent') socket.brings('x')
    else if (name === 'trunk') socket.control({ type: 'trunk', state: 'down' })
    else if (name === 'reset') {
      socket.closes(4001)
      clock.advance(100)
      after = 0
      admit(sockets[1])
    } else if (name === 'joined') {
      socket.control({ type: 'rejoin', reason: 'trunk' })
      after = 0
      admit(socket)
      t.equal(after, 1, 'the state that came before')
      after = 0
    } else socket.control({ type: 'rejoin', reason: 'trunk' })
    t.equal(after, 0, name)
    t.equal(clock.timers, 0)
    t.equal(network.watchers.size, 0)
    t.throws(() => link.send('x'), { code: 'TRK_LINK_OVER' })
  }
})

t.test('destroy: the socket is closed, and nothing is told, in whatever state', async (t) => {
  const backend = await FakeBackend.listen(t)
  const { link, far } = await joinedLink(t, backend)
  link.destroy()
  link.destroy()
  t.same(await far.closed, { code: 1000, reason: '' })
  t.equal(far.said.length, 0)
  t.same(link.told.takeAll(), [])

  const states: Record<string, (made: ReturnType<typeof joinedMemoryLink>) => void> = {
    joined: () => {},
    'with something unacknowledged': ({ socket }) => socket.brings('x'),
    asking: ({ socket }) => socket.control({ type: 'rejoin', reason: 'trunk' }),
    'between attempts': ({ socket }) => socket.closes(1006),
    'in an attempt': ({ socket, clock }) => { socket.closes(1006); clock.advance(100) },
    waiting: ({ network }) => network.turn(false),
    leaved: ({ link }) => { void link.leave() },
    failed: ({ socket }) => socket.closes(4403)
  }
  for (const [name, reach] of Object.entries(states)) {
    const made = joinedMemoryLink(t)
    const { link, sockets, clock, network } = made
    reach(made)
    link.told.takeAll()
    link.destroy()
    t.equal(clock.timers, 0, name)
    t.equal(network.watchers.size, 0)
    const opened = sockets.length
    for (const socket of sockets) {
      socket.brings('late')
      socket.closes(1006)
    }
    network.turn(false)
    network.turn(true)
    network.show()
    clock.advance(1_000_000)
    t.same(link.told.takeAll(), [])
    t.equal(sockets.length, opened)
    t.throws(() => link.send('x'), { code: 'TRK_LINK_OVER' })
    t.throws(() => link.join(), { code: 'TRK_LINK_OVER' })
  }
})

t.test('destroy while a token is fetched', async (t) => {
  let give = (_token: string): void => {}
  const { link, sockets, clock } = memoryLink(t, { token: async () => await new Promise((resolve) => { give = resolve }) })
  link.join()
  await settled()
  link.destroy()
  t.equal(clock.timers, 0)
  give('late')
  await settled()
  t.equal(sockets.length, 0)
})

t.test('a token function may destroy the link that asks it', async (t) => {
  const { link, sockets, clock } = memoryLink(t, { token: () => { link.destroy(); return 'x' } })
  link.join()
  await settled()
  t.equal(clock.timers, 0)
  t.equal(sockets.length, 0)
})

t.test('no timer and no listener is left where nothing goes on', async (t) => {
  const { link, socket, sockets, clock, network } = joinedMemoryLink(t)
  socket.brings('x')
  t.ok(clock.timers > 0)
  await link.leave()
  t.equal(clock.timers, 0)
  t.equal(network.watchers.size, 0)
  network.turn(false)
  network.turn(true)
  t.equal(sockets.length, 1)
  link.join()
  t.equal(network.watchers.size, 1)
  admit(sockets[1])
  sockets[1]!.closes(4410)
  t.equal(clock.timers, 0)
  t.equal(network.watchers.size, 0)
})
