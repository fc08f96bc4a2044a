import t from 'tap'
import type { Test } from 'tap'
import { FakeJanus } from '../../lib/testing/index.js'
import { withoutJanus } from '../setup/janus.js'
import { JanusServer } from './support/janus-server.js'
import { JanusSpeaker } from './support/janus-speaker.js'

const ECHOTEST = 'janus.plugin.echotest'
const VIDEOROOM = 'janus.plugin.videoroom'

/** Names for ids, which are no two times the same. */
const S = 'the session'
const H = 'the EchoTest handle'
const V = 'the VideoRoom handle'
const UNKNOWN = 1

/** What is said, and how many messages come back. */
const CONVERSATION: Array<[Record<string, unknown> | string, number]> = [
  [{ janus: 'ping', apisecret: 'wrong' }, 1],
  [{ janus: 'ping', session_id: S }, 1],
  [{ janus: 'PING' }, 1],
  [{ janus: 'info', session_id: S }, 1],
  [{ janus: 'create', session_id: S }, 1],
  [{ janus: 'create', apisecret: 'wrong' }, 1],
  [{ janus: 'create', transaction: undefined }, 1],
  [{ janus: 'create', transaction: undefined, session_id: S }, 1],
  [{ janus: 'create', transaction: 1 }, 1],
  [{ janus: undefined }, 1],
  [{ janus: 1 }, 1],
  [{ janus: 'create', id: S }, 1],
  [{ janus: 'create', id: 'odd', apisecret: 'wrong' }, 1],
  [{ janus: 'attach' }, 1],
  [{ janus: 'attach', session_id: S }, 1],
  [{ janus: 'attach', session_id: S, plugin: 1 }, 1],
  [{ janus: 'attach', session_id: S, plugin: 'none' }, 1],
  [{ janus: 'attach', session_id: S, plugin: ECHOTEST, opaque_id: 1 }, 1],
  [{ janus: 'attach', session_id: S, handle_id: H, plugin: ECHOTEST }, 1],
  [{ janus: 'attach', session_id: 'odd', plugin: ECHOTEST }, 1],
  [{ janus: 'keepalive', session_id: S }, 1],
  [{ janus: 'KeepAlive', session_id: S, handle_id: H }, 1],
  [{ janus: 'keepalive', session_id: S, apisecret: 'wrong' }, 1],
  [{ janus: 'keepalive', session_id: UNKNOWN }, 1],
  [{ janus: 'keepalive', handle_id: H }, 1],
  [{ janus: 'keepalive', session_id: S, handle_id: 0 }, 1],
  [{ janus: 'nonsense' }, 1],
  [{ janus: 'Nonsense', session_id: S }, 1],
  [{ janus: 'message', session_id: S, body: {} }, 1],
  [{ janus: 'message', session_id: S, handle_id: H }, 1],
  [{ janus: 'message', session_id: S, handle_id: H, body: 1 }, 1],
  [{ janus: 'message', session_id: S, handle_id: UNKNOWN, body: {} }, 1],
  [{ janus: 'message', session_id: S, handle_id: 'odd', body: {} }, 1],
  [{ janus: 'message', session_id: S, handle_id: H, body: {}, jsep: 1 }, 1],
  [{ janus: 'message', session_id: S, handle_id: H, body: {}, jsep: {} }, 1],
  [{ janus: 'message', session_id: S, handle_id: H, body: {}, jsep: { type: 1 } }, 1],
  [{ janus: 'message', session_id: S, handle_id: H, body: {}, jsep: { type: 'odd', sdp: '' } }, 1],
  [{ janus: 'message', session_id: S, handle_id: H, body: {}, jsep: { type: 'offer' } }, 1],
  [{ janus: 'message', session_id: S, handle_id: H, body: {}, jsep: { type: 'offer', sdp: 1 } }, 1],
  [{ janus: 'message', session_id: S, handle_id: H, body: { audio: true } }, 2],
  [{ janus: 'message', session_id: S, handle_id: V, body: { request: 'exists', room: 1234 } }, 1],
  [{ janus: 'message', session_id: S, handle_id: V, body: { request: 'join', room: 1234, ptype: 'publisher' } }, 2],
  [{ janus: 'trickle', session_id: S }, 1],
  [{ janus: 'trickle', session_id: S, handle_id: H }, 1],
  [{ janus: 'trickle', session_id: S, handle_id: H, candidate: null }, 1],
  [{ janus: 'trickle', session_id: S, handle_id: H, candidates: [] }, 1],
  [{ janus: 'hangup', session_id: S }, 1],
  [{ janus: 'hangup', session_id: S, handle_id: V }, 1],
  [{ janus: 'detach', session_id: S }, 1],
  [{ janus: 'detach', session_id: S, handle_id: H }, 2],
  [{ janus: 'detach', session_id: S, handle_id: H }, 1],
  [{ janus: 'claim' }, 1],
  [{ janus: 'claim', session_id: S }, 1],
  [{ janus: 'claim', session_id: S, handle_id: V }, 1],
  [{ janus: 'claim', session_id: UNKNOWN }, 1],
  [{ janus: 'destroy' }, 1],
  [{ janus: 'destroy', session_id: S, handle_id: V }, 1],
  [{ janus: 'destroy', session_id: S }, 1],
  [{ janus: 'destroy', session_id: S }, 1],
  ['odd', 1],
  ['', 1],
  ['null', 1],
  ['1', 1],
  ['{"janus":1', 1],
  ['[]', 1],
  ['{}', 1]
]

