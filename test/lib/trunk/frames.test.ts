import assert from 'node:assert/strict'
import fc from 'fast-check'
import protobuf from 'protobufjs'
import t from 'tap'
import { holds } from '../../support.js'
import { messageOf } from '../../../lib/trunk/codec.js'
import { protobufCodec } from '../../../lib/trunk/frames.js'
import { jsonCodec } from '../../../lib/trunk/json-frames.js'
import type { Codec } from '../../../lib/trunk/codec.js'
import { KINDS, MAX_BATCH_FRAMES, frame } from '../../../lib/trunk/schema.js'
import type { Frame, Kind } from '../../../lib/trunk/schema.js'

// An independent reading of PROTOCOL.md, for an independent implementation of protobuf.
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Batch { repeated Frame frames = 1; }
  message Frame {
    string peer_id = 1; uint64 epoch = 2;
    oneof body {
      bytes text = 3; bytes binary = 4; Empty skip = 5; uint64 ack = 6;
      Open open = 7; Opened opened = 8; Status refused = 9; Empty detach = 10; Status close = 11;
      Notification notification = 12; string done = 13; uint64 credit = 14;
      Hello hello = 15; Welcome welcome = 16; Status error = 17; Leave leave = 18;
    }
  }
  message Empty {}
  message Status { uint32 code = 1; string reason = 2; uint64 id = 3; }
  message Leave { string key = 1; uint32 code = 2; string reason = 3; }
  message Hello { uint32 version = 1; string backend_id = 2; uint32 max_message_bytes = 3; uint32 window_bytes = 4; }
  message Welcome { uint32 version = 1; string server_id = 2; uint32 max_message_bytes = 3; uint32 heartbeat_ms = 4; uint32 resume_window_ms = 5; uint32 window_bytes = 6; }
  message Open { string room_id = 1; string metadata = 2; string key = 3; uint64 received = 4; string trace = 5; uint64 id = 6; string asker = 7; uint64 turn = 8; bool resume_only = 9; }
  message Opened { string key = 1; bool resumed = 2; uint64 received = 3; uint32 window_bytes = 4; repeated Recording recordings = 5; uint64 id = 6; }
  message Recording { string recording_id = 1; string room_id = 2; string status = 3; uint64 revision = 4; uint64 started_at_ms = 5; string file = 6; uint64 duration_ms = 7; string error = 8; }
  message Notification { string id = 1; string room_id = 2; string peer_id = 3; string type = 4; string payload = 5; uint64 at_ms = 6; Recording recording = 7; }
