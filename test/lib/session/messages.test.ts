import fc from 'fast-check'
import assert from 'node:assert/strict'
import t from 'tap'
import { ACK, BINARY_EVENT, CONTROL, SKIP, ackMessage, binaryEventMessage, controlMessage, readMessage, skipMessage } from '../../../lib/session/messages.js'
import type { BackendControl, ClientControl } from '../../../lib/session/messages.js'
import { holds } from '../../support.js'

const text = fc.string({ unit: 'binary' })
/** Half of a character is kept by JSON as an escape. */
const anyText = fc.oneof(text, fc.string({ unit: fc.constantFrom('\ud800', '\udfff', '\ufeff', '\u2028', '"', '\\', '\0', 'x') }))
const count = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 127, 128, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER))

/** As JSON makes objects. */
const plain = { noNullPrototype: true }
const recording = fc.record({ recordingId: anyText, status: fc.constantFrom('active' as const, 'finished' as const, 'available' as const, 'failed' as const), revision: count, startedAt: fc.option(count) }, plain)
const controls: fc.Arbitrary<ClientControl | BackendControl> = fc.oneof(
  fc.record({
    type: fc.constant('join' as const),
    id: count,
    version: count,
    client: anyText,
    token: anyText,
    resume: fc.record({ peerId: anyText, key: anyText, received: count }, plain)
  }, { requiredKeys: ['type', 'id', 'version'], ...plain }),
  fc.record({
    type: fc.constant('joined' as const),
    id: count,
    peerId: anyText,
    roomId: anyText,
    key: anyText,
    resumed: fc.boolean(),
    received: count,
    windowBytes: count,
    heartbeatMs: count,
    resumeWindowMs: count,
    recordings: fc.option(fc.array(recording))
  }, plain),
  fc.record({ type: fc.constant('recordings' as const), recordings: fc.option(fc.array(recording)) }, plain),
  fc.record({ type: fc.constant('message' as const), message: fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown) }, plain),
  fc.constantFrom({ type: 'leave' as const }, { type: 'ping' as const }, { type: 'trunk' as const, state: 'down' as const }),
  fc.record({ type: fc.constant('rejoin' as const), reason: fc.constantFrom('trunk' as const, 'token' as const) }, plain)
)

const of = (...bytes: number[]): Uint8Array => new Uint8Array(bytes)
/** In the middle of other bytes, as it is in what was read from a socket. */
function view (message: Uint8Array): Uint8Array {
  const all = new Uint8Array(message.length + 6).fill(0x80)
  all.set(message, 3)
  return all.subarray(3, -3)
}

t.test('control goes there and back', async (t) => {
  holds(t, fc.property(controls, (control) => {
    const message = controlMessage(control)
    assert.equal(message[0], 0x00)
    assert.deepEqual(readMessage(view(message)), { kind: CONTROL, control })
  }), { numRuns: 500 })
})

t.test('a binary event goes there and back, and is a view of its message', async (t) => {
  holds(t, fc.property(fc.uint8Array({ maxLength: 300 }), (data) => {
    const message = binaryEventMessage(view(data))
    assert.equal(message[0], 0x01)
    const read = readMessage(view(message))
    assert.deepEqual(read, { kind: BINARY_EVENT, data })
  }))
  const message = Buffer.from(binaryEventMessage(of(1, 2, 3)))
  const read = readMessage(message)
  t.ok(read?.kind === BINARY_EVENT && read.data.buffer === message.buffer && read.data.byteOffset === message.byteOffset + 1)
  const data = of(1, 2, 3)
  const sent = binaryEventMessage(data)
  data.fill(0)
  t.same([...sent], [BINARY_EVENT, 1, 2, 3], 'what is sent is a copy')
})

t.test('a count goes there and back, in as few bytes as it takes', async (t) => {
  holds(t, fc.property(count, (received) => {
    const message = ackMessage(received)
    assert.equal(message.length, 1 + Math.max(1, Math.ceil(received.toString(2).length / 7)))
    assert.deepEqual(readMessage(view(message)), { kind: ACK, received })
  }), { numRuns: 1000 })
  t.same([...ackMessage(0)], [2, 0])
  t.same([...ackMessage(300)], [2, 0xac, 0x02], "protobuf's own example of a varint")
  t.same([...ackMessage(Number.MAX_SAFE_INTEGER)], [2, 255, 255, 255, 255, 255, 255, 255, 15])
})

