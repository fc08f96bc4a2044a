import { EventEmitter } from 'node:events'
import { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import t from 'tap'
import { ClientSocket } from '../../../lib/dialects/client-socket.js'
import type { SocketLimits } from '../../../lib/dialects/socket-observer.js'
import { Heartbeats } from '../../../lib/heartbeat.js'
import { silentLogger } from '../../../lib/logger.js'
import { ManualClock } from '../../../lib/testing/index.js'

/** What of `ws` a client's socket uses: a kernel that takes as much as it is told to. */
class StubSocket extends EventEmitter {
  readonly OPEN = 1
  readyState = 1
  bufferedAmount = 0
  readonly extensions = ''
  isPaused = false
  readonly sent: Buffer[] = []
  readonly log: string[] = []

  send (data: Buffer): void { this.sent.push(data) }
  pause (): void { this.isPaused = true }
  resume (): void { this.isPaused = false }
  ping (): void { this.log.push('ping') }
  close (code: number): void { this.log.push(`close ${code}`) }
  terminate (): void { this.log.push('terminate') }
}

/** @param raw its TCP connection, where it is to have one */
function serve ({ heartbeatMs = 60_000, ...limits }: Partial<SocketLimits> & { heartbeatMs?: number } = {}, raw?: Socket) {
  const stub = new StubSocket()
  const clock = new ManualClock()
  const heard: string[] = []
  const ended: string[] = []
  const counts = { throttled: 0, throttles: 0 }
  const all: SocketLimits = {
    messageBytes: 1_000, preAuthBytes: 100, downlinkBytes: 10_000, closeMs: 500, messagesPerSecond: 10, messageBurst: 3, pausedMs: 10_000, ...limits
  }
  const socket = new ClientSocket(stub as unknown as WebSocket, raw, all, {
    counts, heartbeats: new Heartbeats(heartbeatMs, clock, 10), received () {}, closed () {}, wholeBytes: 0, clock, log: silentLogger
  })
  socket.observe({ message: (data) => heard.push(data.toString()), ended: ({ code, cause }) => ended.push(`${code} ${cause}`) })
  const say = (...messages: string[]): void => { for (const message of messages) stub.emit('message', Buffer.from(message), false) }
  return { socket, stub, clock, heard, ended, counts, say }
}

t.test('as much may be left unsent as the bound says; one byte more is too slow', async (t) => {
  const { socket, stub, ended } = serve()
  stub.bufferedAmount = 10_000
  socket.send(Buffer.from('x'), false)
  t.same([stub.sent.length, ended], [1, []])
  stub.bufferedAmount = 10_001
  socket.send(Buffer.from('x'), false)
  t.same([stub.sent.length, ended, stub.log], [1, ['4008 too slow'], ['close 4008']])
})

t.test('what has to wait behind what is left unsent does not keep a large read alive', async (t) => {
  const { socket, stub } = serve()
  const read = Buffer.alloc(64 * 1024, 7)
  socket.send(read.subarray(100, 300), true)
  t.equal(stub.sent[0]!.buffer, read.buffer, 'what goes out at once is not copied')
  stub.bufferedAmount = 1
  socket.send(read.subarray(100, 300), true)
  t.equal(stub.sent[1]!.buffer.byteLength, 200)
  t.same(stub.sent[1], read.subarray(100, 300))
})

t.test('a client has so long to answer a close, and is cut', async (t) => {
  const { socket, stub, clock } = serve()
  socket.close(1000, 'bye')
  clock.advance(499)
  t.same(stub.log, ['close 1000'])
  clock.advance(1)
  t.same(stub.log, ['close 1000', 'terminate'])
})

t.test('a message of the largest size passes, one byte more is 1009', async (t) => {
  const { heard, ended, say } = serve()
  say('x'.repeat(1_000))
  t.same([heard.length, ended], [1, []])
  say('x'.repeat(1_001))
  t.same([heard.length, ended], [1, ['1009 bad message']])
})

t.test('it is read while neither its owner holds it up nor it has sent too much', async (t) => {
  const { socket, stub, clock, heard, counts, say } = serve()
  socket.pause()
  t.equal(stub.isPaused, true)
  say('1', '2', '3', '4')
  t.same([heard, counts.throttled], [['1', '2', '3', '4'], 1], 'what was read is heard')
  socket.resume()
  t.equal(stub.isPaused, true, 'it still owes')
  socket.pause()
  clock.advance(200)
  t.same([stub.isPaused, counts.throttled], [true, 0], 'its owner still holds it')
  socket.resume()
  t.equal(stub.isPaused, false)
})

t.test('before it is let in nothing is counted, and being let in again is no new beginning', async (t) => {
  const { socket, stub, counts, say } = serve()
  socket.boundPreAuth()
  say('1', '2', '3', '4', '5')
  t.equal(stub.isPaused, false)
  socket.admitted()
  say('1', '2', '3')
  t.equal(stub.isPaused, false)
  socket.admitted()
  say('4')
  t.same([stub.isPaused, counts], [true, { throttled: 1, throttles: 1 }])
})

t.test('who owes is not taken for dead, and hears its close; of it no timer is left', async (t) => {
  const { socket, stub, clock, ended, counts, say } = serve({ heartbeatMs: 1_000 }, new Socket())
  say(...Array.from({ length: 50 }, String))
  clock.advance(4_500)
  t.same([ended, stub.isPaused], [[], true])
  socket.close(4410, 'removed')
  t.same([stub.isPaused, counts.throttled], [false, 0])
  stub.emit('close', 4410, Buffer.from('removed'))
  t.equal(clock.timers, 0)
})

t.test('whoever has to wait for too long is closed with 4429', async (t) => {
  const { stub, clock, ended, heard, say } = serve()
  // Three are free, and one that may be said again takes 100 ms: 10 000 ms for 99 too many.
  say(...Array.from({ length: 102 }, String))
  clock.advance(10_000)
  t.same([ended, stub.isPaused], [[], false])
  const beyond = serve()
  beyond.say(...Array.from({ length: 103 }, String))
  beyond.clock.advance(10_000)
  t.same(beyond.ended, [])
  beyond.clock.advance(1)
  t.same([beyond.ended, beyond.stub.log, beyond.stub.isPaused], [['4429 too many'], ['close 4429'], false])
  beyond.say('more')
  t.equal(beyond.heard.length, heard.length + 1, 'and is not heard any more')
})
