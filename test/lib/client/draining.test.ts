import t from 'tap'
import { admit, joinedMemoryLink, memoryLink } from './memory-socket.js'
import type { MemorySocket } from './memory-socket.js'

/** A backoff that nobody could take for anything else. */
const reconnect = { delayMs: (attempt: number) => 10_000 + attempt }

/** How long the link waits, once this socket is closed, before it opens another; null: longer than ten minutes. */
function waits (sockets: MemorySocket[], clock: { advance (ms: number): void }, code: number): number | null {
  const { length } = sockets
  sockets.at(-1)!.closes(code)
  for (let ms = 0; ms <= 600_000; ms++) {
    clock.advance(ms === 0 ? 0 : 1)
    if (sockets.length > length) return ms
  }
  return null
}

t.test('whoever is told when to come back comes then, once, and does not let go of the link before', async (t) => {
  const { link, sockets, socket, clock } = joinedMemoryLink(t, { reconnect })
  socket.control({ type: 'draining', afterMs: 3_000 })
  clock.advance(1_000)
  t.equal(link.state, 'joined')
  t.equal(socket.closedWith, null)
  link.send('still served')
  t.match(socket.said.at(-1), { event: 'still served' })
  t.equal(waits(sockets, clock, 1012), 2_000)
  t.equal(waits(sockets, clock, 1006), 10_001, 'what fails then is backoff again')
})

t.test('at once if the time has passed', async (t) => {
  const { sockets, socket, clock } = joinedMemoryLink(t, { reconnect })
  socket.control({ type: 'draining', afterMs: 500 })
  clock.advance(500)
  t.equal(waits(sockets, clock, 1012), 0)
  admit(sockets.at(-1))
  t.equal(waits(sockets, clock, 1012), 10_000, 'the next link has heard nothing')
})

t.test('the later word counts, and one on a link that is let in anew', async (t) => {
  const { sockets, socket, clock } = joinedMemoryLink(t, { reconnect })
  socket.control({ type: 'draining', afterMs: 9_000 })
  socket.control({ type: 'draining', afterMs: 100 })
  t.equal(waits(sockets, clock, 1006), 100)
  sockets.at(-1)!.opens()
  sockets.at(-1)!.control({ type: 'draining', afterMs: 700 })
  t.equal(waits(sockets, clock, 1013), 700, 'also one that was not let in')
  sockets.at(-1)!.opens()
  sockets.at(-1)!.control({ type: 'draining', afterMs: 0 })
  t.equal(waits(sockets, clock, 1013), 10_002, 'who is sent away again and again, and never made to wait, waits all the same')
})

t.test('a time that is none is passed over, and no more than five minutes are heeded', async (t) => {
  for (const [afterMs, expected] of [
    [0, 0], [-1, 10_000], [NaN, 10_000], [Infinity, 10_000], ['5', 10_000], [undefined, 10_000], [{}, 10_000],
    [299_999, 299_999], [300_000, 300_000], [300_001, 300_000], [1e300, 300_000]
  ] as Array<[unknown, number]>) {
    const { sockets, socket, clock } = joinedMemoryLink(t, { reconnect })
    socket.control({ type: 'draining', afterMs } as { type: string })
    t.equal(waits(sockets, clock, 1012), expected, String(afterMs))
  }
})

t.test('it changes nothing of what is for good, nor of a policy that gives up', async (t) => {
  const one = joinedMemoryLink(t, { reconnect })
  one.socket.control({ type: 'draining', afterMs: 10 })
  one.socket.closes(4410, 'removed')
  t.equal(one.link.state, 'failed')
  const two = joinedMemoryLink(t, { reconnect: { delayMs: () => null } })
  two.socket.control({ type: 'draining', afterMs: 10 })
  two.socket.closes(1012)
  t.equal(two.link.state, 'failed')
  t.equal(two.clock.timers, 0)
})

t.test('a page that is looked at again does not come before its time; one whose network is back does', async (t) => {
  const { link, sockets, socket, clock, network } = joinedMemoryLink(t, { reconnect })
  socket.control({ type: 'draining', afterMs: 4_000 })
  socket.closes(1012)
  network.show()
  t.equal(sockets.length, 1)
  clock.advance(3_999)
  network.show()
  t.equal(sockets.length, 1)
  clock.advance(1)
  t.equal(sockets.length, 2)
  admit(sockets[1])
  sockets[1]!.control({ type: 'draining', afterMs: 4_000 })
  network.turn(false)
  t.equal(link.state, 'waitingNetwork')
  network.turn(true)
  t.equal(sockets.length, 3)
})

t.test('a clock that was set back does not keep it away for longer', async (t) => {
  let offset = 0
  const { link, sockets, clock } = memoryLink(t, { reconnect })
  link.destroy()
  const late = memoryLink(t, { reconnect, clock: { now: () => clock.now() + offset, after: (ms, fn) => clock.after(ms, fn), every: (ms, fn) => clock.every(ms, fn) } })
  late.link.join()
  admit(late.sockets[0])
  late.sockets[0]!.control({ type: 'draining', afterMs: 1_000 })
  offset = -3_600_000
  t.equal(waits(late.sockets, clock, 1012), 300_000)
  t.equal(sockets.length, 0)
})
