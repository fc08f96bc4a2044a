import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { FakeControl, FakeMediaServer, fakeFrame } from 'trunkline/testing'
import type { Bodies } from 'trunkline/testing'
import { buildApp } from '../../../examples/video-call/app.js'
import { signToken } from '../../../examples/video-call/token.js'

const SECRET = 'a secret of the tests'
const BYTES = 'not really a film'

interface Stage {
  app: FastifyInstance
  mediaServer: FakeMediaServer
  control: FakeControl
}

async function stage (t: Test): Promise<Stage> {
  const control = await FakeControl.listen({ publicUrl: 'ws://media.example:5003/signaling' })
  t.teardown(() => control.close())
  const mediaServer = await FakeMediaServer.listen()
  t.teardown(() => mediaServer.close())
  const app = await buildApp({ mediaServer: { ...mediaServer.options, apiUrl: control.url, apiToken: control.token }, directUrl: 'ws://media.example:5003/ignored', secret: SECRET })
  t.teardown(() => app.close())
  await app.ready()
  return { app, mediaServer, control }
}

interface Ticket {
  peerId: string
  url: string
  pass: string
}

async function admit (app: FastifyInstance, room: string, mode: 'relay' | 'direct'): Promise<Ticket> {
  return (await app.inject({ method: 'POST', url: `/rooms/${room}/peers`, body: { name: 'Ada', mode } })).json<Ticket>()
}

t.test('whoever is in a room has it recorded, and nobody else', async (t) => {
  const { app, control } = await stage(t)
  const { pass, url } = await admit(app, 'a', 'direct')
  t.equal(url, 'ws://media.example:5003/signaling', 'where the media server says')
  const ask = async (method: 'POST' | 'DELETE' | 'GET', path: string, authorization = `Bearer ${pass}`): Promise<number> =>
    (await app.inject({ method, url: path, headers: { authorization } })).statusCode

  t.equal(await ask('POST', '/rooms/a/recording'), 204)
  t.not(control.rooms.get('a')!.componentId, null)
  t.equal(await ask('POST', '/rooms/a/recording'), 204, 'again: it is harmless')
  t.equal(await ask('DELETE', '/rooms/a/recording'), 204)
  t.equal(control.rooms.get('a')!.componentId, null)

  const seen = control.requests.length
  const expired = signToken({ peerId: 'p', roomId: 'a', name: 'Ada', expiresAt: Date.now() - 1 }, SECRET)
  for (const [method, path] of [['POST', 'recording'], ['DELETE', 'recording'], ['GET', 'recordings']] as const) {
    t.equal(await ask(method, `/rooms/b/${path}`), 403, `${method} ${path} of another room`)
    for (const authorization of ['', 'Bearer x.y', `Bearer ${expired}`]) t.equal(await ask(method, `/rooms/a/${path}`, authorization), 401, `${method} ${path} with '${authorization.slice(0, 12)}'`)
  }
  t.equal(control.requests.length, seen, 'the media server has heard nothing of it')

  control.rooms.delete('a')
  const gone = await app.inject({ method: 'POST', url: '/rooms/a/recording', headers: { authorization: `Bearer ${pass}` } })
  t.equal(gone.statusCode, 404)
  t.match(gone.json(), { code: 'TRK_ERR_ROOM_NOT_FOUND', message: /no room 'a'/ }, 'what the media server refuses is said as it is')
})

t.test('a room of the other kind is refused in words', async (t) => {
  const { app, control } = await stage(t)
  await admit(app, 'a', 'direct')
  control.rooms.get('a')!.peers.clear()
  control.rooms.join('a', 'relayed')
  const refused = await app.inject({ method: 'POST', url: '/rooms/a/peers', body: { name: 'Ada', mode: 'direct' } })
  t.equal(refused.statusCode, 409)
  t.match(refused.json(), { code: 'TRK_ERR_ROOM_MODE', message: /by way of the backend/ })
})

t.test('a newer ticket is for the same way in', async (t) => {
  const { app } = await stage(t)
  for (const mode of ['direct', 'relay'] as const) {
    const { peerId, pass, url } = await admit(app, mode, mode)
    const newer = await app.inject({ method: 'POST', url: `/rooms/${mode}/peers/${peerId}/token`, headers: { authorization: `Bearer ${pass}` } })
    t.match(newer.json(), { peerId, url }, mode)
  }
})

t.test('the page may connect to the media server, and play what is recorded', async (t) => {
  const { app } = await stage(t)
  const { headers } = await app.inject('/')
  t.match(headers['content-security-policy'], "connect-src 'self' ws://media.example:5003;")
  t.match(headers['content-security-policy'], "media-src 'self'")
})

t.test('a file is offered with the name of who is in it, and served in parts', async (t) => {
  const { app, mediaServer } = await stage(t)
  const folder = await mkdtemp(join(tmpdir(), 'trunkline-files-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'whatever name.webm')
  await writeFile(file, BYTES)
  const { peerId, pass } = await admit(app, 'a', 'direct')
  await Promise.all([mediaServer.nextTrunk(), mediaServer.nextTrunk()])

  const tell = async (recordingId: string, path: string): Promise<void> => {
    for (const [index, status] of ['active', 'finished', 'available'].entries()) {
      const recording: NonNullable<Bodies['notification']['recording']> = { recordingId, roomId: 'a', status, revision: index + 1, startedAtMs: 5_000, file: status === 'available' ? path : '', durationMs: status === 'available' ? 1_500 : 0, error: '' }
      const id = `${recordingId}/${status}`
      // As a media server does: to each trunk, until somebody has handled it.
      for (const trunk of mediaServer.trunks) trunk.send(fakeFrame('notification', { id, roomId: 'a', peerId, type: 'recording', payload: '', atMs: 0, recording }))
      for (let told = 0; told < mediaServer.trunks.length; told++) await mediaServer.receive('done', ({ body }) => body === id)
    }
  }
  await tell('one', file)
  await tell('two', join(folder, 'missing.webm'))

  const list = await app.inject({ url: '/rooms/a/recordings', headers: { authorization: `Bearer ${pass}` } })
  t.same(list.json(), [
    { id: 'one', name: 'Ada', startedAt: 5_000, durationMs: 1_500, url: '/recordings/one.webm' },
    { id: 'two', name: 'Ada', startedAt: 5_000, durationMs: 1_500, url: '/recordings/two.webm' }
  ])
  const whole = await app.inject('/recordings/one.webm')
  t.match(whole, { statusCode: 200, headers: { 'content-type': 'video/webm', 'accept-ranges': 'bytes', 'x-content-type-options': 'nosniff' }, body: BYTES })
  const part = await app.inject({ url: '/recordings/one.webm', headers: { range: 'bytes=4-9' } })
  t.match(part, { statusCode: 206, headers: { 'content-range': `bytes 4-9/${BYTES.length}` }, body: BYTES.slice(4, 10) })
  const beyond = await app.inject({ url: '/recordings/one.webm', headers: { range: 'bytes=100-' } })
  t.equal(beyond.statusCode, 416)
  for (const path of ['two.webm', 'three.webm', 'one', 'one.mp4', '..%2fone.webm', 'whatever%20name.webm', '%2e%2e%2f%2e%2e%2fetc%2fpasswd.webm']) {
    t.equal((await app.inject(`/recordings/${path}`)).statusCode, 404, path)
  }
})
