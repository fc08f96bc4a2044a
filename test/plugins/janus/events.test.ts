import t from 'tap'
import type { Test } from 'tap'
import { FakeClient, Inbox, UpgradeRefused } from '../../../lib/testing/index.js'
import type { Notification, Recording } from '../../../plugins/trunkline.js'
import { trunkState } from '../../support.js'
import type { TestOptions } from '../../support.js'
import { attach, create, start } from './support.js'
import type { Stage } from './support.js'

const KEY = 'a key of the event handler'
const events = { path: '/janus-events', key: KEY }

interface EventStage extends Stage {
  notifications: Inbox<Notification>
  recordings: Inbox<Recording>
  handler (key?: string, protocols?: string[]): Promise<FakeClient>
}

async function stage (t: Test, options: TestOptions = {}): Promise<EventStage> {
  const notifications = new Inbox<Notification>()
  const recordings = new Inbox<Recording>()
  const made = await start(t, { driver: { events }, hooks: { onNotification: (notification) => notifications.push(notification), onRecording: (recording) => recordings.push(recording) }, ...options })
  return {
    ...made,
    notifications,
    recordings,
    async handler (key = KEY, protocols = ['janus-events']) {
      const client = await FakeClient.connect(`${made.base}/janus-events?key=${encodeURIComponent(key)}`, { protocols })
      t.teardown(() => client.cut())
      return client
    }
  }
}

const event = (fields: object): object => ({ emitter: 'janus', type: 64, timestamp: 1_795_167_910_508_344, ...fields })

t.test('what the event handler says is told, of the peer that it is about', async (t) => {
  const { join, handler, notifications, recordings } = await stage(t)
  const client = await join({ roomId: 'blue', peerId: 'ada' })
  const sessionId = await create(client)
  await attach(client, sessionId)
  const janus = await handler()
  janus.send(JSON.stringify(event({ session_id: sessionId, handle_id: 7, event: { plugin: 'janus.plugin.videoroom', data: { event: 'joined', room: 1234 } } })))
  t.match(await notifications.take(), { type: 'janus.plugin', roomId: 'blue', peerId: 'ada', at: new Date(1_795_167_910_508), payload: { session_id: sessionId, event: { data: { event: 'joined' } } } })
  janus.send(JSON.stringify([
    event({ type: 16, session_id: 12345, opaque_id: 'ada', event: { connection: 'webrtcup' } }),
    event({ event: { plugin: 'janus.plugin.videoroom', data: { event: 'unpublished', room: 1234, id: 3 } } }),
    event({ opaque_id: 'somebody else', event: { plugin: 'janus.plugin.videoroom', data: { event: 'joined', room: 'red' } } }),
    'no event', { type: 'x' }, null,
    event({ type: 4, event: { schema: 'my.recording', data: {} } })
  ]))
  t.match(await notifications.take(), { type: 'janus.webrtc', roomId: 'blue', peerId: 'ada' })
  t.match(await notifications.take(), { type: 'janus.plugin', roomId: '1234', peerId: '' })
  t.match(await notifications.take(), { roomId: 'red', peerId: '' })
  t.match(await notifications.take(), { type: 'janus.external', roomId: '', peerId: '' })
  await client.close()
  janus.send(JSON.stringify(event({ session_id: sessionId, opaque_id: 'ada', event: { plugin: 'janus.plugin.recordplay', data: { event: 'recording', id: 99 } } })))
  t.match(await recordings.take(), { recordingId: '99', roomId: 'blue', status: 'active' }, 'of one that has left, too')
  janus.send(JSON.stringify(event({ opaque_id: 'ada', event: { plugin: 'janus.plugin.recordplay', data: { event: 'stopped', id: 99 } } })))
  t.match(await recordings.take(), { recordingId: '99', status: 'finished' })
  janus.send(JSON.stringify(event({ event: { plugin: 'janus.plugin.audiobridge', data: { event: 'recordingdone', room: 7, record_file: '/rec/7.wav' } } })))
  t.match(await recordings.take(), { recordingId: '/rec/7.wav', roomId: '7', status: 'available', file: '/rec/7.wav' })
})

t.test('only Janus gets in, and the key stays out of the log', async (t) => {
  const { handler, log, base, host } = await stage(t)
  await t.rejects(handler('another key'), new UpgradeRefused(401, {}))
  await t.rejects(FakeClient.connect(`${base}/janus-events`, { protocols: ['janus-events'] }), { message: /401/ })
  await t.rejects(handler(KEY, ['chat']), { message: /400/ })
  t.equal((await fetch(`http://${host}/janus-events?key=${encodeURIComponent(KEY)}`)).status, 426)
  await handler()
  await handler()
  await t.rejects(handler(), { message: /503/ }, 'and but twice')
  await t.rejects(FakeClient.connect(`${base}/janus-event?key=${encodeURIComponent(KEY)}`, { protocols: ['janus-events'] }), { message: /404/ })
  t.notMatch(JSON.stringify(log), /a key of|a%20key|another/)
})

t.test('nonsense is counted, and harms nobody', async (t) => {
  const { handler, notifications, app } = await stage(t)
  const janus = await handler()
  for (const text of ['', 'x', '7', 'null', '{}', '[{}]', '{"type":64}', '{"type":64,"event":[]}', '['.repeat(100_000)]) janus.send(text)
  janus.send('[]')
  janus.send(JSON.stringify(event({ timestamp: 1e300, session_id: 'x', opaque_id: {}, event: { data: { room: {} } } })))
  t.match(await notifications.take(), { type: 'janus.plugin', roomId: '', peerId: '' })
  t.equal(app.trunkline.stats().trunk.dropped['malformed event'], 9)
  janus.send('x'.repeat(9 * 1024 * 1024))
  t.equal((await janus.closed).code, 1009)
})

t.test('a burst of what Janus has kept waits for the app, and all of it is told, in order', async (t) => {
  const EVENTS = 5_000
  const seen: number[] = []
  let most = 0
  let running = 0
  let done = (): void => {}
  const all = new Promise<void>((resolve) => { done = resolve })
  const { handler, app, log } = await stage(t, {
    hooks: {
      async onNotification ({ payload }) {
        most = Math.max(most, ++running)
        await new Promise(setImmediate)
        running--
        seen.push((payload as { event: { data: { n: number } } }).event.data.n)
        if (seen.length === EVENTS) done()
      }
    }
  })
  await trunkState(app, 'up')
  const janus = await handler()
  for (let n = 0; n < EVENTS; n += 100) {
    janus.send(JSON.stringify(Array.from({ length: 100 }, (_, i) => event({ event: { plugin: 'janus.plugin.videoroom', data: { n: n + i, room: 'one' } } }))))
  }
  await all
  t.same(seen, Array.from({ length: EVENTS }, (_, n) => n))
  t.equal(most, 1, 'one after the other in a room')
  t.notOk(log.some(({ msg }) => /is not told again|is left with/.test(msg as string)))
})

t.test('closing lets go of the event handler too', async (t) => {
  const { handler, app } = await stage(t)
  const janus = await handler()
  const closed = janus.closed
  await app.close()
  t.match(await closed, { code: 1001 })
})

t.test('a route that is taken, and a key that is too short', async (t) => {
  await t.rejects(start(t, { driver: { events: { path: '/signaling', key: KEY } } }), { code: 'TRK_ERR_ROUTE_TAKEN' })
  await t.rejects(start(t, { driver: { events: { path: '/janus-events', key: 'short' } } }), { code: 'TRK_ERR_OPTION', message: /mediaServer.events.key/ })
})
