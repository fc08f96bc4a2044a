import fc from 'fast-check'
import assert from 'node:assert/strict'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import process from 'node:process'
import t from 'tap'
import { resetSocket } from '../../../lib/testing/chaos-pipe.js'
import { ChaosProxy, Inbox, ManualClock } from '../../../lib/testing/index.js'
import type { ChaosConnection, ChaosProxyOptions } from '../../../lib/testing/index.js'

const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve))

/** For what no event tells: looks again in each turn of the event loop. */
async function until (look: () => boolean): Promise<void> {
  while (!look()) await turn()
}

/** Long enough for whatever can happen without the clock to have happened. */
async function settled (): Promise<void> {
  for (let i = 0; i < 50; i++) await turn()
}

/** What is open, and what is under way on it. */
const tcpResources = (): string[] => process.getActiveResourcesInfo().filter((name) => /TCP|Connect|Write|Shutdown/.test(name))

/** One side of a connection, and what it has seen. */
class Side {
  readonly socket: Socket
  readonly ended: Promise<unknown>
  /** The code of the error that it was closed by, if any. */
  readonly closed: Promise<string | null>
  readonly #chunks: Buffer[] = []
  #length = 0
  #over = false

  constructor (socket: Socket) {
    this.socket = socket
    let code: string | null = null
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#length += chunk.length
    })
    socket.on('error', (error: NodeJS.ErrnoException) => { code = error.code ?? 'unknown' })
    this.ended = new Promise((resolve) => socket.on('end', resolve)).then(() => { this.#over = true })
    this.closed = new Promise((resolve) => socket.on('close', () => resolve(code)))
    void this.closed.then(() => { this.#over = true })
  }

  get length (): number {
    return this.#length
  }

  /** Whether it has seen an end, in whatever way. */
  get over (): boolean {
    return this.#over
  }

  get bytes (): Buffer {
    return Buffer.concat(this.#chunks)
  }

  get text (): string {
    return this.bytes.toString()
  }

  async received (bytes: number): Promise<void> {
    await until(() => this.#length >= bytes)
  }
}

interface Teardown {
  teardown (fn: () => unknown): void
}

interface Target {
  port: number
  next (): Promise<Side>
  close (): Promise<void>
}

async function startTarget (t: Teardown): Promise<Target> {
  const sides = new Inbox<Side>()
  const all: Side[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const side = new Side(socket)
    all.push(side)
    sides.push(side)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve))
    for (const { socket } of all) socket.destroy()
    await closed
  }
  t.teardown(close)
  return { port: (server.address() as AddressInfo).port, next: async () => await sides.take(), close }
}

function dial (t: Teardown, port: number): Side {
  const side = new Side(connect({ port, host: '127.0.0.1', allowHalfOpen: true }))
  t.teardown(() => side.socket.destroy())
  return side
}

interface Wire {
  proxy: ChaosProxy
  clock: ManualClock
  target: Target
  client: Side
  server: Side
  connection: ChaosConnection
}

/** A client, connected through a proxy to a server; all closed at the end of the test. */
async function start (t: Teardown, options: Partial<ChaosProxyOptions> = {}): Promise<Wire> {
  const clock = new ManualClock()
  const target = await startTarget(t)
  const proxy = await ChaosProxy.listen({ target, clock, ...options })
  t.teardown(() => proxy.close())
  return { proxy, clock, target, ...await another(t, proxy, target) }
}

async function another (t: Teardown, proxy: ChaosProxy, target: Target): Promise<Pick<Wire, 'client' | 'server' | 'connection'>> {
  const client = dial(t, proxy.port)
  const connection = await proxy.nextConnection()
  return { client, connection, server: await target.next() }
}

/** Bytes that say where in the stream they belong. */
function stream (from: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let i = 0; i < length; i++) bytes[i] = (from + i) * 31 + ((from + i) >> 8)
  return bytes
}

t.test('bytes pass in both directions, and the ends of a connection too', async (t) => {
  const { proxy, client, server, connection } = await start(t)
  client.socket.write('up')
  server.socket.write('down')
  await Promise.all([server.received(2), client.received(4)])
  t.same([server.text, client.text], ['up', 'down'])
  t.same([proxy.accepted, proxy.connections], [1, [connection]])

  client.socket.end('last')
  await server.ended
  t.equal(server.text, 'uplast')
  server.socket.write(' still')
  await client.received(10)
  t.ok(connection.live, 'half closed is not closed')
  server.socket.end()
  await connection.closed
  t.same([await client.closed, await server.closed], [null, null])
  t.same([proxy.accepted, proxy.connections], [1, []])
})

t.test('a reset passes, from either side', async (t) => {
  const { proxy, target, client, server, connection } = await start(t)
  client.socket.resetAndDestroy()
  t.equal(await server.closed, 'ECONNRESET')
  await connection.closed

  const other = await another(t, proxy, target)
  other.server.socket.resetAndDestroy()
  t.equal(await other.client.closed, 'ECONNRESET')
  await other.connection.closed
  t.equal(proxy.connections.length, 0)
})

t.test('a reset passes after a FIN, and to a side that does not read', async (t) => {
  // With so large a bound that it goes on reading, or it would not see the reset either.
  const { proxy, target, client, server, connection } = await start(t, { maxHeldBytes: 64 * 1024 * 1024 })
  client.socket.end()
  await server.ended
  client.socket.resetAndDestroy()
  await client.closed
  // Who has seen the end sees a reset when it writes.
  server.socket.write('anybody there?')
  await connection.closed
  server.socket.write('hello?')
  t.match(await server.closed, /^(ECONNRESET|EPIPE)$/)

  const other = await another(t, proxy, target)
  other.server.socket.pause()
  other.client.socket.write(Buffer.alloc(32 * 1024 * 1024))
  await until(() => other.client.socket.writableLength === 0)
  // libuv takes a reset that comes along with bytes for an end.
  await settled()
  t.ok(other.connection.held('up') > 1024 * 1024)
  other.client.socket.resetAndDestroy()
  await other.connection.closed
  other.server.socket.resume()
  await until(() => other.server.over)
  other.server.socket.write('anybody there?')
  t.match(await other.server.closed, /^(ECONNRESET|EPIPE)$/)
})

t.test('a target that is not there resets the client; another may be named', async (t) => {
  const { proxy, target, client, server } = await start(t)
  await target.close()
  await Promise.all([client.ended, server.closed])
  const lost = dial(t, proxy.port)
  t.equal(await lost.closed, 'ECONNRESET')

  const next = await startTarget(t)
  proxy.retarget(next)
  const found = dial(t, proxy.port)
  found.socket.write('hello')
  const there = await next.next()
  await there.received(5)
  t.equal(there.text, 'hello')
  t.equal(proxy.accepted, 3)
})

t.test('what comes before the target is reached waits for it, the end too', async (t) => {
  const target = await startTarget(t)
  // The name is looked up first, which takes a while.
  const proxy = await ChaosProxy.listen({ target: { port: target.port, host: 'localhost' } })
  t.teardown(() => proxy.close())
  const client = dial(t, proxy.port)
  client.socket.end('early')
  const server = await target.next()
  await server.ended
  t.equal(server.text, 'early')
})

t.test('nextConnection gives each connection once, and none that is gone', async (t) => {
  const { proxy, target, connection } = await start(t)
  const waiting = proxy.nextConnection()
  const second = dial(t, proxy.port)
  t.equal(await waiting, proxy.connections[1])
  await target.next()

  const third = dial(t, proxy.port)
  await target.next()
  await until(() => proxy.connections.length === 3)
  third.socket.resetAndDestroy()
  await until(() => proxy.connections.length === 2)
  const next = proxy.nextConnection()
  dial(t, proxy.port)
  t.ok((await next).live)
  t.ok(connection.live)
  t.notOk(second.over)
  t.equal(proxy.accepted, 4)

  dial(t, proxy.port)
  await until(() => proxy.accepted === 5)
  proxy.cut()
  // Its sockets are still on their way out.
  const after = proxy.nextConnection()
  dial(t, proxy.port)
  t.ok((await after).live)
})

t.test('delay: everything arrives so much later, in order, the end too', async (t) => {
  const { proxy, clock, client, server, connection } = await start(t)
  proxy.delay(100)
  client.socket.write('one')
  server.socket.write('other way')
  await until(() => connection.held('up') === 3 && connection.held('down') === 9)
  clock.advance(60)
  client.socket.end('two')
  await until(() => connection.held('up') === 6)
  // The end comes by itself.
  await settled()
  clock.advance(39)
  await settled()
  t.same([server.length, client.length], [0, 0])
  clock.advance(1)
  await Promise.all([server.received(3), client.received(9)])
  t.same([server.text, client.text, connection.held('up')], ['one', 'other way', 3])
  clock.advance(59)
  await settled()
  t.same([server.length, server.over], [3, false])
  clock.advance(1)
  await server.ended
  t.equal(server.text, 'onetwo')
})

t.test('delay: none, and what is under way arrives; it can be of one direction, and delays a reset', async (t) => {
  const { proxy, clock, target, client, server, connection } = await start(t)
  connection.delay(1000, 'up')
  client.socket.write('late')
  server.socket.write('soon')
  await client.received(4)
  await until(() => connection.held('up') === 4)
  connection.delay(0)
  await server.received(4)
  t.equal(clock.timers, 0)

  proxy.delay(50)
  const other = await another(t, proxy, target)
  other.client.socket.resetAndDestroy()
  await until(() => clock.timers > 0)
  await settled()
  t.notOk(other.server.over)
  clock.advance(50)
  t.equal(await other.server.closed, 'ECONNRESET')
})

t.test('delay: an end alone is late too; and nothing is left to come when the sides are gone', async (t) => {
  const { proxy, clock, target, client, server, connection } = await start(t)
  proxy.delay(100)
  client.socket.end()
  await until(() => clock.timers === 1)
  clock.advance(99)
  await settled()
  t.notOk(server.over)
  clock.advance(1)
  await server.ended
  server.socket.write('on its way')
  await until(() => clock.timers === 1)
  server.socket.resetAndDestroy()
  await server.closed
  await settled()
  client.socket.resetAndDestroy()
  clock.advance(100)
  await connection.closed
  t.equal(clock.timers, 0)

  const other = await another(t, proxy, target)
  other.client.socket.write('on its way')
  await until(() => other.connection.held('up') === 10)
  other.client.socket.resetAndDestroy()
  await settled()
  other.server.socket.resetAndDestroy()
  await other.connection.closed
  t.equal(clock.timers, 0)
})

t.test('throttle: so many bytes by the clock, no more and no fewer', async (t) => {
  const { proxy, clock, client, server, connection } = await start(t)
  proxy.throttle(1000)
  client.socket.write(stream(0, 5000))
  server.socket.write(stream(0, 100))
  await until(() => connection.held('up') === 5000 && connection.held('down') === 100)
  for (const [ms, up, down] of [[19, 0, 0], [1, 20, 20], [80, 100, 100], [1000, 1100, 100], [3, 1100, 100], [17, 1120, 100]] as const) {
    clock.advance(ms)
    await Promise.all([server.received(up), client.received(down)])
    await until(() => connection.held('up') === 5000 - up)
    t.same([server.length, client.length], [up, down])
  }
  connection.throttle(null)
  await server.received(5000)
  t.ok(server.bytes.equals(stream(0, 5000)))
  t.equal(clock.timers, 0)
})

t.test('throttle: time without bytes is not saved up, and slower than a byte in a step works', async (t) => {
  const { clock, client, server, connection } = await start(t)
  connection.throttle(3, 'up')
  clock.advance(60_000)
  client.socket.write('abcdef')
  server.socket.write('fast')
  await until(() => connection.held('up') === 6)
  await client.received(4)
  clock.advance(999)
  await until(() => connection.held('up') === 4)
  clock.advance(1)
  await server.received(3)
  await until(() => connection.held('up') === 3)
  // To be slowed down does not lose what has passed, and to be delayed does not hold up what passes.
  connection.throttle(1, 'up')
  for (let i = 0; i < 10; i++) {
    clock.advance(100)
    connection.delay(i % 2)
  }
  await server.received(4)
  t.equal(server.text, 'abcd')
  t.equal(connection.held('up'), 2)
})

t.test('freeze: nothing moves and nothing is read, not even an end; thaw: nothing is lost', async (t) => {
  const { proxy, client, server, connection } = await start(t)
  proxy.freeze()
  const bytes = stream(0, 24 * 1024 * 1024)
  client.socket.end(bytes)
  server.socket.write('down')
  await settled()
  t.same([server.length, client.length, connection.held('up'), connection.held('down')], [0, 0, 0, 0])
  t.ok(client.socket.writableLength > 0, 'the sender feels it')
  t.ok(connection.live)
  proxy.thaw()
  await Promise.all([server.ended, client.received(4)])
  t.ok(server.bytes.equals(bytes))
})

t.test('freeze: what is held stays held, and the clock does not matter', async (t) => {
  const { clock, client, server, connection } = await start(t)
  connection.delay(10)
  client.socket.write('held')
  await until(() => connection.held('up') === 4)
  connection.freeze()
  client.socket.write(' more')
  clock.advance(1000)
  await settled()
  t.same([server.length, connection.held('up')], [0, 4])
  connection.thaw()
  await until(() => connection.held('up') === 5)
  t.equal(server.text, 'held')
  clock.advance(10)
  await server.received(9)
  t.equal(server.text, 'held more')
})

t.test('freeze: one direction, while the other goes on; a reset waits too', async (t) => {
  const { client, server, connection } = await start(t)
  connection.freeze('up')
  client.socket.write('frozen')
  server.socket.write('moving')
  await client.received(6)
  t.equal(server.length, 0)
  client.socket.resetAndDestroy()
  await settled()
  t.notOk(server.over)
  connection.thaw('up')
  t.equal(await server.closed, 'ECONNRESET')
  await connection.closed
})

t.test('freeze, throttle and delay are also for connections to come, and each can be told otherwise', async (t) => {
  const { proxy, clock, target, connection } = await start(t)
  proxy.freeze('up')
  proxy.throttle(1000)
  proxy.delay(5)
  const { client, server, connection: next } = await another(t, proxy, target)
  client.socket.write('hello')
  server.socket.write('hello')
  await until(() => next.held('down') === 5)
  await settled()
  t.equal(next.held('up'), 0)
  next.thaw()
  await until(() => next.held('up') === 5)
  clock.advance(5 + 5)
  await Promise.all([server.received(5), client.received(5)])

  proxy.throttle(null)
  proxy.delay(0)
  const third = await another(t, proxy, target)
  third.client.socket.write('still frozen')
  third.server.socket.write('free')
  await third.client.received(4)
  await settled()
  t.equal(third.server.length, 0)
  t.same(proxy.connections, [connection, next, third.connection])
})

t.test('cut: both sides see a FIN, what is held is lost', async (t) => {
  const { proxy, clock, target, client, server, connection } = await start(t)
  proxy.delay(1000)
  client.socket.write('lost')
  await until(() => connection.held('up') === 4)
  const other = await another(t, proxy, target)
  connection.cut()
  t.same([connection.live, proxy.connections, connection.held('up'), clock.timers], [false, [other.connection], 0, 0])
  await Promise.all([client.ended, server.ended, connection.closed])
  client.socket.end()
  server.socket.end()
  t.same([await client.closed, await server.closed, server.length], [null, null, 0])

  // With bytes that nobody has read, a mere close would send a RST.
  proxy.freeze()
  other.client.socket.write(Buffer.alloc(100_000))
  await until(() => other.client.socket.writableLength === 0)
  await settled()
  proxy.cut()
  await Promise.all([other.client.ended, other.server.ended, other.connection.closed])
  other.client.socket.end()
  other.server.socket.end()
  t.same([await other.client.closed, await other.server.closed, other.server.length], [null, null, 0])
  t.same(proxy.connections, [])
})

t.test('cut and reset: also while the other side does not read, and twice', async (t) => {
  for (const verb of ['cut', 'reset'] as const) {
    const { proxy, client, server, connection } = await start(t)
    server.socket.pause()
    client.socket.write(Buffer.alloc(32 * 1024 * 1024))
    await until(() => connection.held('up') > 1024 * 1024)
    proxy[verb]()
    connection.cut()
    connection.reset()
    await connection.closed
    server.socket.resume()
    await until(() => server.over && client.over)
    t.same(proxy.connections, [])
  }
})

t.test('reset: both sides see a RST', async (t) => {
  const { proxy, target, client, server, connection } = await start(t)
  const other = await another(t, proxy, target)
  connection.reset()
  t.same([connection.live, proxy.connections], [false, [other.connection]])
  t.same([await client.closed, await server.closed], ['ECONNRESET', 'ECONNRESET'])

  // Half closed already, and in the very turn of it.
  other.connection.halfClose('up')
  proxy.reset()
  t.equal(await other.client.closed, 'ECONNRESET')
  await Promise.all([other.connection.closed, other.server.ended])
  // Who has seen the end sees a reset when it writes.
  other.server.socket.write('anybody there?')
  t.match(await other.server.closed, /^(ECONNRESET|EPIPE)$/)
})

t.test('reset: also behind an end that waits for a side which does not read', async (t) => {
  const { client, server, connection } = await start(t)
  server.socket.pause()
  while (connection.held('up') === 0) {
    client.socket.write(Buffer.alloc(16 * 1024))
    await settled()
  }
  connection.halfClose('up')
  connection.reset()
  t.equal(await client.closed, 'ECONNRESET')
  await connection.closed
})

t.test('halfClose: one side sees the end behind what is held, and can still send', async (t) => {
  const { proxy, clock, client, server, connection } = await start(t)
  connection.delay(10, 'up')
  client.socket.write('held')
  await until(() => connection.held('up') === 4)
  proxy.halfClose('up')
  client.socket.write(Buffer.alloc(8 * 1024 * 1024))
  await until(() => client.socket.writableLength === 0)
  t.notOk(server.over)
  clock.advance(10)
  await server.ended
  t.equal(server.text, 'held')
  server.socket.write('still here')
  await client.received(10)
  t.same([client.text, client.over, connection.live], ['still here', false, true])

  connection.halfClose('down')
  await client.ended
  server.socket.end()
  client.socket.end()
  await connection.closed
  t.same([await client.closed, await server.closed], [null, null])
})

t.test('refuse: new connections are reset at once, those that are there live on', async (t) => {
  const { proxy, target, client, server } = await start(t)
  proxy.refuse(true)
  const refused = dial(t, proxy.port)
  t.equal(await refused.closed, 'ECONNRESET')
  client.socket.write('alive')
  await server.received(5)
  t.equal(proxy.accepted, 1)
  proxy.refuse(false)
  await another(t, proxy, target)
  t.equal(proxy.accepted, 2)
})

t.test('what is held is bounded: the proxy stops reading, and loses nothing', async (t) => {
  const bound = 64 * 1024
  const { clock, client, server, connection } = await start(t, { maxHeldBytes: bound })
  connection.throttle(1)
  const bytes = stream(0, 16 * 1024 * 1024)
  client.socket.end(bytes)
  await until(() => connection.held('up') > bound)
  await settled()
  // One read more than the bound at most.
  t.ok(connection.held('up') <= bound + 64 * 1024, String(connection.held('up')))
  t.ok(client.socket.writableLength > 0)
  let most = 0
  connection.throttle(100 * 1024 * 1024)
  while (!server.over) {
    clock.advance(1)
    most = Math.max(most, connection.held('up'))
    await turn()
  }
  t.ok(server.bytes.equals(bytes))
  t.ok(most <= bound + 64 * 1024, String(most))
})

t.test('what is held is bounded when it comes byte by byte', async (t) => {
  const { client, server, connection } = await start(t)
  client.socket.setNoDelay()
  connection.delay(1000)
  for (let i = 0; i < 4096; i++) {
    client.socket.write(stream(i, 1))
    await until(() => connection.held('up') === i + 1)
  }
  client.socket.end(stream(4096, 100))
  await settled()
  t.equal(connection.held('up'), 4096)
  connection.delay(0)
  await server.ended
  t.ok(server.bytes.equals(stream(0, 4196)))
})

t.test('what is held is bounded for a side that does not read', async (t) => {
  const bound = 64 * 1024
  const { client, server, connection } = await start(t, { maxHeldBytes: bound })
  client.socket.pause()
  const bytes = stream(0, 32 * 1024 * 1024)
  server.socket.end(bytes)
  await until(() => connection.held('down') > bound)
  await settled()
  t.ok(connection.held('down') <= bound + 64 * 1024)
  client.socket.resume()
  await client.ended
  t.ok(client.bytes.equals(bytes))
})

t.test('a fault that makes no sense is refused', async (t) => {
  const { proxy, connection } = await start(t)
  for (const bad of [0, -1, NaN]) t.throws(() => proxy.throttle(bad), RangeError)
  for (const bad of [-1, NaN]) t.throws(() => connection.delay(bad), RangeError)
})

t.test('a port that is taken is told', async (t) => {
  const { proxy, target } = await start(t)
  await t.rejects(ChaosProxy.listen({ target, port: proxy.port }), { code: 'EADDRINUSE' })
})

t.test('close leaves nothing behind, whatever was going on', async (t) => {
  await settled()
  const before = tcpResources()
  const clock = new ManualClock()
  const target = await startTarget(t)
  const proxy = await ChaosProxy.listen({ target, clock })
  const port = proxy.port
  const sides: Side[] = []
  const open = async (): Promise<Pick<Wire, 'client' | 'server' | 'connection'>> => {
    const wire = await another(t, proxy, target)
    sides.push(wire.client, wire.server)
    return wire
  }
  // One that is idle, one of each fault, one half closed, one that nobody reads, one that is being reset.
  await open()
  for (const verb of ['delay', 'throttle', 'freeze'] as const) {
    const { client, connection } = await open()
    if (verb === 'freeze') connection.freeze()
    else connection[verb](1000)
    client.socket.write('stuck')
    client.socket.end()
  }
  const half = await open()
  half.connection.halfClose('down')
  const stuck = await open()
  stuck.server.socket.pause()
  stuck.client.socket.write(Buffer.alloc(32 * 1024 * 1024))
  const dying = await open()
  dying.connection.delay(1000)
  dying.client.socket.resetAndDestroy()
  await until(() => stuck.connection.held('up') > 1024 * 1024 && clock.timers === 3)
  sides.push(dial(t, port))
  await proxy.nextConnection()
  const hopeless = t.rejects(proxy.nextConnection(), /closed/)

  await Promise.all([proxy.close(), proxy.close()])
  await proxy.close()
  await hopeless
  t.same([clock.timers, proxy.connections], [0, []])
  await t.rejects(proxy.nextConnection(), /closed/)
  t.equal(await dial(t, port).closed, 'ECONNREFUSED')
  for (const { socket } of sides) socket.destroy()
  await Promise.all(sides.map(async ({ closed }) => await closed))
  await target.close()
  await until(() => tcpResources().length <= before.length)
  t.same(tcpResources(), before)
})

t.test('whatever is done to a connection that is not ended, its bytes arrive, intact and in order', async (t) => {
  const direction = fc.constantFrom('up' as const, 'down' as const)
  const either = fc.constantFrom('up' as const, 'down' as const, 'both' as const)
  const action = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(fc.constant('send' as const), direction, fc.integer({ min: 1, max: 30_000 })) },
    { weight: 3, arbitrary: fc.tuple(fc.constant('advance' as const), either, fc.integer({ min: 0, max: 200 })) },
    { weight: 2, arbitrary: fc.tuple(fc.constant('turn' as const), either, fc.integer({ min: 1, max: 5 })) },
    fc.tuple(fc.constant('delay' as const), either, fc.integer({ min: 0, max: 100 })),
    fc.tuple(fc.constant('throttle' as const), either, fc.option(fc.integer({ min: 1, max: 1_000_000 }))),
    fc.tuple(fc.constant('freeze' as const), either, fc.constant(0)),
    fc.tuple(fc.constant('thaw' as const), either, fc.constant(0))
  )
  const target = await startTarget(t)
  await fc.assert(fc.asyncProperty(fc.array(action, { maxLength: 60, size: 'max' }), fc.constantFrom(1000, 40_000), async (actions, maxHeldBytes) => {
    const clock = new ManualClock()
    const proxy = await ChaosProxy.listen({ target, clock, maxHeldBytes })
    const { client, server, connection } = await another(t, proxy, target)
    const from = { up: client, down: server }
    const to = { up: server, down: client }
    const sent = { up: 0, down: 0 }
    for (const [index, [what, where, n]] of actions.entries()) {
      const verbs = index % 2 === 0 ? proxy : connection
      if (what === 'send') {
        from[where].socket.write(stream(sent[where], n))
        sent[where] += n
      } else if (what === 'advance') clock.advance(n)
      else if (what === 'turn') for (let i = 0; i < n; i++) await turn()
      else if (what === 'delay') verbs.delay(n, where)
      else if (what === 'throttle') verbs.throttle(n, where)
      else verbs[what](where)
      for (const way of ['up', 'down'] as const) {
        assert.ok(connection.held(way) <= maxHeldBytes + 64 * 1024)
        assert.ok(to[way].length + connection.held(way) <= sent[way])
      }
    }
    proxy.delay(0)
    proxy.throttle(null)
    proxy.thaw()
    for (const { socket } of [client, server]) socket.end()
    await Promise.all([client.closed, server.closed, connection.closed])
    for (const way of ['up', 'down'] as const) assert.ok(to[way].bytes.equals(stream(0, sent[way])), way)
    assert.equal(clock.timers, 0)
    await proxy.close()
  }), { numRuns: 40 })
  t.pass('the property holds')
})

