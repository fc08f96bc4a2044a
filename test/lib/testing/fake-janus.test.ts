import t from 'tap'
import type { Test } from 'tap'
import { once } from 'node:events'
import { FakeClient, FakeJanus } from '../../../lib/testing/index.js'
import type { FakeJanusOptions } from '../../../lib/testing/index.js'

type Message = Record<string, any>

/** One socket at a Janus, and how to speak on it. */
class Speaker {
  readonly client: FakeClient

  private constructor (client: FakeClient) {
    this.client = client
  }

  static async connect (t: Test, janus: FakeJanus): Promise<Speaker> {
    const client = await FakeClient.connect(janus.url, { protocols: ['janus-protocol'] })
    t.teardown(() => client.cut())
    return new Speaker(client)
  }

  say (message: Message): void {
    this.client.send(JSON.stringify({ transaction: 't', apisecret: 'secret', ...message }))
  }

  async hear (): Promise<Message> {
    return JSON.parse(await this.client.receiveText()) as Message
  }

  async ask (message: Message): Promise<Message> {
    this.say(message)
    return await this.hear()
  }

  async attached (plugin = 'janus.plugin.videoroom'): Promise<{ session_id: number, handle_id: number }> {
    const session = (await this.ask({ janus: 'create' })).data.id as number
    const handle = (await this.ask({ janus: 'attach', session_id: session, plugin, opaque_id: 'peer' })).data.id as number
    return { session_id: session, handle_id: handle }
  }
}

async function start (t: Test, options: FakeJanusOptions = {}): Promise<FakeJanus> {
  const janus = await FakeJanus.listen(options)
  t.teardown(() => janus.close())
  return janus
}

t.test('speaks as Janus does', async (t) => {
  const janus = await start(t)
  const speaker = await Speaker.connect(t, janus)
  t.match(await speaker.ask({ janus: 'info', apisecret: 'wrong' }), { janus: 'server_info', transaction: 't', 'session-timeout': 60, 'reclaim-session-timeout': 60, version_string: '1.1.2' })
  const { session_id: session, handle_id: handle } = await speaker.attached()
  t.same(janus.sessions, new Map([[session, new Map([[handle, { plugin: 'janus.plugin.videoroom', opaque_id: 'peer' }]])]]))
  const ids = { session_id: session, handle_id: handle }
  t.same(await speaker.ask({ janus: 'keepalive', session_id: session }), { janus: 'ack', session_id: session, transaction: 't' })
  t.same(await speaker.ask({ janus: 'message', ...ids, body: { request: 'exists', room: 1234 } }), {
    janus: 'success', session_id: session, transaction: 't', sender: handle, plugindata: { plugin: 'janus.plugin.videoroom', data: { videoroom: 'success', room: 1234 } }
  })
  t.same(await speaker.ask({ janus: 'message', ...ids, body: { request: 'configure' }, jsep: { type: 'offer', sdp: 'v=0' } }), { janus: 'ack', session_id: session, transaction: 't' })
  t.same(await speaker.hear(), {
    janus: 'event', session_id: session, transaction: 't', sender: handle, plugindata: { plugin: 'janus.plugin.videoroom', data: { videoroom: 'event' } }, jsep: { type: 'answer', sdp: 'v=0' }
  })
  t.same(await speaker.ask({ janus: 'trickle', ...ids, candidate: { completed: true } }), { janus: 'ack', session_id: session, transaction: 't' })
  t.same(await speaker.ask({ janus: 'hangup', ...ids }), { janus: 'success', session_id: session, transaction: 't' })
  t.same(await speaker.hear(), { janus: 'hangup', session_id: session, sender: handle, reason: 'Janus API' })
  t.same(await speaker.ask({ janus: 'detach', ...ids }), { janus: 'detached', session_id: session, sender: handle })
  t.same(await speaker.hear(), { janus: 'success', session_id: session, transaction: 't' })
  t.same(await speaker.ask({ janus: 'destroy', session_id: session }), { janus: 'success', session_id: session, transaction: 't' })
  t.equal(janus.sessions.size, 0)
  t.equal((await janus.receive('attach')).request.opaque_id, 'peer')
})

t.test('refuses what Janus refuses', async (t) => {
  const janus = await start(t)
  const speaker = await Speaker.connect(t, janus)
  const { session_id: session, handle_id: handle } = await speaker.attached()
  const cases: Array<[Message, number]> = [
    [{ janus: 'create', apisecret: 'wrong' }, 403],
    [{ janus: 'keepalive', session_id: session, apisecret: undefined }, 403],
    [{ janus: 'nonsense', session_id: session }, 453],
    [{ janus: 'create', transaction: undefined }, 456],
    [{ janus: 'message', session_id: session, handle_id: handle }, 456],
    [{ janus: 'attach' }, 457],
    [{ janus: 'message', session_id: session, body: {} }, 457],
    [{ janus: 'claim', session_id: session + 1 }, 458],
    [{ janus: 'trickle', session_id: session, handle_id: handle + 1, candidate: null }, 459],
    [{ janus: 'attach', session_id: session, plugin: 'janus.plugin.none' }, 460],
    [{ janus: 'create', transaction: 1 }, 467],
    [{ janus: 'create', id: session }, 468]
  ]
  for (const [request, code] of cases) {
    const { error, ...rest } = await speaker.ask(request)
    t.equal(error.code, code, `${JSON.stringify(request)}: ${error.reason}`)
    t.same(rest, { janus: 'error', ...(request.session_id ?? request.id) !== undefined && { session_id: request.session_id ?? request.id }, ...typeof (request.transaction ?? 't') === 'string' && !('transaction' in request) && { transaction: 't' } })
  }
  for (const [text, code] of [['oops', 454], ['null', 454], ['', 454], ['[]', 456], ['{}', 456]] as const) {
    speaker.client.send(text)
    t.match(await speaker.hear(), { janus: 'error', error: { code } }, `what it says to ${JSON.stringify(text)}`)
    t.equal((await janus.receive('')).text, text)
  }
  await t.rejects(FakeClient.connect(janus.url, { protocols: ['other'] }), { code: 'ECONNRESET' }, 'another subprotocol gets no answer')
  await t.rejects(FakeClient.connect(janus.url), { code: 'ECONNRESET' }, 'nor does none')
})

