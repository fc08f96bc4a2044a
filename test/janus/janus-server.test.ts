import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import { createInterface } from 'node:readline'
import t from 'tap'
import { MediaStreamTrack, RTCPeerConnection, RtpHeader, RtpPacket } from 'werift'
import { WebSocketServer } from 'ws'
import { Inbox } from '../../lib/testing/index.js'
import { isAlive, tcpSockets, udpSockets } from '../e2e/support/proc.js'
import { until } from '../e2e/support/until.js'
import { withoutJanus } from '../setup/janus.js'
import { ROOM } from './support/janus-config.js'
import { JanusServer } from './support/janus-server.js'
import { JanusSpeaker } from './support/janus-speaker.js'

const VIDEOROOM = 'janus.plugin.videoroom'

t.test('a real Janus', { skip: withoutJanus() }, async (t) => {
  const janus = await JanusServer.start()
  t.teardown(() => janus.stop())

  await t.test('answers as it is configured', async (t) => {
    const speaker = await JanusSpeaker.connect(t, janus)
    const info = await speaker.ask({ janus: 'info' })
    t.match(info, { janus: 'server_info', version: Number, 'session-timeout': 60, 'reclaim-session-timeout': 60, 'static-event-loops': 2 })
    t.same(Object.keys(info.plugins).sort(), ['echotest', 'recordplay', 'videoroom'].map((name) => `janus.plugin.${name}`))
    const ids = await speaker.attach(VIDEOROOM)
    t.match(await speaker.message(ids, { request: 'exists', room: ROOM.id }), { janus: 'success', plugindata: { data: { videoroom: 'success', exists: true } } })
    t.match(await speaker.message(ids, { request: 'list' }), { plugindata: { data: { list: [{ room: ROOM.id, record: false, rec_dir: janus.recordings }] } } })
    t.same(await janus.sessions(), [ids.session_id])
    t.same(await janus.handles(ids.session_id), [ids.handle_id])
    t.match(await janus.handleInfo(ids.session_id, ids.handle_id), { opaque_id: 'peer', plugin: VIDEOROOM })
    t.equal(janus.connections(), 1, 'calls of its admin do not count')
    await t.rejects(janus.admin({ janus: 'handle_info', session_id: ids.session_id, handle_id: 1 }), { message: /handle_info: .*459/ })
    await speaker.ask({ janus: 'destroy', session_id: ids.session_id })
    await until('the session is gone', async () => (await janus.sessions()).length === 0)
  })

  await t.test('takes media and records it, over the loopback interface alone', async (t) => {
    const speaker = await JanusSpeaker.connect(t, janus)
    const ids = await speaker.attach(VIDEOROOM, 'publisher')
    await speaker.message(ids, { request: 'join', ptype: 'publisher', room: ROOM.id, id: 42 })
    const pc = new RTCPeerConnection({ iceServers: [], iceUseIpv4: false, iceUseIpv6: false, iceAdditionalHostAddresses: ['127.0.0.1'], iceInterfaceAddresses: { udp4: '127.0.0.1' } })
    t.teardown(() => pc.close())
    const track = new MediaStreamTrack({ kind: 'audio' })
    pc.addTransceiver(track, { direction: 'sendonly' })
    await pc.setLocalDescription(await pc.createOffer())
    const { jsep } = await speaker.message(ids, { request: 'configure', record: true, filename: 'recorded' }, { type: 'offer', sdp: pc.localDescription!.sdp })
    t.same(jsep.sdp.match(/(?<=a=candidate:).*/g).map((candidate: string) => candidate.split(' ')[4]), ['127.0.0.1'])
    await pc.setRemoteDescription(jsep)
    await speaker.hear((message) => message.janus === 'webrtcup')
    for (let n = 0; n < 10; n++) track.writeRtp(new RtpPacket(new RtpHeader({ sequenceNumber: n, timestamp: n * 960, payloadType: 96, ssrc: 1 }), Buffer.alloc(40, n)))
    await speaker.hear((message) => message.janus === 'media' && message.receiving === true)
    const sockets = [...tcpSockets(janus.pid), ...udpSockets(janus.pid)]
    t.ok(sockets.some(({ state }) => state === 'listening'))
    t.ok(udpSockets(janus.pid).length > 0)
    t.same(sockets.filter(({ localAddress }) => localAddress !== '127.0.0.1'), [])
    t.match(await janus.handleInfo(ids.session_id, ids.handle_id), { plugin_specific: { streams: [{ recording: 'recorded-audio-0.mjr.tmp' }] }, webrtc: { ice: { state: 'ready' } } })
    speaker.say({ janus: 'destroy', session_id: ids.session_id })
    await until('the recording is whole', () => readdirSync(janus.recordings).includes('recorded-audio-0.mjr'))
  })

  await t.test('is frozen, killed and comes back', async (t) => {
    const speaker = await JanusSpeaker.connect(t, janus)
    const { session_id: session } = await speaker.attach('janus.plugin.echotest')
    await janus.freeze()
    speaker.say({ janus: 'info' })
    await t.rejects(janus.call({ janus: 'info' }, 300), 'it says nothing')
    t.equal(janus.connections(), 1, 'and keeps its socket')
    t.equal(speaker.client.pending, 0)
    janus.thaw()
    t.equal((await speaker.hear()).janus, 'server_info')
    const { pid, url } = janus
    await janus.restart()
    await speaker.client.closed
    t.not(janus.pid, pid)
    t.notOk(isAlive(pid))
    t.equal(janus.url, url)
    const again = await JanusSpeaker.connect(t, janus)
    t.match(await again.ask({ janus: 'claim', session_id: session }), { janus: 'error', error: { code: 458 } })
    await janus.kill()
    await again.client.closed
    t.throws(() => janus.pid, { message: 'Janus does not run' })
    await janus.kill()
    await janus.restart()
    t.same(await janus.sessions(), [])
  })
})

