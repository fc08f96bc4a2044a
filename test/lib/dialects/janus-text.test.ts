import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { createdBy, readFirst, withoutCredentials } from '../../../lib/dialects/janus-text.js'
import { holds } from '../../support.js'

const key = fc.oneof(fc.constantFrom('token', 'apisecret', 'janus', 'body', '__proto__', 'constructor', 'to"ken'), fc.string())
const requests = fc.dictionary(key, fc.oneof(fc.jsonValue(), fc.constant({ token: 'nested' })))

t.test('of any request the secrets are left out, and nothing else', async (t) => {
  holds(t, fc.property(requests, fc.boolean(), (request, pretty) => {
    const text = Buffer.from(JSON.stringify(request, null, pretty ? 1 : undefined))
    const expected = JSON.parse(text.toString()) as Record<string, unknown>
    delete expected.token
    delete expected.apisecret
    const left = withoutCredentials(text)
    assert.deepEqual(JSON.parse(left.toString()), expected)
    if (!Object.hasOwn(request, 'token') && !Object.hasOwn(request, 'apisecret')) assert.equal(left, text, 'as it came')
  }))
})

t.test('what is no request stays as it came; what cannot be written anew is not left', async (t) => {
  for (const text of ['', '{"token":', '["token"]', '"token"', 'null "apisecret"']) {
    const message = Buffer.from(text)
    t.equal(withoutCredentials(message), message)
  }
  const deep = '['.repeat(60_000) + ']'.repeat(60_000)
  t.equal(withoutCredentials(Buffer.from(`{"token":"hush","deep":${deep}}`)).toString(), '{}')
  t.throws(() => readFirst(Buffer.from(`{"janus":"create","transaction":"t","token":"hush","deep":${deep}}`)), { message: 'Invalid Janus API request' })
})

t.test('the secret of a first request does not get into its event, however it is written', async (t) => {
  const request = readFirst(Buffer.from('{"janus":"create","transaction":"t","tok\\u0065n":"hush","apisecret":"other"}'))
  t.match(request, { verb: 'create', token: 'hush' })
  t.equal((request as { event: Buffer }).event.toString(), '{"janus":"create","transaction":"t"}')
})

t.test('whatever comes first is read or refused, and whatever comes down is an answer or none', async (t) => {
  const anything = fc.oneof(fc.string(), fc.json(), fc.record({ janus: fc.constantFrom('create', 'claim', 'ping', 'attach', 7), transaction: fc.oneof(fc.string(), fc.nat()), session_id: fc.oneof(fc.maxSafeInteger(), fc.double(), fc.string()), data: fc.jsonValue() }, { requiredKeys: [] }).map((value) => JSON.stringify(value)))
  holds(t, fc.property(anything, (text) => {
    try {
      const request = readFirst(Buffer.from(text))
      assert.ok(['create', 'claim', 'ping'].includes(request.verb) && typeof request.transaction === 'string')
    } catch (error) {
      assert.ok([453, 454, 456, 458].includes((error as { error: { code: number } }).error.code))
    }
    assert.ok(createdBy(Buffer.from(text), 'no such transaction') === undefined)
  }), { numRuns: 1_000 })
})
