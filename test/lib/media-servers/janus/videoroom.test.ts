import t from 'tap'
import { JanusRoomError } from '../../../../lib/errors.js'
import { checkJanusOptions } from '../../../../lib/media-servers/janus/options.js'
import type { JanusOptions } from '../../../../lib/media-servers/janus/options.js'
import { ExpectedPeers } from '../../../../lib/media-servers/janus/expected-peers.js'
import { isDescriptor } from '../../../../lib/media-servers/janus/signed-token.js'
import { VideoRoom } from '../../../../lib/media-servers/janus/videoroom.js'

function videoRoom (options: Partial<JanusOptions> = {}): { room: VideoRoom, said: object[] } {
  const said: object[] = []
  const room = new VideoRoom(checkJanusOptions({ url: 'ws://localhost', ...options }), {
    async message (_plugin, body) {
      said.push(body)
      return {}
    }
  })
  return { room, said }
}

t.test('what VideoRoom calls a room', async (t) => {
  const { room } = videoRoom()
  t.equal(room.room('1234'), 1234)
  t.equal(room.room('lobby'), 'lobby')
  t.equal(room.room('9'.repeat(20)), '9'.repeat(20), 'no integer that JavaScript knows')
  for (const answered of [0, -1, 1.5, NaN, 2 ** 60, null, undefined, {}, 'a\0', 'a\ud800'] as never[]) {
    t.throws(() => videoRoom({ room: () => answered }).room.room('lobby'), JanusRoomError, String(answered))
  }
})

t.test('what the app calls one is known of the last ten thousand that it calls otherwise', async (t) => {
  const { room } = videoRoom({ room: (roomId) => Number(roomId.slice(1)) })
  for (let n = 1; n <= 10_001; n++) await room.participants(`r${n}`)
  t.equal(room.idOf(2), 'r2')
  t.equal(room.idOf(10_001), 'r10001')
  t.equal(room.idOf(1), '1')
  await room.participants('x2')
  t.equal(room.idOf(2), 'x2', 'the last')
  const { room: same } = videoRoom()
  await same.participants('007')
  t.equal(same.idOf(7), '007')
  await same.participants('7')
  t.equal(same.idOf(7), '7')
})

t.test('secrets go where they belong', async (t) => {
  const { room, said } = videoRoom({ roomSecret: async (roomId) => `of ${roomId}`, adminKey: async () => 'key' })
  await room.create('1', { bitrate: 5, request: 'destroy', secret: 'other', admin_key: 'other' })
  await room.manage('1', { request: 'destroy' })
  await room.list()
  await room.participants('1')
  await room.participantsOf('x')
  t.same(said, [
    { bitrate: 5, request: 'create', admin_key: 'key', secret: 'of 1', room: 1 },
    { request: 'destroy', secret: 'of 1', room: 1 },
    { request: 'list', admin_key: 'key' },
    { request: 'listparticipants', room: 1 },
    { request: 'listparticipants', room: 'x' }
  ])
})

t.test('who is expected beyond ten thousand makes the first forgotten', async (t) => {
  let now = 0
  const expected = new ExpectedPeers(() => now)
  for (let n = 0; n <= 10_000; n++) expected.add({ room: `r${n % 2}`, peerId: `p${n}`, metadata: null, until: 10 + n })
  t.equal(expected.delete('r0', 'p0'), false)
  t.equal(expected.delete('r1', 'p1'), true)
  t.equal(expected.byRoom().get('r0')!.length, 5_000)
  now = 10_009
  t.same([...expected.byRoom().values()].flat().map(({ peerId }) => peerId), ['p10000'])
  expected.forget('r0')
  expected.forget('r2')
  t.equal(expected.byRoom().size, 0)
})

t.test('what can stand in a token', async (t) => {
  for (const text of ['room=1', 'room=a b', 'Ä']) t.equal(isDescriptor(text), true, text)
  for (const text of ['a,b', 'a:b', 'a\0']) t.equal(isDescriptor(text), false, text)
})

t.test('options', async (t) => {
  const wrong = (options: Partial<Record<keyof JanusOptions, unknown>>, message: RegExp): void => {
    t.throws(() => checkJanusOptions({ url: 'ws://localhost', ...options } as JanusOptions), { message })
  }
  wrong({ adminKey: 1 }, /'mediaServer.adminKey' must be a string/)
  wrong({ tokenSecret: 1 }, /'mediaServer.tokenSecret' must be a string/)
  wrong({ newRoom: {} }, /'mediaServer.newRoom' must be a function/)
  wrong({ publicUrl: 'https://localhost' }, /'mediaServer.publicUrl' must be a URL/)
  wrong({ publicUrl: 'wss://' }, /'mediaServer.publicUrl' must be a URL/)
  wrong({ tokenMs: 999 }, /'mediaServer.tokenMs'/)
  t.equal(checkJanusOptions({ url: 'ws://localhost' }).tokenMs, 14_400_000)
})
