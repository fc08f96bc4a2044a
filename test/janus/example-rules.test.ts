import t from 'tap'
import { janus as driver } from 'trunkline'
import { FakeJanus } from 'trunkline/testing'
import { buildApp } from '../../examples/janus/app.js'
import { withoutJanus } from '../setup/janus.js'
import { BarePeer } from './support/bare-peer.js'
import { JanusServer } from './support/janus-server.js'
import { JanusSpeaker } from './support/janus-speaker.js'

/** What no client of the example may ask of VideoRoom. */
const REFUSED: Array<Record<string, unknown>> = [
  { request: 'create', room: 'demo2' },
  { request: 'CREATE', room: 'demo2' },
  { request: 'create' },
  { request: 'destroy', room: 'demo' },
  { request: 'edit', room: 'demo', new_description: 'mine' },
  { request: 'kick', room: 'demo', id: 'somebody' },
  { request: 'moderate', room: 'demo', id: 'somebody', mid: '0', mute: true },
  { request: 'enable_recording', room: 'demo', record: true },
  { request: 'rtp_forward', room: 'demo', publisher_id: 'somebody', host: '127.0.0.1', streams: [] },
  { request: 'list' },
  { request: 'listparticipants', room: 'other' },
  { request: 'join', ptype: 'publisher', room: 'other' },
  { request: 'join', ptype: 'subscriber', room: 'other', streams: [{ feed: 'somebody' }] },
  { request: 'configure', record: true, filename: '/tmp/anything' },
  { request: 'configure', filename: '/tmp/anything' },
  {}
]

async function joined (t: { teardown (fn: () => unknown): void }, mediaServer: { url: string, apiSecret: string | null }): Promise<{ peer: BarePeer, peerId: string }> {
  const app = await buildApp({ mediaServer: driver({ url: mediaServer.url, apiSecret: mediaServer.apiSecret ?? '' }), roomId: 'demo' })
  t.teardown(() => app.close())
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const { token, peerId } = (await app.inject({ method: 'POST', url: '/join', body: { name: 'Ada' } })).json<{ token: string, peerId: string }>()
  const peer = await BarePeer.connect({ url }, 'ada', token)
  t.teardown(() => peer.client.cut())
  await peer.create()
  await peer.attach()
  return { peer, peerId }
}

t.test('what is not allowed does not reach VideoRoom', async (t) => {
  const server = await FakeJanus.listen()
  t.teardown(() => server.close())
  const { peer, peerId } = await joined(t, server)
  const reaches = async (body: Record<string, unknown>): Promise<unknown> => {
    await peer.message(body)
    return (await server.receive('message')).request.body
  }
  for (const body of REFUSED) t.same(await reaches(body), { request: 'not allowed here' }, JSON.stringify(body))
  const join = { request: 'join', ptype: 'publisher', room: 'demo' }
  t.same(await reaches({ ...join, id: 'mine', display: 'Eve' }), { ...join, id: peerId, display: 'Ada' }, 'one joins as who one is')
  t.same(await reaches({ request: 'configure', display: 'Eve', audio: true }), { request: 'configure', display: 'Ada', audio: true }, 'and stays it')
  t.same(await reaches({ request: 'configure', video: false }), { request: 'configure', video: false })
  const subscribe = { request: 'join', ptype: 'subscriber', room: 'demo', streams: [{ feed: 'somebody' }] }
  t.same(await reaches(subscribe), subscribe)
})

t.test('a real Janus answers it with an error', { skip: withoutJanus() }, async (t) => {
  const janus = await JanusServer.start({ config: { 'janus.plugin.videoroom': { general: { string_ids: true }, 'room-demo': { description: 'demo' } } } })
  t.teardown(() => janus.stop())
  const speaker = await JanusSpeaker.connect(t, janus)
  const ids = await speaker.attach('janus.plugin.videoroom')
  const rooms = async (): Promise<string[]> => (await speaker.message(ids, { request: 'list' })).plugindata.data.list.map(({ room }: { room: string }) => room)
  const before = await rooms()
  t.ok(before.includes('demo'))
  const { peer, peerId } = await joined(t, janus)
  for (const body of REFUSED) t.match(await peer.message(body), { videoroom: 'event', error_code: Number }, JSON.stringify(body))
  t.same(await rooms(), before)
  t.match(await peer.message({ request: 'join', ptype: 'publisher', room: 'demo', id: 'mine' }), { videoroom: 'joined', id: peerId })
  await peer.message({ request: 'configure', display: 'Eve' })
  t.match(await peer.message({ request: 'listparticipants', room: 'demo' }), { participants: [{ id: peerId, display: 'Ada' }] })
})