`)
const Batch = root.lookupType('Batch')

const record = <T>(shape: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> => fc.record(shape, { noNullPrototype: true }) as fc.Arbitrary<T>
const text = fc.string({ unit: 'grapheme', maxLength: 20 })
const id = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 10 })
const uint32 = fc.nat(2 ** 31 - 1)
const uint53 = fc.maxSafeNat()
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
const utf8 = text.map((string) => Buffer.from(string))
const status = record({ code: uint32, reason: text, id: uint53 })
const recording = record({
  recordingId: text, roomId: text, status: text, revision: uint53, startedAtMs: uint53, file: text, durationMs: uint53, error: text
})
const bodies: Record<Kind, fc.Arbitrary<unknown>> = {
  text: utf8,
  binary: bytes,
  skip: fc.constant(null),
  ack: uint53,
  open: record({ id: uint53, roomId: text, metadata: text, key: text, received: uint53, trace: text, asker: text, turn: uint53, resumeOnly: fc.boolean() }),
  opened: record({ id: uint53, key: text, resumed: fc.boolean(), received: uint53, windowBytes: uint32, recordings: fc.array(recording, { maxLength: 3 }) }),
  refused: status,
  detach: fc.constant(null),
  close: status,
  notification: record({ id: text, roomId: text, peerId: text, type: text, payload: text, atMs: uint53, recording: fc.option(recording) }),
  done: text,
  credit: uint53,
  hello: record({ version: uint32, backendId: text, maxMessageBytes: uint32, windowBytes: uint32 }),
  welcome: record({ version: uint32, serverId: text, maxMessageBytes: uint32, heartbeatMs: uint32, resumeWindowMs: uint32, windowBytes: uint32 }),
  leave: record({ key: text, code: uint32, reason: text }),
  error: status
}
const anyFrame: fc.Arbitrary<Frame> = fc.constantFrom(...Object.keys(KINDS) as Kind[]).chain((kind) =>
  record({ peerId: fc.oneof(fc.constant(''), id), epoch: uint53, kind: fc.constant(kind), body: bodies[kind] }) as unknown as fc.Arbitrary<Frame>)
const frames = fc.array(anyFrame, { minLength: 1, maxLength: 8 })

for (const codec of [protobufCodec, jsonCodec]) {
  t.test(`${codec.subprotocol}: what is encoded is decoded`, async (t) => {
    holds(t, fc.property(frames, (batch) => { assert.deepEqual(codec.decode(messageOf(codec, batch)), batch) }), { numRuns: 300 })
  })

  t.test(`${codec.subprotocol}: what is encoded takes as many bytes as it says`, async (t) => {
    holds(t, fc.property(frames, (batch) => {
      const length = batch.reduce((sum, each) => sum + codec.encode(each).length, 0)
      assert.equal(messageOf(codec, batch).length, codec.binary ? length : length + 1)
    }), { numRuns: 100 })
  })

  t.test(`${codec.subprotocol}: a media event is encoded with a tag as without`, async (t) => {
    holds(t, fc.property(id, uint53, bytes, (peerId, epoch, body) => {
      const encoded = codec.event(codec.tag(peerId, epoch), body, true)
      assert.deepEqual(codec.batch([encoded], encoded.length), messageOf(codec, [frame('binary', body, peerId, epoch)]))
    }), { numRuns: 100 })
  })

  t.test(`${codec.subprotocol}: garbage is decoded or refused with a coded error, and nothing else`, async (t) => {
    const mutated = fc.tuple(frames, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 })).map(([batch, changes]) => {
      const message = Buffer.from(messageOf(codec, batch))
      for (const [at, value] of changes) if (message.length > 0) message[at % message.length] = value
      return message
    })
    holds(t, fc.property(fc.oneof(bytes, mutated), (message) => {
      try {
        codec.decode(message).forEach(({ kind }) => assert.ok(kind in KINDS))
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'TRK_ERR_MALFORMED', (error as Error).stack)
      }
    }), { numRuns: 3000 })
  })
}

/** As the independent implementation sees a frame. */
function foreign (batch: Frame[]): object {
  const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => '_' + letter.toLowerCase())
  const convert = (value: unknown): unknown => {
    if (value === null || Buffer.isBuffer(value) || typeof value !== 'object') return value
    if (Array.isArray(value)) return value.map(convert)
    return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== null).map(([name, each]) => [protobuf.util.camelCase(snake(name)), convert(each)]))
  }
  return { frames: batch.map(({ peerId, epoch, kind, body }) => ({ peerId, epoch, [kind]: body === null ? {} : convert(body) })) }
}

t.test('an independent implementation reads what is written here', async (t) => {
  holds(t, fc.property(frames, (batch) => {
    const read = Batch.decode(messageOf(protobufCodec, batch))
    const wanted = Batch.fromObject(foreign(batch))
    assert.deepEqual(Batch.toObject(read, { longs: Number }), normalise(wanted))
  }), { numRuns: 300 })
})

/** Without what equals its default, which is not written. */
function normalise (message: protobuf.Message): object {
  return Batch.toObject(Batch.decode(Batch.encode(message).finish()), { longs: Number })
}

t.test('what an independent implementation writes is read here', async (t) => {
  holds(t, fc.property(frames, (batch) => {
    const written = Buffer.from(Batch.encode(Batch.fromObject(foreign(batch))).finish())
    assert.deepEqual(protobufCodec.decode(written), batch)
  }), { numRuns: 300 })
})

t.test('fields, bodies and frames of a later version are passed over', async (t) => {
  const later = protobuf.parse(`
    syntax = "proto3";
    message Batch { repeated Frame frames = 1; string later = 9; }
    message Frame { string peer_id = 1; uint64 epoch = 2; bytes text = 3; Later later = 99; fixed64 number = 30; }
    message Later { string something = 1; }
  `).root.lookupType('Batch')
  const message = later.encode(later.fromObject({
    later: 'x',
    frames: [{ peerId: 'p', epoch: 3, text: Buffer.from('a'), number: 7 }, { peerId: 'p', epoch: 3, later: { something: 'y' } }]
  })).finish()
  t.same(protobufCodec.decode(Buffer.from(message)), [frame('text', Buffer.from('a'), 'p', 3)])
  t.same(jsonCodec.decode(Buffer.from('[{"peer_id":"p","epoch":3,"text":"a","more":1},{"peer_id":"p","later":{}}]')), [frame('text', Buffer.from('a'), 'p', 3)])
})

t.test('a media event is not copied before the batch is put together', async (t) => {
  const event = Buffer.from('hello')
  t.equal(protobufCodec.encode(frame('text', event, 'p', 1)).body, event)
})

t.test('what the bounds refuse', async (t) => {
  const refused = (codec: Codec, message: Buffer, why: RegExp): void => { t.throws(() => codec.decode(message), { code: 'TRK_ERR_MALFORMED', message: why }) }
  const emptyFrames = (n: number): Buffer => Buffer.alloc(2 * n, Buffer.from([0x0a, 0x00]))
  t.same(protobufCodec.decode(emptyFrames(MAX_BATCH_FRAMES)), [], 'frames without a body are none')
  const acks = (n: number): Buffer => Buffer.concat(Array.from({ length: n }, () => Buffer.from([0x0a, 0x02, 0x30, 0x01])))
  t.equal(protobufCodec.decode(acks(MAX_BATCH_FRAMES)).length, MAX_BATCH_FRAMES)
  refused(protobufCodec, acks(MAX_BATCH_FRAMES + 1), /more than 65536 frames/)
  const jsonAcks = (n: number): Buffer => Buffer.from(`[${Array(n).fill('{"ack":1}').join()}]`)
  t.equal(jsonCodec.decode(jsonAcks(MAX_BATCH_FRAMES)).length, MAX_BATCH_FRAMES)
  refused(jsonCodec, jsonAcks(MAX_BATCH_FRAMES + 1), /more than 65536 frames/)

  const longest = 'x'.repeat(128)
  t.equal(protobufCodec.decode(messageOf(protobufCodec, [frame('ack', 1, longest)]))[0]?.peerId, longest)
  refused(protobufCodec, messageOf(protobufCodec, [frame('ack', 1, longest + 'x')]), /peer_id of more than 128 bytes/)
  refused(jsonCodec, messageOf(jsonCodec, [frame('ack', 1, longest + 'x')]), /peer_id of more than 128 bytes/)

  refused(protobufCodec, Buffer.from([0x0a, 0x7f]), /runs over the end/)
  refused(protobufCodec, Buffer.from([0x0a]), /ends inside an integer/)
  refused(protobufCodec, Buffer.from([0x0b]), /wire type 3/)
  refused(protobufCodec, Buffer.from([0x00]), /field number 0/)
  refused(protobufCodec, Buffer.from([0x0a, 0x03, 0x0a, 0x01, 0xff]), /not UTF-8/)
  // An epoch of 2^53.
  refused(protobufCodec, Buffer.from([0x0a, 0x09, 0x10, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]), /beyond 2\^53 - 1/)
  refused(protobufCodec, Buffer.concat([Buffer.from([0x0a, 0x0c, 0x10]), Buffer.alloc(11, 0x80)]), /(beyond 2\^53 - 1|more than 10 bytes)/)

  refused(jsonCodec, Buffer.from('{}'), /array of frames/)
  refused(jsonCodec, Buffer.from('[1]'), /a frame is an object/)
  refused(jsonCodec, Buffer.from('[{"text":"a","binary":""}]'), /one body/)
  refused(jsonCodec, Buffer.from('[{"epoch":1.5,"ack":1}]'), /epoch is an integer/)
  refused(jsonCodec, Buffer.from('[{"epoch":9007199254740992,"ack":1}]'), /epoch is an integer/)
  refused(jsonCodec, Buffer.from('[{"text":"\\ud800"}]'), /lone surrogates/)
  refused(jsonCodec, Buffer.from('[{"binary":"abc"}]'), /padded base64/)
  refused(jsonCodec, Buffer.from('[{"open":{"id":"1"}}]'), /id is an integer/)
  refused(jsonCodec, Buffer.from('[{"opened":{"resumed":1}}]'), /resumed is true or false/)
  refused(jsonCodec, Buffer.from('[{"opened":{"recordings":{}}}]'), /recordings is an array/)
  refused(jsonCodec, Buffer.from('['), /not JSON/)
  refused(jsonCodec, Buffer.from([0x5b, 0xff, 0x5d]), /not UTF-8/)
})

t.test('JSON keeps a byte order mark, and any text, as it is', async (t) => {
  const event = Buffer.from('\ufeff{"a":"\u2028\\u0000"}')
  t.same(jsonCodec.decode(messageOf(jsonCodec, [frame('text', event, 'p', 1)])), [frame('text', event, 'p', 1)])
})

t.test('nothing is written that its reader would refuse', async (t) => {
  for (const codec of [protobufCodec, jsonCodec]) {
    for (const value of [-1, 1.5, NaN, Infinity, 2 ** 53]) {
      t.throws(() => messageOf(codec, [frame('ack', value, 'p', 1)]), { code: 'TRK_ERR_MALFORMED' })
      t.throws(() => messageOf(codec, [frame('close', { code: value, reason: '', id: 0 }, 'p', 1)]), { code: 'TRK_ERR_MALFORMED' })
    }
    const torn = '\ud83d\ude00'.slice(0, 1)
    const [read] = codec.decode(messageOf(codec, [frame('close', { code: 4410, reason: torn, id: 0 }, 'p', 1)]))
    t.equal((read?.body as { reason: string }).reason, '\ufffd')
    t.equal(codec.decode(messageOf(codec, [frame('done', torn)]))[0]?.body, '\ufffd')
  }
})