t.test('sessions outlive their sockets and can be claimed, not over a restart', async (t) => {
  const janus = await start(t)
  const first = await Speaker.connect(t, janus)
  const ids = await first.attached()
  janus.cut()
  await first.client.closed
  const second = await Speaker.connect(t, janus)
  t.same(await second.ask({ janus: 'claim', session_id: ids.session_id }), { janus: 'success', session_id: ids.session_id, transaction: 't' })
  janus.event(ids.session_id, ids.handle_id, { videoroom: 'event', leaving: 1 })
  t.match(await second.hear(), { janus: 'event', sender: ids.handle_id, plugindata: { data: { leaving: 1 } } })
  const other = await Speaker.connect(t, janus)
  t.match(await other.ask({ janus: 'message', ...ids, body: { request: 'start' } }), { janus: 'ack' }, 'the ack goes to whoever asked')
  t.match(await second.hear(), { janus: 'event', transaction: 't' }, 'the event to whom the session belongs')
  t.equal(janus.sockets, 2)
  janus.restart()
  await Promise.all([second.client.closed, other.client.closed])
  const third = await Speaker.connect(t, janus)
  t.match(await third.ask({ janus: 'claim', session_id: ids.session_id }), { janus: 'error', error: { code: 458 } })
  const { session_id: session } = await third.attached()
  janus.expire(session)
  t.same(await third.hear(), { janus: 'timeout', session_id: session })
  t.equal(janus.sessions.size, 0)
  t.equal(janus.accepted, 4)
})

t.test('goes wrong as told', async (t) => {
  const janus = await start(t)
  const speaker = await Speaker.connect(t, janus)
  const ids = await speaker.attached()
  janus.takeAll()
  const message = { janus: 'message', ...ids, body: { request: 'join' } }
  janus.onRequest = () => 'event before ack'
  t.equal((await speaker.ask(message)).janus, 'event')
  t.equal((await speaker.hear()).janus, 'ack')
  janus.onRequest = () => 'twice'
  t.equal((await speaker.ask({ janus: 'create' })).janus, 'success')
  t.equal((await speaker.hear()).janus, 'success')
  t.equal(janus.sessions.size, 2, 'was done once')
  janus.onRequest = () => ({ janus: 'error', error: { code: 490, reason: 'no' } })
  t.same(await speaker.ask({ janus: 'keepalive', session_id: ids.session_id }), { janus: 'error', session_id: ids.session_id, transaction: 't', error: { code: 490, reason: 'no' } })
  let late = (): void => {}
  janus.onRequest = ({ janus: verb, transaction }) => {
    if (verb === 'create') return transaction === 'lost' ? 'ignore' : 'silent'
    if (verb === 'attach') return (carryOut) => { late = carryOut }
    return 'answer'
  }
  speaker.say({ janus: 'create', transaction: 'lost' })
  speaker.say({ janus: 'create' })
  speaker.say({ janus: 'attach', session_id: ids.session_id, plugin: 'janus.plugin.echotest' })
  await janus.receive('attach')
  t.equal(janus.sessions.size, 3, 'one was lost, of one the answer was')
  late()
  t.match(await speaker.hear(), { janus: 'success', session_id: ids.session_id })
  janus.say('not json')
  t.equal(await speaker.client.receiveText(), 'not json')
  janus.plugin = () => ({ synchronous: true, data: { odd: true } })
  t.match(await speaker.ask(message), { janus: 'success', plugindata: { data: { odd: true } } })
})

t.test('frozen, it neither reads nor pongs, nor lets anybody in', async (t) => {
  const janus = await start(t)
  const speaker = await Speaker.connect(t, janus)
  janus.freeze()
  const pong = once(speaker.client.socket, 'pong')
  speaker.client.socket.ping()
  speaker.say({ janus: 'info' })
  const connecting = Speaker.connect(t, janus)
  const turns = new Promise<string>((resolve) => {
    let left = 50
    const turn = (): void => { if (left-- === 0) resolve('nothing'); else setImmediate(turn) }
    turn()
  })
  t.equal(await Promise.race([pong, speaker.hear(), connecting, turns]), 'nothing')
  t.equal(janus.accepted, 1)
  janus.thaw()
  await pong
  await connecting
  t.equal(janus.accepted, 2)
  janus.freeze()
  const last = Speaker.connect(t, janus)
  last.catch(() => {})
  await janus.close()
  await speaker.client.closed
  t.equal(janus.sockets, 0, 'a frozen one can be closed')
})