t.test('the fake speaks as a real Janus does', { skip: withoutJanus() }, async (t) => {
  const real = await JanusServer.start()
  t.teardown(() => real.stop())
  const fake = await FakeJanus.listen()
  t.teardown(() => fake.close())
  const [ofReal, ofFake] = [await converse(t, real), await converse(t, fake)]
  const infos = [await real.call({ janus: 'info' }), await (await JanusSpeaker.connect(t, fake)).ask({ janus: 'info' })].map(Object.keys)
  t.same(infos[1]!.filter((field) => !infos[0]!.includes(field)), [], 'of server_info it has a part')
  for (const [index, [said]] of CONVERSATION.entries()) t.same(ofFake[index], ofReal[index], JSON.stringify(said))
})

/** What came back each time: with names instead of ids, sorted, since Janus keeps no order, and without what is a plugin's own. */
async function converse (t: Test, server: { url: string, apiSecret: string | null }): Promise<unknown[]> {
  const speaker = await JanusSpeaker.connect(t, server)
  const { session_id: session, handle_id: handle } = await speaker.attach(ECHOTEST)
  const videoroom = (await speaker.ask({ janus: 'attach', session_id: session, plugin: VIDEOROOM })).data.id as number
  const ids = new Map<unknown, unknown>([[S, session], [H, handle], [V, videoroom]])
  const names = new Map([...ids].map(([name, id]) => [id, name]))
  const heard = []
  for (const [said, answers] of CONVERSATION) {
    if (typeof said === 'string') speaker.client.send(said)
    else speaker.say(Object.fromEntries(Object.entries(said).map(([field, value]) => [field, ids.get(value) ?? value])))
    const all = []
    while (all.length < answers) {
      const message = await speaker.hear()
      // EchoTest says so of a handle that goes, if it is faster than Janus.
      if (message.plugindata?.data?.result !== 'done') all.push(message)
    }
    heard.push(all.map(({ plugindata, hint, ...message }) => {
      const text = JSON.stringify(plugindata === undefined ? message : { ...message, plugindata: plugindata.plugin })
      const named = [...names].reduce((sofar, [id, name]) => sofar.replaceAll(String(id), String(name)), text)
      // What is wrong with a text is told in the words of Janus' own parser.
      return named.replace(/(?<=Invalid Janus API request).*(?="}}$)/, '')
    }).sort())
  }
  t.equal(speaker.client.pending, 0, 'nothing else is said')
  return heard
}