t.test('whatever is done to connections, closing ends it, and no error escapes', async (t) => {
  const verb = fc.constantFrom('cut', 'reset', 'end', 'clientReset', 'serverReset', 'halfUp', 'halfDown', 'freeze', 'thaw', 'delay', 'throttle', 'send', 'turn', 'advance', 'refuse', 'dial')
  await settled()
  const before = tcpResources().length
  const target = await startTarget(t)
  await fc.assert(fc.asyncProperty(fc.array(verb, { maxLength: 30, size: 'max' }), async (verbs) => {
    const clock = new ManualClock()
    const proxy = await ChaosProxy.listen({ target, clock })
    const clients: Side[] = [dial(t, proxy.port)]
    const servers: Side[] = []
    void target.next().then((side) => servers.push(side))
    for (const [index, what] of verbs.entries()) {
      const where = index % 2 === 0 ? 'up' : 'down'
      const client = clients[index % clients.length]!
      if (what === 'cut') proxy.cut()
      else if (what === 'reset') proxy.reset()
      else if (what === 'end') client.socket.end()
      else if (what === 'clientReset') resetSocket(client.socket)
      else if (what === 'serverReset') servers.forEach(({ socket }) => resetSocket(socket))
      else if (what === 'halfUp') proxy.halfClose('up')
      else if (what === 'halfDown') proxy.halfClose('down')
      else if (what === 'freeze') proxy.freeze(where)
      else if (what === 'thaw') proxy.thaw()
      else if (what === 'delay') proxy.delay(index)
      else if (what === 'throttle') proxy.throttle(5000)
      else if (what === 'send') for (const { socket } of [...clients, ...servers]) socket.write(Buffer.alloc(100_000))
      else if (what === 'turn') await settled()
      else if (what === 'advance') clock.advance(100)
      else if (what === 'refuse') proxy.refuse(index % 3 !== 0)
      else clients.push(dial(t, proxy.port))
    }
    await proxy.close()
    assert.deepEqual([proxy.connections, clock.timers], [[], 0])
    for (const { socket } of [...clients, ...servers]) socket.destroy()
  }), { numRuns: 60 })
  await target.close()
  // A socket that is reset in the wrong moment is left open by Node, and destroyed all the same.
  await until(() => tcpResources().length === before)
  t.pass('the property holds')
})
