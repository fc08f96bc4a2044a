import Fastify from 'fastify'
import t from 'tap'
import { FakeControl } from '../../lib/testing/index.js'
import trunkline from '../../plugins/trunkline.js'
import { authenticate, startApp, startMediaServer, trunkState } from '../support.js'

t.test('the app has rooms made and deleted at the media server, which is asked nothing before', async (t) => {
  const server = await startMediaServer(t)
  const api = await FakeControl.listen({ token: 'another' })
  t.teardown(() => api.close())
  const { app, log } = await startApp(t, { ...server.options, apiUrl: api.url, apiToken: async () => 'another' })
  await trunkState(app, 'up')
  t.equal(api.connections, 0)
  const { id } = await app.trunkline.rooms.create({ maxPeers: 3 })
  api.rooms.join(id, 'p')
  t.same(await app.trunkline.rooms.list(), [{ id, maxPeers: 3, isRecorded: false, peers: [{ id: 'p', status: 'connected', metadata: null }] }])
  t.match(await app.trunkline.startRecording(id), [{ roomId: id, status: 'active' }])
  t.equal((await app.trunkline.rooms.get(id)).isRecorded, true)
  t.match(await app.trunkline.stopRecording(id), [{ roomId: id, status: 'available' }])
  await app.trunkline.removePeer(id, 'p')
  await app.trunkline.rooms.delete(id)
  await t.rejects(app.trunkline.rooms.get(id), { code: 'TRK_ERR_ROOM_NOT_FOUND', statusCode: 404 })
  t.notMatch(JSON.stringify(log), 'another')
})

t.test('by default it is where the trunk is, with the same token; closing the app does not wait for it', async (t) => {
  const api = await FakeControl.listen({ respond: () => 'hang' })
  t.teardown(() => api.close())
  const { app } = await startApp(t, { url: `ws://127.0.0.1:${api.port}/trunk?a=b`, token: () => 'secret' })
  const rejected = t.rejects(app.trunkline.rooms.list(), { code: 'TRK_ERR_CONTROL_UNREACHABLE', message: /closing/ })
  // The trunk asks for its own path.
  const { headers } = await api.nextRequest(({ path }) => path === '/room')
  t.equal(headers.authorization, 'Bearer secret')
  await app.close()
  await rejected
})

t.test('what cannot be is refused at start', async (t) => {
  const refused = async (options: object, message: RegExp): Promise<void> => {
    const app = Fastify()
    t.teardown(() => app.close())
    await t.rejects(async () => await app.register(trunkline, { mediaServer: { url: 'ws://x', ...options } as never, authenticate: authenticate as never }), { code: /^TRK_ERR_OPTION/, message })
  }
  await refused({ apiUrl: 'ws://x' }, /'mediaServer.apiUrl' must be a URL that begins with http:\/\/ or https:\/\//)
  await refused({ apiUrl: 'ftp://x' }, /'mediaServer.apiUrl'/)
  await refused({ apiUrl: 'http://[bad' }, /'mediaServer.apiUrl' must be a URL such as/)
  await refused({ apiUrl: 'http://x/?token=y' }, /'mediaServer.apiUrl'.*without a query/)
  await refused({ apiUrl: 'http://me:secret@x/' }, /mediaServer.apiToken/)
  await refused({ apiToken: 1 }, /'mediaServer.apiToken' must be a string, or a function/)
  await refused({ requestMs: 0 }, /'mediaServer.requestMs'/)
  await refused({ apiurl: 'http://x' }, /did you mean 'mediaServer.apiUrl'\?/)
})
