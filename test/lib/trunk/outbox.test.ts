import t from 'tap'
import { protobufCodec } from '../../../lib/trunk/frames.js'
import { jsonCodec } from '../../../lib/trunk/json-frames.js'
import { Outbox } from '../../../lib/trunk/outbox.js'
import { frame } from '../../../lib/trunk/schema.js'

const limits = { messageBytes: 1024 * 1024, softBytes: 1024 * 1024, hardBytes: 4 * 1024 * 1024 }
const quiet = { relieved: () => {}, overwhelmed: () => {} }
const event = (bytes: number): ReturnType<typeof frame> => frame('binary', Buffer.alloc(bytes), 'p', 1)
const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

t.test('all of one turn leaves in one message', async (t) => {
  for (const codec of [protobufCodec, jsonCodec]) {
    const messages: Buffer[] = []
    const outbox = new Outbox(codec, { write: (message) => messages.push(message) }, limits, quiet)
    for (let i = 0; i < 100; i++) t.equal(outbox.push(frame('ack', i, 'p', 1)), 'taken')
    t.equal(messages.length, 0)
    await turn()
    t.equal(messages.length, 1)
    t.same(codec.decode(messages[0]!).map(({ body }) => body), Array.from({ length: 100 }, (_, i) => i))
    outbox.push(frame('ack', 1, 'p', 1))
    await turn()
    t.equal(messages.length, 2)
  }
})

t.test('a burst is cut into messages, none larger than the other side takes', async (t) => {
  for (const codec of [protobufCodec, jsonCodec]) {
    const messages: Buffer[] = []
    const outbox = new Outbox(codec, { write: (message, written) => { messages.push(message); written() } }, { ...limits, messageBytes: 10_000 }, quiet)
    for (let i = 0; i < 50; i++) outbox.push(event(1000))
    await turn()
    t.ok(messages.length > 4)
    t.ok(messages.every(({ length }) => length <= 10_000))
    t.equal(messages.flatMap((message) => codec.decode(message)).length, 50)
    t.equal(outbox.bytes, 0)
  }
})

t.test('a frame of the largest size passes, one byte more does not', async (t) => {
  for (const codec of [protobufCodec, jsonCodec]) {
    const messages: Buffer[] = []
    const outbox = new Outbox(codec, { write: (message) => messages.push(message) }, { ...limits, messageBytes: 1000 }, quiet)
    const text = (n: number): ReturnType<typeof frame> => frame('text', Buffer.alloc(n, 'x'), 'p', 1)
    const overhead = codec.append([], text(900)) - 900
    t.equal(outbox.push(text(1000 - 2 - overhead)), 'taken')
    t.equal(outbox.push(text(1000 - 1 - overhead)), 'too big')
    await turn()
    t.equal(messages.length, 1)
    t.ok(messages[0]!.length <= 1000)
  }
})

t.test('pressed at the soft bound, full at the hard one, relieved below half', async (t) => {
  const written: Array<() => void> = []
  let relieved = 0
  const outbox = new Outbox(protobufCodec, { write: (_message, done) => written.push(done) }, limits, { ...quiet, relieved: () => { relieved++ } })
  let taken = 0
  while (outbox.push(event(10_000)) === 'taken') taken++
  t.ok(taken * 10_000 < limits.softBytes)
  let pressed = 0
  while (outbox.push(event(10_000)) === 'pressed') pressed++
  t.equal(outbox.push(event(10_000)), 'full')
  t.ok(outbox.bytes < limits.hardBytes + 11_000)
  t.ok(pressed > 100)
  await turn()
  t.ok(written.length * 64 * 1024 < 512 * 1024, 'the socket is not given more than it should hold')
  t.equal(relieved, 0)
  while (written.length > 0) {
    written.shift()!()
    if (relieved === 1) break
  }
  t.ok(outbox.bytes < limits.softBytes / 2)
  while (written.length > 0) written.shift()!()
  t.same([outbox.bytes, relieved], [0, 1])
})

t.test('the end writes out what waits, and then nothing', async (t) => {
  const messages: Buffer[] = []
  const outbox = new Outbox(protobufCodec, { write: (message) => messages.push(message) }, limits, quiet)
  outbox.push(frame('ack', 1, 'p', 1))
  outbox.end()
  t.equal(messages.length, 1)
  t.equal(outbox.push(frame('ack', 2, 'p', 1)), 'full')
  await turn()
  t.equal(messages.length, 1)

  const discarded = new Outbox(protobufCodec, { write: (message) => messages.push(message) }, limits, quiet)
  discarded.push(frame('ack', 1, 'p', 1))
  discarded.discard()
  await turn()
  t.equal(messages.length, 1)
})

t.test('frames that are no media events are taken beyond the hard bound, until the other side is given up', async (t) => {
  const overwhelmed: string[] = []
  const outbox = new Outbox(protobufCodec, { write: () => {} }, limits, { ...quiet, overwhelmed: () => overwhelmed.push('given up') })
  while (outbox.push(event(100_000)) !== 'full');
  t.equal(outbox.push(frame('close', { code: 4410, reason: '', id: 0 }, 'p', 1)), 'pressed')
  const open = frame('open', { id: 1, roomId: 'r', metadata: 'x'.repeat(500_000), key: '', received: 0, trace: '', asker: '', turn: 0, resumeOnly: false }, 'p')
  let opened = 0
  for (; opened < 1000 && overwhelmed.length === 0; opened++) outbox.push(open)
  t.ok(opened > 100 && opened < 200)
  outbox.discard()
})
