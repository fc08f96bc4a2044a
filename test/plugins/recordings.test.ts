import t from 'tap'
import type { Test } from 'tap'
import WebSocket from 'ws'
import { Link } from '../../lib/client/index.js'
import type { RecordingLight } from '../../lib/client/index.js'
import { ChaosProxy, Inbox } from '../../lib/testing/index.js'
import type { Notice } from '../../lib/trunk/notices.js'
import type { RecordingChange } from '../../plugins/trunkline.js'
import { startEndpoint } from '../endpoint-server.js'
import type { EndpointServer } from '../endpoint-server.js'
import { joinLink } from '../link-client.js'
import { startApp, trunkState } from '../support.js'
import type { TestApp, TestOptions } from '../support.js'

/** Beats that no test lives to see. */
const NEVER = { clientMs: 2 ** 31 - 1, trunkMs: 2 ** 31 - 1 }

function change (recordingId: string, status: NonNullable<Notice['recording']>['status'], revision: number, more: Partial<Notice['recording']> = {}): Notice {
  return { type: 'recording', roomId: 'room', recording: { recordingId, status, revision, ...more } }
}

const portOf = (url: string): number => Number(new URL(url).port)

async function proxied (t: Test, port: number): Promise<ChaosProxy> {
  const proxy = await ChaosProxy.listen({ target: { port } })
  t.teardown(() => proxy.close())
  return proxy
}

/** A backend that reaches its media server through a proxy, and tells what its hook hears. */
async function backend (t: Test, server: EndpointServer, options: TestOptions = {}): Promise<{ app: TestApp, trunk: ChaosProxy, heard: Inbox<RecordingChange> }> {
  const trunk = await proxied(t, portOf(server.options.url))
  const heard = new Inbox<RecordingChange>()
  const app = await startApp(t, { ...server.options, url: `ws://127.0.0.1:${trunk.port}` }, { heartbeat: NEVER, hooks: { onRecording: (recording) => { heard.push(recording) } }, ...options })
  await trunkState(app.app, 'up')
  return { app, trunk, heard }
}

/** A client through a proxy, and each light that it has shown. */
async function client (t: Test, { host }: TestApp): Promise<{ link: Link, proxy: ChaosProxy, lights: Inbox<RecordingLight> }> {
  const proxy = await proxied(t, Number(host.split(':')[1]))
  const link = new Link({
    url: `ws://127.0.0.1:${proxy.port}/signaling`, token: JSON.stringify({ roomId: 'room' }), WebSocket: WebSocket as unknown as typeof globalThis.WebSocket, reconnect: { delayMs: () => 5 }
  })
  t.teardown(() => link.destroy())
  const lights = new Inbox<RecordingLight>()
  link.on('recordings', (light) => lights.push(light))
  link.join()
  t.equal(await lights.take(), 'off')
  return { link, proxy, lights }
}

/** The trunk and the client's link break at the same moment, and come back when the media server has done what it does meanwhile. */
async function outage (t: Test, begin: Notice[], meanwhile: Notice[], trunkFirst: boolean): Promise<RecordingLight[]> {
  const server = await startEndpoint(t)
  const { app, trunk } = await backend(t, server)
  const { link, proxy, lights } = await client(t, app)
  for (const notice of begin) server.endpoint.notify(notice)
  if (begin.length > 0) t.equal(await lights.take(), 'on')
  const isDown = trunkState(app.app, 'down')
  trunk.refuse(true)
  proxy.refuse(true)
  trunk.cut()
  proxy.cut()
  await isDown
  t.equal(await lights.take(), 'unknown')
  t.equal(link.recordingLight, 'unknown')
  t.equal(app.app.trunkline.recordings('room').isKnown, false)
  for (const notice of meanwhile) server.endpoint.notify(notice)
  const [first, second] = trunkFirst ? [trunk, proxy] : [proxy, trunk]
  first.refuse(false)
  if (trunkFirst) await trunkState(app.app, 'up')
  else await proxy.nextConnection()
  t.equal(link.recordingLight, 'unknown', 'while either is away nobody knows')
  second.refuse(false)
  const light = await lights.take()
  t.equal(link.recordingLight, light)
  return [light, ...lights.takeAll()]
}

for (const trunkFirst of [true, false]) {
  t.test(`the worst that can befall a light, ${trunkFirst ? 'the trunk' : 'the client'} back first`, async (t) => {
    t.same(await outage(t, [change('r', 'active', 1)], [change('r', 'failed', 2, { error: 'disk full' })], trunkFirst), ['off'], 'failed meanwhile: it goes out by itself')
    t.same(await outage(t, [], [change('r', 'active', 1)], trunkFirst), ['on'], 'began meanwhile: it is lit by itself')
    t.same(await outage(t, [change('r', 'active', 1)], [change('r', 'finished', 2), change('next', 'active', 1)], trunkFirst), ['on'], 'one ended and another began')
    t.same(await outage(t, [change('r', 'active', 1)], [], trunkFirst), ['on'], 'nothing happened')
  })
}