t.test('a Janus is configured otherwise, and tells what happens', { skip: withoutJanus() }, async (t) => {
  const handler = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: (offered) => offered.has('janus-events') && 'janus-events' })
  t.teardown(() => {
    for (const socket of handler.clients) socket.terminate()
    handler.close()
  })
  const connected = new Inbox<IncomingMessage>()
  const told = new Inbox<Record<string, any>>()
  handler.on('connection', (socket, request) => {
    connected.push(request)
    socket.on('message', (data: Buffer) => told.push(JSON.parse(data.toString()) as Record<string, any>))
  })
  await once(handler, 'listening')
  const { port } = handler.address() as AddressInfo
  const janus = await JanusServer.start({
    events: { url: `ws://127.0.0.1:${port}/events?key=1`, types: 'sessions', grouping: false },
    reclaimSeconds: 5,
    sessionTimeout: 7,
    plugins: ['echotest'],
    config: { janus: { general: { token_auth: true } } }
  })
  t.teardown(() => janus.stop())
  t.equal((await connected.take()).url, '/events?key=1')
  const info = await janus.call({ janus: 'info' })
  t.match(info, { 'session-timeout': 7, 'reclaim-session-timeout': 5, auth_token: true, api_secret: true })
  t.same(Object.keys(info.plugins), ['janus.plugin.echotest'])
  const { data: { id } } = await janus.call({ janus: 'create' })
  t.match(await told.take(({ session_id: session }) => session === id), { type: 1, emitter: info['server-name'], event: { name: 'created' } })
})

t.test('a Janus ends with whoever started it', { skip: withoutJanus() }, async (t) => {
  const script = `
    import { JanusServer } from ${JSON.stringify(new URL('support/janus-server.js', import.meta.url))}
    const janus = await JanusServer.start()
    await janus.freeze()
    console.log(JSON.stringify({ pid: janus.pid, folder: janus.folder }))
    setInterval(() => {}, 1000)
  `
  const owner = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => owner.kill('SIGKILL'))
  const [line] = await once(createInterface({ input: owner.stdout }), 'line') as [string]
  const { pid, folder } = JSON.parse(line) as { pid: number, folder: string }
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  t.ok(isAlive(pid))
  owner.kill('SIGKILL')
  await until('Janus is gone', () => !isAlive(pid))
})

t.test('a Janus that cannot start says why', { skip: withoutJanus() }, async (t) => {
  await t.rejects(JanusServer.start({ plugins: [], config: { janus: { general: { plugins_folder: '/nowhere' } } } }), { message: /does not start: it has ended\n[^]*nowhere/ })
})