t.test('a skip goes there and back, and has nothing in it', async (t) => {
  t.same([...skipMessage()], [3])
  t.same(readMessage(skipMessage()), { kind: SKIP })
  t.throws(() => readMessage(of(SKIP, 0)))
})

t.test('a count that is cut off, has more behind it, is too long or too large is refused', async (t) => {
  holds(t, fc.property(count, fc.uint8Array({ minLength: 1, maxLength: 4 }), (received, more) => {
    const message = ackMessage(received)
    for (let length = 1; length < message.length; length++) assert.throws(() => readMessage(message.subarray(0, length)))
    assert.throws(() => readMessage(Buffer.concat([message, more])))
    // The same number in more bytes than it takes.
    for (let padding = 0; padding < 200; padding += 1 + padding) {
      const longer = of(...message, ...new Array<number>(padding).fill(0x80), 0)
      longer[message.length - 1]! |= 0x80
      assert.throws(() => readMessage(longer))
    }
  }))
  const unsafe = [
    of(ACK, 128, 128, 128, 128, 128, 128, 128, 16),
    of(ACK, 129, 128, 128, 128, 128, 128, 128, 16),
    of(ACK, 255, 255, 255, 255, 255, 255, 255, 127),
    of(ACK, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1),
    of(ACK, ...new Array<number>(200).fill(255), 1),
    of(ACK, ...new Array<number>(100_000).fill(128), 1)
  ]
  for (const message of unsafe) t.throws(() => readMessage(message))
})

t.test('an empty message is refused', async (t) => {
  t.throws(() => readMessage(of()))
})

t.test('control that is not JSON in UTF-8 is refused, and what comes after it is read all the same', async (t) => {
  const bad = [
    of(CONTROL),
    of(CONTROL, 0xff),
    of(CONTROL, 0x22, 0xc3, 0x22),
    of(CONTROL, 0x22, 0xe2, 0x82),
    // A surrogate, and a character in more bytes than it takes
    of(CONTROL, 0x22, 0xed, 0xa0, 0x80, 0x22),
    of(CONTROL, 0x22, 0xc0, 0xaf, 0x22),
    ...['', '{', '{"type":"ping"', '{"type":"ping"}x', "{type:'ping'}", '{"type":"ping",}', 'undefined', 'NaN', '"\n"'].map((json) => of(CONTROL, ...Buffer.from(json)))
  ]
  for (const message of bad) {
    t.throws(() => readMessage(message))
    t.same(readMessage(controlMessage({ type: 'ping' })), { kind: CONTROL, control: { type: 'ping' } })
  }
  const whole = controlMessage({ type: 'join', id: 1, version: 1, token: 'größer' })
  for (let length = 1; length < whole.length; length++) t.throws(() => readMessage(whole.subarray(0, length)))
})

t.test('control that is JSON, but nothing that is known, is for the reader to judge', async (t) => {
  for (const json of ['null', '1', '[]', '"join"', '{}', '{"type":"nothing"}', '{"type":"ping","__proto__":{"type":"leave"}}']) {
    t.same(readMessage(of(CONTROL, ...Buffer.from(json))), { kind: CONTROL, control: JSON.parse(json) as unknown })
  }
})

t.test('a kind that is not known is passed over', async (t) => {
  holds(t, fc.property(fc.integer({ min: 4, max: 255 }), fc.uint8Array(), (kind, body) => {
    assert.equal(readMessage(of(kind, ...body)), null)
  }))
})

t.test('whatever comes is read or refused with an Error, and a count is one', async (t) => {
  holds(t, fc.property(fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.tuple(fc.constantFrom(CONTROL, BINARY_EVENT, ACK, SKIP), fc.uint8Array({ maxLength: 12 })).map(([kind, body]) => of(kind, ...body))), (message) => {
    try {
      const read = readMessage(message)
      if (read?.kind === ACK) {
        assert.ok(Number.isSafeInteger(read.received) && read.received >= 0)
        assert.deepEqual(ackMessage(read.received), message)
      }
    } catch (error) {
      assert.ok(error instanceof Error && !(error instanceof assert.AssertionError), String(error))
    }
  }), { numRuns: 3000 })
})
