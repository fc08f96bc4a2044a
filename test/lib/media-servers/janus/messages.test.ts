import fc from 'fast-check'
import t from 'tap'
import { Fault, JanusCode, MAX_DEPTH, faultOf, isId, isObject, readObject } from '../../../../lib/media-servers/janus/messages.js'
import { JanusRequest, readTransaction } from '../../../../lib/media-servers/janus/request.js'
import type { Requester } from '../../../../lib/media-servers/janus/request.js'
import { holds } from '../../../support.js'

const nobody: Requester = { isOver: false, answered () {}, failed () {} }

/** What jansson reads of all that JSON can say. */
const readable = fc.jsonValue({ maxDepth: 5 }).map((value) => JSON.parse(JSON.stringify(value).replaceAll('\\u0000', '').replaceAll(/[0-9]{19,21}(?![0-9])/g, '7')) as unknown)

t.test('whatever is one readable object is taken, and means the same when it is said again', async (t) => {
  holds(t, fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }).filter((key) => !key.includes('\0') && key !== '__proto__'), readable), (object) => {
    const read = readObject(JSON.stringify(object))
    return !(read instanceof Fault) && JSON.stringify(read) === JSON.stringify(JSON.parse(JSON.stringify(object)))
  }))
})

t.test('any text is taken or refused, and nothing is thrown', async (t) => {
  holds(t, fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json(), fc.json().map((json) => json.slice(1)), fc.tuple(fc.json(), fc.json()).map((two) => two.join(''))), (text) => {
    const read = readObject(text)
    if (read instanceof Fault) return read.code === JanusCode.invalidJson || read.code === JanusCode.notAnObject
    return isObject(JSON.parse(text))
  }))
})

t.test('what the parser of Janus refuses is refused here, where somebody hears of it', async (t) => {
  const nested = (levels: number): string => '{"a":'.repeat(levels) + '1' + '}'.repeat(levels)
  t.notOk(readObject(nested(MAX_DEPTH)) instanceof Fault)
  t.match(readObject(nested(MAX_DEPTH + 1)), { code: 454 })
  t.match(readObject('['.repeat(100_000)), { code: 454 })
  t.match(readObject('{"a":' + '['.repeat(60_000) + ']'.repeat(60_000) + '}'), { code: 454 })
  for (const text of ['{"a":"\\u0000"}', '{"\\u0000":1}', '{"a":"\\ud800"}', '{"\\udfff":1}', '{"a":[9223372036854775808]}', '{"a":-9223372036854775809}']) t.match(readObject(text), { code: 454 }, text)
  for (const text of ['{"a":9007199254740991}', '{"a":1e300}', '{"a":"\\ud83d\\ude00"}', '{"a":-0.5}']) t.notOk(readObject(text) instanceof Fault, text)
  for (const text of ['', '[]', '1', 'null', '"a"', '{"a":1}{"a":1}', '{"a":1} x', '{a:1}', 'undefined']) t.ok(readObject(text) instanceof Fault, text)
})

t.test('a request says what it was given, in its own words and no others', async (t) => {
  const transactions = fc.option(fc.string({ unit: 'grapheme', maxLength: 40 }))
  const ids = fc.option(fc.integer({ min: 1, max: 2 ** 53 - 1 }))
  holds(t, fc.property(transactions, ids, ids, fc.dictionary(fc.constantFrom('body', 'jsep', 'candidate', 'plugin'), fc.object()), fc.integer({ min: 1 }), fc.boolean(), (transaction, session, handle, fields, number, hasSecret) => {
    const request = new JanusRequest(nobody, 'p', 'message', transaction, session, handle, fields)
    const said = JSON.parse(request.text(number, hasSecret ? '"apisecret":"s",' : '')) as Record<string, unknown>
    const { janus, transaction: upstream, apisecret, session_id: sessionId, handle_id: handleId, ...rest } = said
    const back = readTransaction(upstream)
    return janus === 'message' && apisecret === (hasSecret ? 's' : undefined) && sessionId === (session ?? undefined) && handleId === (handle ?? undefined) &&
      JSON.stringify(rest) === JSON.stringify(JSON.parse(JSON.stringify(fields))) && back?.number === number && back.transaction === transaction
  }))
})

t.test('transactions of others are none of ours', async (t) => {
  for (const transaction of [undefined, null, 7, '', '|', 'x', '0|a', '-1|a', '1.5|a', '1e400|a', 'NaN', '99999999999999999999']) t.equal(readTransaction(transaction), null, String(transaction))
  t.same(readTransaction('12|a|b'), { number: 12, transaction: 'a|b' })
})

t.test('ids and errors', async (t) => {
  for (const value of [0, -1, 1.5, 2 ** 53, NaN, '1', null, undefined, {}]) t.notOk(isId(value), String(value))
  t.ok(isId(2 ** 53 - 1))
  t.match(faultOf({ janus: 'error', error: { code: 458, reason: 'No such session' } }), { code: 458, reason: 'No such session' })
  for (const error of [undefined, null, 7, [], { code: '458' }]) t.match(faultOf({ janus: 'error', error }), { code: 490 })
})
