import type { Socket } from 'node:net'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { MAX_UNDER_WAY } from '../../../../lib/media-servers/rest/rest-client.js'
import { Inbox, ManualClock } from '../../../../lib/testing/index.js'
import { answerAll, asking, thrownBy } from './asking.js'
import { startControl } from './support.js'

const CONNECTIONS = 8

t.test('what is not answered in time is over, whatever was asked', async (t) => {
  const clock = new ManualClock()
  const { server, control } = await startControl(t, { clock, requestMs: 500 })
  for (const [asked, ask] of Object.entries(asking)) {
    answerAll(server, asked, 'hang')
    server.requests.length = 0
    const error = thrownBy(ask(control))
    await server.nextRequest(({ method, path }) => `${method} ${path}` === asked)
    clock.advance(499)
    t.equal(await Promise.race([error, 'under way']), 'under way')
    clock.advance(1)
    t.match(await error, { code: 'TRK_ERR_CONTROL_TIMEOUT', message: /within 500 ms/ }, asked)
  }
  t.equal(clock.timers, 0)
})

t.test('a body that does not end, and a token that does not come, take their time from the same', async (t) => {
  const clock = new ManualClock()
  const sockets = new Inbox<Socket>()
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"data":', () => sockets.push(socket)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { control } = await startControl(t, { clock, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
  const half = thrownBy(control.getRoom('r'))
  const socket = await sockets.take()
  const closed = new Promise((resolve) => socket.once('close', resolve))
  clock.advance(10_000)
  t.match(await half, { code: 'TRK_ERR_CONTROL_TIMEOUT' })
  await closed
  let give = (_token: string): void => {}
  const { server: asked, control: another } = await startControl(t, { clock, token: () => new Promise((resolve) => { give = resolve }) })
  const waits = thrownBy(another.createRoom({ roomId: 'r' }))
  clock.advance(10_000)
  t.match(await waits, { code: 'TRK_ERR_CONTROL_TIMEOUT' })
  give('late')
  t.match(await thrownBy(Promise.race([another.getRoom('r'), new Promise((_resolve, reject) => setImmediate(reject, new Error('waits')))])), { message: 'waits' })
  t.same(asked.requests, [], 'what is over is not sent once its token comes')
})

t.test('so many are under way, and one more is refused; what has waited too long is never sent', async (t) => {
  const clock = new ManualClock()
  const { server, control } = await startControl(t, { clock, respond: () => 'hang' })
  const all = Array.from({ length: MAX_UNDER_WAY }, async (_none, n) => await thrownBy(control.createRoom({ roomId: `r${n}` })))
  t.match(await thrownBy(control.getRoom('r')), { code: 'TRK_ERR_CONTROL_UNREACHABLE', message: /\(256 requests wait for it already\)/ })
  for (let n = 0; n < CONNECTIONS; n++) await server.nextRequest()
  t.equal(server.connections, CONNECTIONS)
  clock.advance(10_000)
  for (const error of await Promise.all(all)) t.match(error, { code: 'TRK_ERR_CONTROL_TIMEOUT' })
  t.equal(clock.timers, 0)
  server.respond = () => undefined
  await control.createRoom({ roomId: 'r' })
  t.equal(server.requests.length, CONNECTIONS + 1)
  t.same([...server.rooms.keys()], ['r'])
})

t.test('each gets its turn, over few connections', async (t) => {
  const { server, control } = await startControl(t)
  const ids = Array.from({ length: 200 }, (_none, n) => `r${n}`)
  const rooms = await Promise.all(ids.map(async (roomId) => await control.createRoom({ roomId })))
  t.same(rooms.map(({ id }) => id), ids)
  t.ok(server.connections <= CONNECTIONS)
})

t.test('when it is closed, what is under way is rejected at once, and nothing is asked any more', async (t) => {
  const clock = new ManualClock()
  const { server, control } = await startControl(t, { clock, respond: () => 'hang' })
  const all = Object.values(asking).map(async (ask) => await thrownBy(ask(control)))
  const waiting = Array.from({ length: 20 }, async () => await thrownBy(control.listRooms()))
  for (let n = 0; n < CONNECTIONS; n++) await server.nextRequest()
  await control.close()
  for (const error of await Promise.all([...all, ...waiting])) t.match(error, { code: 'TRK_ERR_CONTROL_UNREACHABLE', message: /closing/ })
  t.match(await thrownBy(control.listRooms()), { code: 'TRK_ERR_CONTROL_UNREACHABLE', message: /closing/ })
  await control.close()
  t.equal(server.requests.length, CONNECTIONS)
  t.equal(clock.timers, 0)
})

t.test('when it is closed, it waits neither for what connects nor for its next try', async (t) => {
  const clock = new ManualClock()
  const sockets = new Inbox<Socket>()
  const server = createServer((socket) => { sockets.push(socket.on('error', () => {}).resume()) })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { control } = await startControl(t, { clock, url: `https://127.0.0.1:${(server.address() as AddressInfo).port}` })
  const connecting = thrownBy(control.listRooms())
  const socket = await sockets.take()
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await control.close()
  await closed
  t.match(await connecting, { code: 'TRK_ERR_CONTROL_UNREACHABLE', message: /closing/ })
  let paused = (): void => {}
  const isPaused = new Promise<void>((resolve) => { paused = resolve })
  const { control: another } = await startControl(t, { clock, random: () => 0.5, respond: () => ({ status: 503 }), log: { debug: () => setImmediate(paused) } as never })
  const again = thrownBy(another.listRooms())
  await isPaused
  await another.close()
  t.match(await again, { code: 'TRK_ERR_CONTROL_UNREACHABLE', message: /closing/ })
  t.equal(clock.timers, 0)
})
