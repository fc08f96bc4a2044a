import Fastify from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import trunkline from 'trunkline'
import { FakeControl, FakeMediaServer } from 'trunkline/testing'
import { DirectRooms, FRESH_MS } from '../../../examples/video-call/direct-rooms.js'

interface Stage {
  rooms: DirectRooms
  control: FakeControl
  at: (ms: number) => void
  admit: (roomId: string) => Promise<unknown>
}

async function stage (t: Test): Promise<Stage> {
  const control = await FakeControl.listen({ publicUrl: 'ws://media.example/signaling' })
  t.teardown(() => control.close())
  const mediaServer = await FakeMediaServer.listen()
  t.teardown(() => mediaServer.close())
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(trunkline, { mediaServer: { ...mediaServer.options, apiUrl: control.url, apiToken: control.token }, mode: 'direct' })
  await app.ready()
  let now = 1_000_000
  const rooms = new DirectRooms(app.trunkline, app.log, () => now)
  let peers = 0
  return {
    rooms,
    control,
    at: (ms) => { now = 1_000_000 + ms },
    admit: async (roomId) => await rooms.admit({ roomId, peerId: `peer-${++peers}`, metadata: null }, {})
  }
}

t.test('a room is made for the first who comes', async (t) => {
  const { control, admit } = await stage(t)
  t.same(await admit('a'), { peerId: 'peer-1', url: 'ws://media.example/signaling', token: 'ticket of peer-1' })
  await admit('a')
  t.same([...control.rooms.get('a')!.peers.keys()], ['peer-1', 'peer-2'])
  t.equal(control.requests.filter(({ method, path }) => method === 'POST' && path === '/room').length, 1, 'once')
})

t.test('also where several come at once', async (t) => {
  const { control, admit } = await stage(t)
  await Promise.all(Array.from({ length: 10 }, () => admit('a')))
  t.equal(control.rooms.get('a')!.peers.size, 10)
})

t.test('what else is wrong is told as it is', async (t) => {
  const { control, admit } = await stage(t)
  await admit('a')
  control.rooms.get('a')!.peers.clear()
  control.rooms.join('a', 'relayed')
  const before = control.requests.length
  await t.rejects(admit('a'), { code: 'TRK_ERR_ROOM_MODE' })
  t.equal(control.requests.length, before + 1, 'and nothing else is tried')
  control.respond = () => ({ status: 401 })
  await t.rejects(admit('b'), { code: 'TRK_ERR_CONTROL_UNAUTHORIZED' })
})

t.test('rooms that nobody is in any more are deleted when the next is made', async (t) => {
  const { control, at, admit } = await stage(t)
  for (const roomId of ['left', 'in use', 'gone', 'fresh']) await admit(roomId)
  await control.rooms.answer('POST', '/room', { roomId: 'of another' })
  control.rooms.get('left')!.peers.clear()
  control.rooms.delete('gone')
  at(FRESH_MS)
  await admit('next')
  t.ok(control.rooms.has('left'), 'not yet: somebody may be on the way')
  await admit('fresh')
  control.rooms.get('fresh')!.peers.clear()
  at(FRESH_MS + 1)
  await admit('yet another')
  t.same([...control.rooms.keys()], ['in use', 'fresh', 'of another', 'next', 'yet another'])
  at(3 * FRESH_MS)
  await admit('the last')
  t.notOk(control.rooms.has('fresh'), 'each in its time')
})

t.test('a room that cannot be deleted keeps nobody out', async (t) => {
  const { control, at, admit } = await stage(t)
  await admit('left')
  control.rooms.get('left')!.peers.clear()
  at(FRESH_MS + 1)
  control.respond = ({ method }) => method === 'DELETE' ? { status: 500, body: { errors: 'no' } } : undefined
  await admit('next')
  t.ok(control.rooms.has('next'))
})
