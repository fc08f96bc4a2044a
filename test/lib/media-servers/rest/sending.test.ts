import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import t from 'tap'
import { FakeControl, Inbox, ManualClock } from '../../../../lib/testing/index.js'
import type { FakeControlFault } from '../../../../lib/testing/index.js'
import { answerAll, asking, thrownBy } from './asking.js'
import { TOKEN, startControl } from './support.js'

/** Listens without a word of HTTP of its own; closed at the end of the test. */
async function listen (t: { teardown (fn: () => unknown): void }, receive: (socket: Socket) => void): Promise<Server & { port: number }> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    receive(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return Object.assign(server, { port: (server.address() as AddressInfo).port })
}

t.test('what only asks or deletes is sent three times, and anything else once', async (t) => {
  const { server, control, lines } = await startControl(t)
  const faults: Array<[FakeControlFault, string]> = [
    ['reset', 'TRK_ERR_CONTROL_UNREACHABLE'], ['half', 'TRK_ERR_CONTROL_UNREACHABLE'],
    [{ status: 502, body: '<html>' }, 'TRK_ERR_CONTROL_REFUSED'], [{ status: 503 }, 'TRK_ERR_CONTROL_REFUSED'], [{ status: 504 }, 'TRK_ERR_CONTROL_REFUSED']
  ]
  for (const [fault, code] of faults) {
    for (const [asked, ask] of Object.entries(asking)) {
      answerAll(server, asked, fault)
      server.requests.length = lines.length = 0
      t.match(await thrownBy(ask(control)), { code })
      const sent = server.requests.filter(({ method, path }) => `${method} ${path}` === asked).length
      t.equal(sent, asked.startsWith('POST') ? 1 : 3, `${asked} where the answer is ${JSON.stringify(fault)}`)
      t.equal(lines.length, sent - 1, 'each repetition is logged')
    }
  }
})

t.test('no other answer is asked for twice', async (t) => {
  const { server, control } = await startControl(t)
  for (const fault of [{ status: 500 }, { status: 400 }, { status: 401 }, { status: 429 }, { status: 302 }, { status: 200, body: '{' }, { status: 200, body: Buffer.alloc(2 ** 21, ' ') }]) {
    server.respond = () => fault
    server.requests.length = 0
    await thrownBy(control.getRoom('r'))
    t.equal(server.requests.length, 1, `${fault.status}`)
  }
})

t.test('what works at last has worked; what an earlier sending has deleted is deleted', async (t) => {
  const { server, control } = await startControl(t)
  const first = (fault: FakeControlFault): void => {
    let n = 0
    server.respond = () => n++ === 0 ? fault : undefined
  }
  await control.createRoom({ roomId: 'r' })
  server.rooms.join('r', 'p')
  first('reset')
  t.equal((await control.getRoom('r')).id, 'r')
  first('done, and reset')
  await control.removePeer('r', 'p')
  t.equal(server.rooms.get('r')!.peers.size, 0)
  first({ status: 504, isDone: true })
  await control.deleteRoom('r')
  t.equal(server.rooms.size, 0)
  t.match(await thrownBy(control.deleteRoom('r')), { code: 'TRK_ERR_ROOM_NOT_FOUND' }, 'one that is the first is told')
  await control.createRoom({ roomId: 'r' })
  await control.startRecording('r')
  let n = 0
  server.respond = ({ method }) => method === 'DELETE' && n++ === 0 ? 'done, and reset' : undefined
  t.same(await control.stopRecording('r'), [])
})

t.test('a 404 that is not the API\'s own deletes nothing', async (t) => {
  const { server, control } = await startControl(t)
  let n = 0
  server.respond = () => n++ === 0 ? 'reset' : { status: 404, body: '<html>' }
  t.match(await thrownBy(control.deleteRoom('r')), { code: 'TRK_ERR_CONTROL_ANSWER' })
})

