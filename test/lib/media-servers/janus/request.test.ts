import assert from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import { readTransaction, withTransaction } from '../../../../lib/media-servers/janus/request.js'
import { holds } from '../../../support.js'

t.test("the client's transaction stands in the place of ours, and all else as it came", async (t) => {
  const text = '{"janus":"success","session_id":9007199254740991,"transaction":"5|t","sender":2,"plugindata":{"data":{"bitrate":1.0,"id":18446744073709551615}}}'
  t.equal(withTransaction(text, '5|t', 't'), text.replace('5|', ''))
  t.equal(withTransaction(text, '5|t', null), text.replace(',"transaction":"5|t"', ''))
  t.equal(withTransaction('{"janus":"ack","transaction":"5|"}', '5|', ''), '{"janus":"ack","transaction":""}')
})

t.test('what does not stand as Janus writes it is left to who can read it', async (t) => {
  const member = ',"transaction":"5|t"'
  const elsewhere: string[] = [
    '{"transaction":"5|t","janus":"ack"}',
    '{"janus":"ack", "transaction": "5|t"}',
    '{"janus":"ack","transaction":"5|\\u0074"}',
    `{"janus":"event","data":{"a":1${member}},"transaction" :"5|t"}`,
    `{"janus":"event","{":1${member}}`,
    '{"janus":"event","a,\\"transaction":"5|t","transaction" :"5|t"}'
  ]
  for (const text of elsewhere) t.equal(withTransaction(text, '5|t', 't'), null, text)
  t.equal(withTransaction('{"janus":"ack","transaction":"5|a\\"b"}', '5|a"b', 'a"b'), null, 'what JSON may write in several ways')
})

const OURS = '5|t'
/** What a client could have a plugin say back, so that it is taken for the transaction. */
const PIECES = ['"', '\\', ',', '{', '}', ':', 'transaction', OURS, `,"transaction":"${OURS}"`, `"transaction":"${OURS}"`, `{"a":1,"transaction":"${OURS}"}`, 'é', '\u2028']
const hostile = fc.array(fc.constantFrom(...PIECES), { maxLength: 8 }).map((pieces) => pieces.join(''))
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    hostile,
    fc.integer(),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.oneof(hostile, fc.constant('transaction')), tie('value'), { maxKeys: 4 })
  )
}))
const members = fc.array(fc.tuple(hostile.map((key) => `${key}?`), value), { maxLength: 4 })

t.test('whatever a plugin says: it is the transaction that changes, and nothing else', async (t) => {
  let changed = 0
  holds(t, fc.property(members, members, fc.constantFrom('t', null), fc.boolean(), (before, after, theirs, isFirst) => {
    const own = [['transaction', OURS]]
    const message = Object.fromEntries([...(isFirst ? [] : [['janus', 'event']]), ...before, ...own, ...after]) as Record<string, unknown>
    const text = withTransaction(JSON.stringify(message), OURS, theirs)
    if (text === null) return
    changed++
    const { transaction: _ours, ...rest } = message
    assert.deepEqual(JSON.parse(text), theirs === null ? rest : { ...rest, transaction: theirs })
  }), { numRuns: 2_000 })
  t.ok(changed > 100, `${changed} were changed`)
})

t.test('what is sent is found again', async (t) => {
  t.same(readTransaction('5|a|b'), { number: 5, transaction: 'a|b' })
  t.same(readTransaction('5'), { number: 5, transaction: null })
  for (const none of [undefined, 5, '', '|', 'x|5', '-1|t', '1.5', '9007199254740993|t']) t.equal(readTransaction(none), null)
})