t.test('a client is asking again when the trunk breaks: its light does not stay as it was', async (t) => {
  const server = await startEndpoint(t)
  const { app, trunk } = await backend(t, server)
  server.endpoint.notify(change('r', 'active', 1))
  const { link, joined } = await joinLink(t, app)
  t.match(joined.recordings, [{ recordingId: 'r', status: 'active' }])
  // What it asks is never answered.
  trunk.freeze()
  link.ask({ roomId: 'room' }, { peerId: joined.peerId, key: joined.key, received: 0 })
  link.control({ type: 'nothing' })
  while (app.app.trunkline.peers.get(joined.peerId)?.state !== 'opening') await new Promise((resolve) => setImmediate(resolve))
  trunk.refuse(true)
  trunk.cut()
  t.same((await link.heard('recordings')).recordings, null)
})

t.test('joined and what is told carry what a light needs, and neither files nor errors', async (t) => {
  const server = await startEndpoint(t)
  const { app, heard } = await backend(t, server)
  const plain = await app.join({ roomId: 'room', peerId: 'plain' })
  const peer = await server.peers.take()
  const startedAt = new Date(1_700_000_000_000)
  server.endpoint.notify(change('r', 'active', 1, { startedAt, file: '/secret/file.webm' }))
  t.match(await heard.take(), { recordingId: 'r', file: '/secret/file.webm', startedAt })
  const { link, joined } = await joinLink(t, app)
  const state = { recordingId: 'r', status: 'active', revision: 1, startedAt: startedAt.getTime() }
  t.same(joined.recordings, [state])
  server.endpoint.notify(change('r', 'failed', 2, { file: '/secret/file.webm', error: 'no space in /secret' }))
  t.same((await link.heard('recordings')).recordings, [{ ...state, status: 'failed', revision: 2, startedAt: null }])
  server.endpoint.notify({ ...change('elsewhere', 'active', 1), roomId: 'another room' })
  t.match(await heard.take(({ recordingId }) => recordingId === 'elsewhere'), { roomId: 'another room' })
  t.match(app.app.trunkline.recordings('another room'), { isKnown: false, recordings: [{ recordingId: 'elsewhere' }] })
  server.endpoint.notify(change('r', 'active', 1))
  server.endpoint.notify(change('r', 'failed', 2))
  await heard.take(({ revision }) => revision === 2)
  while (app.app.trunkline.stats().recordings.late < 1) await new Promise((resolve) => setImmediate(resolve))
  t.match((await joinLink(t, app)).joined.recordings, [{ status: 'failed' }], 'what comes late, or twice, changes nothing')
  t.same(link.rest().filter(({ kind }) => kind === 'control'), [], 'nor is it told')
  peer.send('hello')
  t.equal(await plain.receiveText(), 'hello', 'the first that a plain client hears')
})

t.test('a recording outlives its room: the app hears of it, and so does who comes next', async (t) => {
  const server = await startEndpoint(t)
  const { app, heard } = await backend(t, server)
  const { link } = await joinLink(t, app)
  server.endpoint.notify(change('r', 'active', 1))
  await link.heard('recordings')
  await link.client.close()
  while (server.endpoint.stats().peers > 0) await new Promise((resolve) => setImmediate(resolve))
  server.endpoint.notify(change('r', 'finished', 2))
  server.endpoint.notify(change('r', 'available', 3, { file: 'r.webm' }))
  t.match(await heard.take(({ status }) => status === 'available'), { roomId: 'room', file: 'r.webm' })
  t.match((await joinLink(t, app)).joined.recordings, [{ status: 'available' }])
})

t.test('two backends: clients of both hear of it, also when the other has dealt with it first', async (t) => {
  const server = await startEndpoint(t)
  const quick = await backend(t, server)
  const slow = await backend(t, server, { hooks: { onRecording: async () => { throw new Error('no database') } } })
  const links = [(await joinLink(t, quick.app)).link, (await joinLink(t, slow.app)).link]
  slow.trunk.freeze()
  server.endpoint.notify(change('r', 'active', 1))
  await quick.heard.take()
  while (server.endpoint.stats().notifications > 0) await new Promise((resolve) => setImmediate(resolve))
  slow.trunk.thaw()
  for (const link of links) t.match((await link.heard('recordings')).recordings, [{ recordingId: 'r', status: 'active' }])
  t.match((await joinLink(t, slow.app)).joined.recordings, [{ status: 'active' }])
})

t.test('a process that ends before its hook has dealt with it: the next one hears it', async (t) => {
  const server = await startEndpoint(t)
  let failed = (): void => {}
  const hasFailed = new Promise<void>((resolve) => { failed = resolve })
  const first = await backend(t, server, { hooks: { onRecording: async () => { failed(); throw new Error('no database') } } })
  await joinLink(t, first.app)
  server.endpoint.notify(change('r', 'active', 1))
  const id = server.endpoint.notify(change('r', 'available', 2))
  await hasFailed
  await first.app.app.close()
  t.equal(server.endpoint.stats().notifications, 2)
  const { heard } = await backend(t, server)
  t.match([await heard.take(), await heard.take()], [{ revision: 1 }, { revision: 2, id }])
  while (server.endpoint.stats().notifications > 0) await new Promise((resolve) => setImmediate(resolve))
})
