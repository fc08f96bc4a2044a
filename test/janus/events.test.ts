import Fastify from 'fastify'
import t from 'tap'
import { janus } from '../../lib/media-servers/janus.js'
import trunkline from '../../plugins/trunkline.js'
import type { Notification } from '../../plugins/trunkline.js'
import { withoutJanus } from '../setup/janus.js'
import { FakeClient } from '../../lib/testing/index.js'
import { until } from '../e2e/support/until.js'
import { trunkState } from '../support.js'
import { ROOM, freePorts } from './support/janus-config.js'
import { JanusServer } from './support/janus-server.js'

const KEY = 'a key of the event handler'

t.test('the event handler of a real Janus comes, and says of whom it speaks', { skip: withoutJanus() }, async (t) => {
  const { api: port } = await freePorts()
  const server = await JanusServer.start({ events: { url: `ws://127.0.0.1:${port}/janus-events?key=${encodeURIComponent(KEY)}` } })
  t.teardown(() => server.stop())
  // It has tried to connect in vain by now, and keeps what happens.
  await server.call({ janus: 'create' })
  const told: Notification[] = []
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(trunkline, {
    mediaServer: janus({ url: server.url, apiSecret: server.apiSecret, events: { path: '/janus-events', key: KEY } }),
    authenticate: (_request, { token }) => ({ roomId: 'blue', peerId: token }),
    hooks: { onNotification: (notification) => { told.push(notification) } }
  })
  await app.listen({ port, host: '127.0.0.1' })
  await trunkState(app, 'up')
  const client = await FakeClient.connect(`ws://127.0.0.1:${port}/signaling?token=ada`)
  t.teardown(() => client.cut())
  client.send(JSON.stringify({ body: { request: 'join', ptype: 'publisher', room: ROOM.id, id: 7, display: 'Ada' } }))
  const event = ({ payload }: Notification): Record<string, any> => (payload as { event: Record<string, any> }).event
  const heard = async (what: string, fits: (notification: Notification) => boolean): Promise<Notification> => await until(what, () => told.find(fits))
  t.ok(await heard('what was kept comes', ({ type, peerId }) => type === 'janus.session' && peerId === ''), 'what happened before, of nobody here')
  t.match(await heard('the handle is attached', ({ type, peerId }) => type === 'janus.handle' && peerId === 'ada'), { roomId: 'blue' })
  const joined = await heard('the peer has joined', (each) => each.type === 'janus.plugin' && event(each).data?.event === 'joined')
  t.match(joined, { peerId: 'ada', roomId: 'blue', payload: { event: { data: { room: ROOM.id, id: 7 } } } })
  t.ok(Math.abs(joined.at.getTime() - Date.now()) < 60_000)
  await client.close()
  const left = await heard('the peer has left', (each) => each.type === 'janus.handle' && event(each).name === 'detached')
  t.match(left, { peerId: 'ada', roomId: 'blue' }, 'also when it has left')
  t.notOk(app.trunkline.stats().trunk.dropped['malformed event'])
})