t.test('where nobody listens everything is sent again, and nothing has been deleted by it', async (t) => {
  for (const [asked, ask] of Object.entries(asking)) {
    const gone = await FakeControl.listen()
    const { url } = gone
    await gone.close()
    const { control, lines } = await startControl(t, { url })
    const error = await thrownBy(ask(control))
    t.match(error, { code: 'TRK_ERR_CONTROL_UNREACHABLE', message: /\(ECONNREFUSED\)/ })
    t.equal(lines.length, 2, asked)
  }
  for (const method of ['POST', 'DELETE']) {
    const clock = new ManualClock()
    const gone = await FakeControl.listen()
    const { url, port } = gone
    await gone.close()
    // It comes up while it is waited for.
    const { control } = await startControl(t, {
      url,
      clock,
      log: { debug: () => { void FakeControl.listen({ port, token: TOKEN }).then((server) => { t.teardown(() => server.close()); clock.advance(1_000) }) } } as never
    })
    if (method === 'POST') t.equal((await control.createRoom({ roomId: 'r' })).id, 'r')
    else t.match(await thrownBy(control.deleteRoom('r')), { code: 'TRK_ERR_ROOM_NOT_FOUND' }, 'the first that can have got there')
    t.equal(clock.timers, 0)
  }
})

t.test('of connections that are reset as soon as they are there none is made without end', async (t) => {
  let connections = 0
  const server = await listen(t, (socket) => { connections++; socket.resetAndDestroy() })
  const { control } = await startControl(t, { url: `http://127.0.0.1:${server.port}` })
  t.match(await thrownBy(control.getRoom('r')), { code: 'TRK_ERR_CONTROL_UNREACHABLE' })
  t.equal(connections, 3)
  // Whether it is sent again depends on whether it was there for long enough to be sent at all.
  t.match(await thrownBy(control.createRoom({ roomId: 'r' })), { code: 'TRK_ERR_CONTROL_UNREACHABLE' })
  t.ok(connections <= 6)
})

t.test('what answers need not be HTTP', async (t) => {
  for (const bytes of ['SSH-2.0-OpenSSH_9\r\n', 'HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(20_000)}\r\n`]) {
    const server = await listen(t, (socket) => socket.once('data', () => socket.end(bytes)))
    const { control, lines } = await startControl(t, { url: `http://127.0.0.1:${server.port}` })
    t.match(await thrownBy(control.getRoom('r')), { code: 'TRK_ERR_CONTROL_ANSWER' }, bytes.slice(0, 30))
    t.same(lines, [])
  }
})

t.test('nothing is sent again that could not be answered in time', async (t) => {
  const { control, lines } = await startControl(t, { requestMs: 100, clock: new ManualClock(), random: () => 0.999, respond: () => ({ status: 503 }) })
  t.match(await thrownBy(control.getRoom('r')), { code: 'TRK_ERR_CONTROL_REFUSED' })
  t.same(lines, [])
})

t.test('a connection that does not come about is given up, and tried again', async (t) => {
  const clock = new ManualClock()
  // It takes connections, and never says a word of TLS.
  const sockets = new Inbox<Socket>()
  const server = await listen(t, (socket) => sockets.push(socket.resume()))
  const { control } = await startControl(t, {
    url: `https://127.0.0.1:${server.port}`, requestMs: 8_000, clock, log: { debug: () => setImmediate(() => clock.advance(0)) } as never
  })
  for (const asked of ['GET /room/r', 'POST /room']) {
    const error = thrownBy(asking[asked]!(control))
    for (let n = 0; n < 3; n++) {
      const socket = await sockets.take()
      clock.advance(1_999)
      t.equal(socket.destroyed, false)
      clock.advance(1)
      await once(socket, 'close')
    }
    t.match(await error, { code: 'TRK_ERR_CONTROL_UNREACHABLE', message: /\(UND_ERR_CONNECT_TIMEOUT\)/ }, asked)
  }
  t.equal(clock.timers, 0)
})
