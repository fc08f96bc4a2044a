import { Buffer } from 'node:buffer'
import t from 'tap'
import type { Test } from 'tap'
import { until } from '../e2e/support/until.js'
import type { JanusClient } from '../janus-client.js'
import { withoutJanus } from '../setup/janus.js'
import { Attacked, HUSH, VIDEOROOM, Victim, hear, tokenOf } from './support/attacked.js'
import { ROOM } from './support/janus-config.js'
import { JanusServer } from './support/janus-server.js'

// What a hostile client does to others by way of the app, in front of a real Janus.

const MiB = 1024 * 1024

t.test('attacks of one client', { skip: withoutJanus() }, async (t) => {
  const janus = await JanusServer.start()
  t.teardown(() => janus.stop())
  const attacked = await Attacked.start(t, janus)
  let downs = 0
  attacked.stage.app.trunkline.addHook('onTrunk', ({ state }) => { if (state === 'down') downs++ })
  const victim = await Victim.start(t, attacked)
  const before = (await janus.sessions()).sort()

  /** One attack, beside the victim; when it is over nothing of it is left. */
  async function attack (name: string, fn: (t: Test) => Promise<void>): Promise<void> {
    await t.test(name, async (t) => {
      victim.longestMs = 0
      await fn(t)
      await victim.isWell(t)
      t.equal(janus.connections(), 1)
      t.equal(downs, 0, 'the trunk has stayed')
      t.equal(attacked.dropped['untagged error'] ?? 0, 0, 'Janus understood all that was said to it')
    })
    await t.test(`${name}: nothing is left of it`, async (t) => {
      await until('its sessions are gone', async () => JSON.stringify((await janus.sessions()).sort()) === JSON.stringify(before))
      t.pass()
    })
  }
  const isRefused = async (t: Test, link: JanusClient, request: Record<string, unknown> | string, code: number): Promise<void> => {
    link.say(request)
    t.match(await hear(link, ({ janus }) => janus === 'error'), { error: { code } }, (typeof request === 'string' ? request : JSON.stringify(request)).slice(0, 100))
  }

  await attack('it guesses the ids of another', async (t) => {
    const bad = await attacked.speaker(t, { subject: 'bad' })
    const own = await bad.attach()
    const { speaker: { session }, handle } = victim
    for (const request of [{ janus: 'keepalive' }, { janus: 'attach', plugin: VIDEOROOM }, { janus: 'destroy' }, { janus: 'hangup', handle_id: handle }, { janus: 'detach', handle_id: handle },
      { janus: 'message', handle_id: handle, body: { request: 'leave' } }, { janus: 'trickle', handle_id: handle, candidate: { completed: true } }]) {
      await isRefused(t, bad.link, { transaction: 't', session_id: session, ...request }, 458)
      if ('handle_id' in request) await isRefused(t, bad.link, { transaction: 't', session_id: bad.session, ...request }, 459)
    }
    await isRefused(t, bad.link, { janus: 'message', transaction: 't', session_id: `${bad.session}`, handle_id: own, body: {} }, 456)
    await isRefused(t, bad.link, { janus: 'message', transaction: 't', session_id: bad.session, handle_id: [own], body: {} }, 459)
    t.match(await bad.message(own, { request: 'exists', room: ROOM.id }), { janus: 'success' }, 'it may do what is its own')
  })

  await attack('it claims what is of another, on a new link', async (t) => {
    const { session } = victim.speaker
    for (const identity of [{ subject: 'bad' }, {}, { peerId: 'bad' }]) {
      const bad = await attacked.link(t)
      bad.claim(session, { roomId: 'room', ...identity })
      t.match(await bad.hear(), { janus: 'error', session_id: session, error: { code: 458 } })
      t.match(await bad.closed, { code: 4001 })
    }
    const service = before.find((id) => id !== session)!
    const bad = await attacked.link(t)
    bad.claim(service, { roomId: 'room', subject: 'victim' })
    t.match(await bad.hear(), { error: { code: 458 } }, "nor the backend's own")
    for (const id of [0, -1, 1e300, '1', null, [], 2 ** 53]) {
      const bad = await attacked.link(t)
      bad.claim(id, { roomId: 'room' })
      t.match(await bad.hear(), { janus: 'error', error: { code: 458 } })
    }
  })

  await attack('it chooses ids, and brings secrets', async (t) => {
    for (const apisecret of ['wrong', janus.apiSecret, '', 7, null, {}]) {
      const link = await attacked.link(t)
      const id = 4711
      link.say({ janus: 'create', transaction: 'create', id, apisecret, token: tokenOf({}), admin_secret: janus.adminSecret })
      const { data } = await hear(link)
      t.not(data.id, id)
      link.say({ janus: 'attach', session_id: data.id, transaction: 'attach', plugin: VIDEOROOM, apisecret, token: HUSH, id, handle_id: id, opaque_id: 'victim', loop_index: 99 })
      const attached = await hear(link)
      t.match(await janus.handleInfo(data.id as number, attached.data.id as number), { opaque_id: /^[0-9a-f-]{36}$/ })
      link.say({ janus: 'message', session_id: data.id, handle_id: attached.data.id, transaction: 'm', body: { request: 'exists', room: ROOM.id }, apisecret, token: HUSH })
      t.match(await hear(link), { janus: 'success', transaction: 'm' })
      await link.client.cut()
    }
  })

  await attack('it says verbs that are none of its business, in whatever letters', async (t) => {
    const bad = await attacked.speaker(t)
    const own = await bad.attach()
    const verbs = ['claim', 'info', 'admin', 'list_sessions', 'list_handles', 'handle_info', 'add_token', 'set_session_timeout', 'get_status', 'loops_info', 'start_pcap', 'destroy_session', 'message_plugin', 'query_transport', 'nonsense', 'toString', '__proto__']
    for (const verb of verbs) {
      for (const said of [verb, verb.toUpperCase(), verb[0]!.toUpperCase() + verb.slice(1)]) {
        await isRefused(t, bad.link, { janus: said, transaction: 't', session_id: bad.session, handle_id: own, admin_secret: janus.adminSecret, apisecret: janus.apiSecret, timeout: 1 }, 453)
      }
    }
    for (const verb of ['CLAIM', 'Info', 'CREATE', 'Message']) {
      const link = await attacked.link(t)
      link.say({ janus: verb, transaction: 't', session_id: victim.speaker.session, token: tokenOf({ subject: 'victim' }) })
      t.match(await link.hear(), { janus: 'error', error: { code: 453 } })
      t.match(await link.closed, { code: 1002 })
    }
    for (const verb of ['CREATE', 'Message', 'DESTROY', 'KeepAlive']) await isRefused(t, bad.link, { janus: verb, transaction: 't', session_id: victim.speaker.session }, 453)
  })

  await attack('it says what is read in two ways', async (t) => {
    const bad = await attacked.speaker(t)
    const own = await bad.attach()
    const { session } = victim.speaker
    const ids = `"session_id":${bad.session},"handle_id":${own}`
    await isRefused(t, bad.link, `{"janus":"keepalive","transaction":"t","session_id":${bad.session}}{"janus":"destroy","transaction":"t","session_id":${session}}`, 454)
    await isRefused(t, bad.link, `{"janus":"destroy","transaction":"t","session_id":${bad.session},"session_id":${session}}`, 458)
    await isRefused(t, bad.link, `{"janus":"claim","janus":"keepalive","janus":"CLAIM","transaction":"t","session_id":${bad.session}}`, 453)
    await isRefused(t, bad.link, `{"__proto__":{"janus":"keepalive","session_id":${session}},"transaction":"t"}`, 453)
    await isRefused(t, bad.link, `{"constructor":{"prototype":{"janus":"ping"}},"transaction":"t","session_id":${session}}`, 453)
    bad.link.say(`{"janus":"message","janus":"message",${ids},"transaction":"t","body":{"request":"destroy","request":"exists","room":${ROOM.id},"__proto__":{"secret":1},"constructor":{},"toJSON":{},"hasOwnProperty":1},"jsep":null}`)
    t.match(await hear(bad.link), { janus: 'success', transaction: 't', plugindata: { data: { exists: true } } })
    bad.link.say(`{"session_id":${session},"janus":"destroy","transaction":"t","session_id":${bad.session}}`)
    t.match(await hear(bad.link), { janus: 'success', session_id: bad.session })
    t.ok((await janus.sessions()).includes(session))
    const again = await attacked.link(t)
    again.say(`{"janus":"create","transaction":"t","token":${JSON.stringify(tokenOf({}))}}{"janus":"claim"}`)
    t.match(await again.hear(), { error: { code: 454 } })
  })

  await attack('it says what is no message, or no JSON for Janus', async (t) => {
    const bad = await attacked.speaker(t)
    const own = await bad.attach()
    const message = (body: string): string => `{"janus":"message","transaction":"t","session_id":${bad.session},"handle_id":${own},"body":${body}}`
    for (const text of [
      '', ' ', '{', 'null', '7', '"x"', '[]', 'nonsense', '\uFEFF{}', '{"a":1,}', "{'a':1}", '['.repeat(100_000), '{"a":'.repeat(20_000), '['.repeat(60_000) + ']'.repeat(60_000), message('['.repeat(50_000) + ']'.repeat(50_000)), message('{"a":'.repeat(10_000) + '1' + '}'.repeat(10_000)),
      message('{"a":"\\u0000"}'), message('{"\\u0000":1}'), message('{"a":"\\ud800"}'), message('{"a":"\\udc00\\ud800"}'), message('{"\\ud800":1}'),
      message('{"a":9223372036854775808}'), message('{"a":-9223372036854775808}'), message('{"a":99999999999999999999}'), message('{"a":NaN}'), message('{"a":0x1}'), message('{"a":01}')
    ]) {
      bad.link.say(text)
      t.match(await hear(bad.link), { janus: 'error', error: { code: /45[45]/ } }, text.slice(0, 120))
    }
    for (const number of ['9223372036854774784', '-9223372036854774784', '1e400', '-1e400', '-0', '1e21', '1e308', '5e-324', '0.1e-400', '1e20', '123456789012345678901234567890e10', '1E+2']) {
      bad.link.say(message(`{"request":"exists","room":${ROOM.id},"a":${number}}`))
      const { janus: kind } = await hear(bad.link)
      t.ok(kind === 'success' || kind === 'error', `${number}: ${kind}`)
    }
    for (const transaction of ['7', 'null', '{}', '[]', `"${'x'.repeat(257)}"`, 'true']) await isRefused(t, bad.link, `{"janus":"keepalive","session_id":${bad.session},"transaction":${transaction}}`, 467)
    for (const transaction of ['', ' ', '|', '1|2', '\u202e', '\u0001\u007f"\\', '9'.repeat(200), '\u{1F600}']) {
      bad.link.say(JSON.stringify({ janus: 'message', session_id: bad.session, handle_id: own, transaction, body: { request: 'exists', room: ROOM.id } }))
      t.match(await hear(bad.link), { janus: 'success', transaction })
    }
    bad.link.client.send(Buffer.from(message('{"request":"list"}')))
    t.match(await hear(bad.link), { janus: 'success' }, 'a binary message is a text')
    bad.link.client.send(Buffer.from([0x7b, 0xff, 0x7d]))
    t.match(await bad.link.closed, { code: 1007 })
    for (const data of [Buffer.alloc(0), Buffer.from([0xff]), Buffer.alloc(1_000), '', '\0', '{"janus":"create"}', '{"transaction":"t"}', '[[]]', '['.repeat(10_000)]) {
      const link = await attacked.link(t)
      link.client.send(data)
      t.ok([1002, 1007].includes((await link.closed).code))
    }
  })

  await attack('it says wrong things of its own session', async (t) => {
    const bad = await attacked.speaker(t)
    const own = await bad.attach()
    const wrong = [null, 7, 'text', true, [], {}, [[]], { type: 'offer' }, { sdp: 'x' }, { type: 7, sdp: 7 }, { type: 'offer', sdp: '' }, { type: 'offer', sdp: 'v=0' }, { type: 'answer', sdp: 'x'.repeat(20_000) },
      { type: 'offer', sdp: 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n' + 'm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n'.repeat(500) }, { type: 'offer', sdp: 'v=0\r\nm=%s%n%s\r\n', trickle: 7, rid_order: [], e2ee: 'x', force_relay: {} }]
    for (const value of wrong) {
      for (const fields of [
        { janus: 'message', body: value }, { janus: 'message', body: { request: 'configure' }, jsep: value }, { janus: 'message', body: { request: value } }, { janus: 'message', body: { request: 'join', room: value, ptype: value, display: value } },
        { janus: 'trickle', candidate: value }, { janus: 'trickle', candidates: value }, { janus: 'trickle', candidates: [value, value] }, { janus: 'trickle', candidate: { candidate: value, sdpMid: value, sdpMLineIndex: value } }
      ]) {
        const answer = await bad.ask({ handle_id: own, ...fields })
        t.ok(['error', 'ack', 'success', 'event'].includes(answer.janus))
      }
    }
    for (const candidates of [Array(10_000).fill({}), Array(10_000).fill(null), Array(2_000).fill({ candidate: 'x', sdpMid: '0' }), Array(1_000).fill({ completed: true })]) {
      const answer = await bad.ask({ janus: 'trickle', handle_id: own, candidates })
      t.ok(['error', 'ack'].includes(answer.janus))
    }
    for (const plugin of [null, 7, '', 'janus.plugin.echotest', 'janus.plugin.admin', '../videoroom', `${VIDEOROOM} `, {}, []]) t.match(await bad.ask({ janus: 'attach', plugin }), { janus: 'error' })
    t.match(await bad.message(own, { request: 'destroy', room: ROOM.id }), { plugindata: { data: { error_code: Number } } })
  })

  await attack('it says too much at once', async (t) => {
    const bad = await attacked.speaker(t)
    bad.link.say('x'.repeat(16 * MiB))
    t.match(await bad.link.closed, { code: 1009 })
    const early = await attacked.link(t)
    early.say('x'.repeat(16 * MiB))
    t.match(await early.closed, { code: 1009 })
    const plain = await attacked.plain(t)
    plain.say('x'.repeat(16 * MiB))
    t.match(await plain.closed, { code: 1009 })
  })

  await attack('it wants more handles and sessions than there are', async (t) => {
    const bad = await attacked.speaker(t)
    for (let n = 0; n < 390; n++) bad.link.say({ janus: 'attach', session_id: bad.session, plugin: VIDEOROOM, transaction: `n${n}` })
    let attached = 0
    for (let n = 0; n < 390; n++) if ((await hear(bad.link)).janus === 'success') attached++
    t.equal(attached, 32)
    t.equal((await janus.handles(bad.session)).length, 32)
    const creator = await attacked.speaker(t)
    for (let n = 0; n < 1_000; n++) creator.link.say({ janus: 'create', transaction: `n${n}` })
    for (let n = 0; n < 300; n++) t.match(await hear(creator.link), { janus: 'error', error: { code: 468 } })
    t.equal((await janus.sessions()).length, before.length + 2)
  })

  await attack('it floods with keepalives, and with refusals that it does not read', async (t) => {
    const bad = await attacked.speaker(t)
    bad.link.client.socket.pause()
    for (let n = 0; n < 5_000; n++) bad.link.say({ janus: 'keepalive', session_id: bad.session, transaction: 'k'.repeat(200) })
    await victim.isWell(t)
    bad.link.client.socket.resume()
    for (let n = 0; n < 400; n++) t.match(await hear(bad.link), { janus: 'ack' })
    await bad.link.client.cut()
  })

  await attack('it opens links and says nothing, or creates and is gone', async (t) => {
    const silent = await Promise.all(Array.from({ length: 100 }, () => attacked.link(t)))
    for (let n = 0; n < 300; n++) {
      const link = await attacked.link(t)
      link.say({ janus: 'create', transaction: 'c', token: tokenOf({}) })
      if (n % 3 === 0) link.say({ janus: 'attach', transaction: 'a', session_id: 1, plugin: VIDEOROOM })
      if (n % 5 !== 0) await new Promise(setImmediate)
      link.client.socket.terminate()
    }
    for (let n = 0; n < 100; n++) {
      const plain = await attacked.plain(t)
      plain.say({ body: { request: 'list' } })
      plain.client.socket.terminate()
    }
    await Promise.all(silent.map(({ client }) => client.cut()))
  })

  await attack('it claims its own in a storm', async (t) => {
    const first = await attacked.speaker(t, { subject: 'stormy' })
    const handle = await first.attach()
    const links = await Promise.all(Array.from({ length: 50 }, () => attacked.link(t)))
    const ends = links.map(({ closed }) => closed)
    for (const link of links) link.claim(first.session, { roomId: 'room', subject: 'stormy' })
    t.match(await first.link.closed, { code: 4409 })
    const last = await attacked.link(t)
    last.claim(first.session, { roomId: 'room', subject: 'stormy' }, 'last')
    t.match(await hear(last, ({ transaction }) => transaction === 'last'), { janus: 'success', session_id: first.session })
    for (const { code } of await Promise.all(ends)) t.equal(code, 4409)
    last.say({ janus: 'message', session_id: first.session, handle_id: handle, transaction: 'm', body: { request: 'exists', room: ROOM.id } })
    t.match(await hear(last), { janus: 'success', transaction: 'm' })
    t.equal((await janus.sessions()).length, before.length + 1)
    await last.client.cut()
  })

  await attack('it says nonsense on the plain route', async (t) => {
    const bad = await attacked.plain(t)
    for (const event of [{}, { body: 7 }, { body: [] }, { body: {}, jsep: 7 }, { candidate: undefined }, { body: {}, transaction: 7 }, { transaction: 'x'.repeat(300), body: {} }, 'text', '[]', '{"body":{"a":"\\u0000"}}', { session_id: victim.speaker.session }]) {
      bad.say(event)
      t.match(await hear(bad), { janus: 'error' })
    }
    for (let n = 0; n < 300; n++) bad.say({ candidate: { n } })
    bad.say({ body: { request: 'exists', room: ROOM.id, session_id: victim.speaker.session }, session_id: victim.speaker.session, handle_id: victim.handle, transaction: 'e' })
    t.match(await hear(bad, ({ transaction }) => transaction === 'e'), { body: { exists: true } })
    bad.say({ janus: 'claim', session_id: victim.speaker.session, transaction: 't' })
    t.match(await hear(bad), { janus: 'error' })
  })

  await attack('it fills a room with what others are told', async (t) => {
    const bad = await attacked.speaker(t)
    const handles: number[] = []
    for (let n = 0; n < 12; n++) handles.push(await bad.attach())
    t.match(await bad.message(handles[0]!, { request: 'join', ptype: 'publisher', room: ROOM.id, display: 'x'.repeat(100_000) }), { janus: 'error', error: { code: 467 } })
    const display = 'x'.repeat(16_000)
    for (const handle of handles) await bad.message(handle, { request: 'join', ptype: 'publisher', room: ROOM.id, display })
    t.equal((await bad.message(handles[0]!, { request: 'listparticipants', room: ROOM.id })).plugindata.data.participants.length, 13)
    await victim.isWell(t)
    await bad.link.client.cut()
  })

  await t.test('secrets stay where they are', async (t) => {
    const said = [...attacked.logged, ...attacked.heard]
    t.ok(attacked.heard.length > 1_000 && attacked.logged.length > 100)
    for (const secret of [janus.apiSecret, janus.adminSecret, HUSH]) t.notOk(said.some((text) => text.includes(secret)))
    t.notOk(attacked.logged.some((text) => text.includes('"level":60')))
  })
})

t.test('Janus itself fails', { skip: withoutJanus() }, async (t) => {
  const config = { config: { janus: { general: {} as Record<string, string> } } }
  const janus = await JanusServer.start(config)
  t.teardown(() => janus.stop())
  const attacked = await Attacked.start(t, janus, { heartbeat: { trunkMs: 500 } })
  const trunk = async (state: string): Promise<void> => { await until(`the trunk is ${state}`, () => attacked.trunk.state === state, 20_000, 5) }
  const others = async (t: Test): Promise<Victim[]> => await Promise.all(Array.from({ length: 10 }, () => Victim.start(t, attacked, {})))

  await t.test('it is frozen under load, and thawed', async (t) => {
    const victims = await others(t)
    await janus.freeze()
    const bad = await attacked.link(t)
    bad.say({ janus: 'create', transaction: 'create', token: tokenOf({}) })
    await trunk('down')
    janus.thaw()
    await trunk('up')
    for (const victim of victims) {
      const { rounds } = victim
      await until('it has an answer', () => victim.rounds > rounds)
      victim.longestMs = 0
      await victim.isWell(t)
    }
    t.equal(janus.connections(), 1)
    for (const victim of victims) await victim.end()
    for (const { speaker: { link } } of victims) await link.client.close()
    await bad.client.cut()
    // What it read of the lost connection when it was thawed it has done, too: a session of which nobody has heard ends when its time is over.
    await until('nothing else is left', async () => (await janus.sessions()).length <= 2)
  })

  await t.test('it is killed in the middle of requests', async (t) => {
    const victims = await others(t)
    const ends = victims.map(({ speaker: { link } }) => link.closed)
    await janus.restart()
    for (const { code } of await Promise.all(ends)) t.equal(code, 4001)
    await trunk('up')
    await until('nobody is left', () => attacked.stage.app.trunkline.peers.size === 0)
    await (await Victim.start(t, attacked)).isWell(t)
  })

  await t.test('it comes back with another secret, which is put right later', async (t) => {
    await janus.kill()
    config.config.janus.general.api_secret = 'another'
    await janus.restart()
    const refusals = (): number => attacked.logged.filter((line) => line.includes('does not let the backend in')).length
    await until('the app has tried and been refused again', () => refusals() >= 3)
    t.not(attacked.trunk.state, 'up')
    const early = await attacked.link(t)
    early.say({ janus: 'create', transaction: 'create', token: tokenOf({}) })
    await janus.kill()
    config.config.janus.general = {}
    await janus.restart()
    t.ok((await hear(early)).data.id, 'who has waited is served')
    await (await Victim.start(t, attacked)).isWell(t)
    const said = [...attacked.logged, ...attacked.heard]
    for (const secret of [janus.apiSecret, janus.adminSecret, HUSH]) t.notOk(said.some((text) => text.includes(secret)))
  })
})
