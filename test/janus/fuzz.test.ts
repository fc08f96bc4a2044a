import process from 'node:process'
import t from 'tap'
import { mutate } from '../fuzz/mutate.js'
import type { JanusClient } from '../janus-client.js'
import { withoutJanus } from '../setup/janus.js'
import { Random } from '../sim/random.js'
import { Attacked, Speaker, VIDEOROOM, Victim, hear } from './support/attacked.js'
import { ROOM } from './support/janus-config.js'
import { JanusServer } from './support/janus-server.js'

/** What is changed, with which seed, and how much of it, is told by the environment. */
const SEED = Number(process.env.JANUS_FUZZ_SEED ?? 1)
const MESSAGES = Number(process.env.JANUS_FUZZ_MESSAGES ?? 6_000)
/** Said in one breath, before an answer is awaited. */
const BREATH = 40

/** What stands instead of a value: what Janus's parser and ours may read otherwise. As JSON. */
const ODD = ['null', '-0', '0', '1e400', '9223372036854774784', '9223372036854775807', '9223372036854775808', '-9223372036854775809', '18446744073709551616', '1e20', '1e21', '5e-324', '1.0', '"\\u0000"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\uffff"',
  '"\\u2028"', '"\\u007f"', '""', '[]', '{}', '[[[]]]', '{"":{"":0}}', '{"__proto__":null}', '{"toJSON":1}', 'true', '"' + 'x'.repeat(300) + '"', '['.repeat(63) + ']'.repeat(63), '['.repeat(70) + ']'.repeat(70), '{"a":1,"a":2}', '"\u{1F600}\u0301"', '"%s%n"']
const ADDED = ['"__proto__":{"janus":"ping"}', '"session_id":1', '"handle_id":1', '"id":7', '"apisecret":"x"', '"token":"x"', '"janus":"CLAIM"', '"opaque_id":[]', '"transaction":"again"', '"":""', '"\\u0000":1', '"jsep":{"type":"offer","sdp":"v=0"}']

/** Something valid that a client could say of its session. */
function valid (random: Random, session: number, handle: number): Record<string, unknown> {
  const ids = { session_id: session, transaction: `t${random.between(0, 9)}` }
  return random.pick<() => Record<string, unknown>>([
    () => ({ janus: 'message', ...ids, handle_id: handle, body: { request: 'exists', room: ROOM.id } }),
    () => ({ janus: 'message', ...ids, handle_id: handle, body: { request: 'list' } }),
    () => ({ janus: 'message', ...ids, handle_id: handle, body: { request: 'configure', display: 'x', audio: true }, jsep: { type: 'offer', sdp: 'v=0\r\n', trickle: true } }),
    () => ({ janus: 'trickle', ...ids, handle_id: handle, candidate: { candidate: 'candidate:1 1 udp 1 127.0.0.1 9 typ host', sdpMid: '0', sdpMLineIndex: 0 } }),
    () => ({ janus: 'trickle', ...ids, handle_id: handle, candidates: [{ completed: true }] }),
    () => ({ janus: 'hangup', ...ids, handle_id: handle }),
    () => ({ janus: 'keepalive', ...ids }),
    () => ({ janus: 'attach', ...ids, plugin: VIDEOROOM }),
    () => ({ body: { request: 'exists', room: ROOM.id }, transaction: 't' }),
    () => ({ candidate: { completed: true } })
  ])()
}

/** Values are exchanged for odd ones, fields are added, and at last the bytes are changed. */
function changed (random: Random, message: Record<string, unknown>, other: Record<string, unknown>): Buffer {
  let text = JSON.stringify(message)
  const kind = random.next()
  if (kind < 0.45) {
    const values = [...text.matchAll(/(?<=:)("[^"]*"|\d+|true|\{\}|\[\])/g)]
    const value = random.pick(values)
    text = text.slice(0, value.index) + random.pick(ODD) + text.slice(value.index + value[0].length)
  } else if (kind < 0.6) {
    const field = random.pick(ADDED)
    text = random.chance(0.5) ? `{${field},${text.slice(1)}` : `${text.slice(0, -1)},${field}}`
  }
  return kind < 0.5 || kind > 0.9 ? Buffer.from(text) : mutate(random, Buffer.from(text), Buffer.from(JSON.stringify(other)))
}

t.test('whatever is said to the app, Janus hears only what it understands', { skip: withoutJanus() }, async (t) => {
  t.comment(`JANUS_FUZZ_SEED=${SEED} JANUS_FUZZ_MESSAGES=${MESSAGES}`)
  const janus = await JanusServer.start()
  t.teardown(() => janus.stop())
  const { pid } = janus
  const attacked = await Attacked.start(t, janus, { limits: { messagesPerSecond: 1_000_000, messageBurst: 1_000_000 } })
  const victim = await Victim.start(t, attacked)
  const random = new Random(SEED)
  let said = 0
  let heard = 0
  while (said < MESSAGES) {
    const isPlain = random.chance(0.2)
    const link = isPlain ? await attacked.plain(t) : await attacked.link(t)
    let [session, handle] = [1, 1]
    if (!isPlain) {
      const speaker = await Speaker.begin(link)
      session = speaker.session
      handle = await speaker.attach()
    }
    for (let breath = 0; breath < 8 && link.client.socket.readyState === link.client.socket.OPEN; breath++) {
      for (let n = 0; n < BREATH; n++) {
        const data = changed(random, valid(random, session, handle), valid(random, session, handle))
        link.client.send(random.chance(0.95) ? data.toString() : data)
        said++
      }
      heard += await answered(link, isPlain)
    }
    await link.client.cut()
  }
  t.ok(heard > MESSAGES / 10, `${said} were said, and ${heard} heard`)
  await victim.isWell(t)
  t.same(Object.keys(attacked.dropped).filter((cause) => cause !== 'late answer' && cause !== 'unknown session'), [], JSON.stringify(attacked.dropped))
  t.equal(janus.pid, pid)
  t.equal(janus.connections(), 1)
})

/** Waits until all that was said was read, or the link is closed; how much was answered. */
async function answered (link: JanusClient, isPlain: boolean): Promise<number> {
  const before = link.client.pending
  if (isPlain) link.say({ body: 7, transaction: 'done' })
  else link.say({ janus: 'ping', transaction: 'done' })
  let count = before
  await Promise.race([hear(link, ({ transaction }) => {
    count++
    return transaction === 'done'
  }).catch(() => {}), link.closed])
  return count
}
