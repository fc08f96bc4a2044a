import fc from 'fast-check'
import t from 'tap'
import type { Encoded } from '../../../lib/trunk/codec.js'
import { protobufCodec } from '../../../lib/trunk/frames.js'
import { jsonCodec } from '../../../lib/trunk/json-frames.js'
import { ManualClock } from '../../../lib/testing/index.js'
import { Outbox } from '../../../lib/trunk/outbox.js'
import type { OutboxLimits } from '../../../lib/trunk/outbox.js'
import { frame } from '../../../lib/trunk/schema.js'
import type { Frame } from '../../../lib/trunk/schema.js'

const KiB = 1024
const limits: OutboxLimits = { messageBytes: 1024 * KiB, windowBytes: 256 * KiB, peerBytes: 64 * KiB, softBytes: 1024 * KiB, hardBytes: 4 * 1024 * KiB }
const quiet = { relieved: () => {}, overwhelmed: () => {} }
const event = (bytes: number, peerId = 'p'): Frame => frame('binary', Buffer.alloc(bytes), peerId, 1)
/** A carrier that copies every other message, as a socket is sometimes quick and sometimes slow. */
function keeps (messages: Buffer[]): (message: Buffer, written: () => void) => boolean {
  return (message, written) => {
    const isFree = messages.length % 2 === 0
    messages.push(isFree ? Buffer.from(message) : message)
    written()
    return isFree
  }
}

const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

interface Wire {
  outbox: Outbox
  messages: Buffer[]
  /** Since the last time: whose events came. */
  came (): string[]
  relieved: string[]
}

/** An outbox whose other side gives credit, by hand. */
function wire (changes: Partial<OutboxLimits> = {}, windowBytes: number | null = 1024 * KiB): Wire {
  const messages: Buffer[] = []
  const relieved: string[] = []
  const outbox = new Outbox(protobufCodec, { write: keeps(messages) }, { ...limits, ...changes }, { ...quiet, relieved: (peerId) => relieved.push(peerId) })
  if (windowBytes !== null) outbox.grant(windowBytes)
  let seen = 0
  const came = (): string[] => {
    const since = messages.slice(seen)
    seen = messages.length
    return since.flatMap((message) => protobufCodec.decode(message).map(({ peerId }) => peerId))
  }
  return { outbox, messages, relieved, came }
}

t.test('all of one turn leaves in one message', async (t) => {
  for (const codec of [protobufCodec, jsonCodec]) {
    const messages: Buffer[] = []
    const outbox = new Outbox(codec, { write: (message) => { messages.push(message); return false } }, { ...limits }, quiet)
    for (let i = 0; i < 100; i++) t.equal(outbox.push(frame('text', Buffer.from(`${i}`), 'p', 1)), 'taken')
    t.equal(messages.length, 0)
    await turn()
    t.equal(messages.length, 1)
    t.same(codec.decode(messages[0]!).map(({ body }) => Number(body)), Array.from({ length: 100 }, (_, i) => i))
    outbox.push(frame('ack', 1, 'p', 1))
    await turn()
    t.equal(messages.length, 2)
  }
})

t.test('a burst is cut into messages, none larger than the other side takes', async (t) => {
  for (const codec of [protobufCodec, jsonCodec]) {
    const messages: Buffer[] = []
    const outbox = new Outbox(codec, { write: keeps(messages) }, { ...limits, messageBytes: 10_000 }, quiet)
    for (let i = 0; i < 50; i++) outbox.push(event(1000))
    await turn()
    t.ok(messages.length > 4)
    t.ok(messages.every(({ length }) => length <= 10_000))
    t.equal(messages.flatMap((message) => codec.decode(message)).length, 50)
    t.same([outbox.waitingBytes, outbox.underWayBytes], [0, 0])
  }
})

t.test('a frame of the largest size passes, one byte more does not', async (t) => {
  for (const codec of [protobufCodec, jsonCodec]) {
    const messages: Buffer[] = []
    const outbox = new Outbox(codec, { write: (message) => { messages.push(message); return false } }, { ...limits, messageBytes: 1000 }, quiet)
    const text = (n: number): Frame => frame('text', Buffer.alloc(n, 'x'), 'p', 1)
    const overhead = codec.encode(text(900)).length - 900
    t.equal(outbox.push(text(1000 - 2 - overhead)), 'taken')
    t.equal(outbox.push(text(1000 - 1 - overhead)), 'too big')
    await turn()
    t.equal(messages.length, 1)
    t.ok(messages[0]!.length <= 1000)
  }
})

t.test('no more is under way than the window, and the rest goes as it is taken in', async (t) => {
  const { outbox, messages } = wire({ windowBytes: 64 * KiB })
  for (let i = 0; i < 300; i++) outbox.push(event(1000, `p${i}`))
  await turn()
  const sent = messages.reduce((sum, { length }) => sum + length, 0)
  t.ok(sent <= 64 * KiB + 1100 && sent > 62 * KiB, `${sent} bytes sent`)
  t.equal(outbox.underWayBytes, sent)
  await turn()
  t.equal(messages.reduce((sum, { length }) => sum + length, 0), sent, 'nothing goes while nothing is taken in')
  t.ok(outbox.credited(10_000))
  await turn()
  t.ok(outbox.underWayBytes <= 64 * KiB + 1100)
  t.ok(messages.reduce((sum, { length }) => sum + length, 0) >= sent + 8_000)
  t.notOk(outbox.credited(100 * KiB), 'more than was sent')
})

t.test('the smaller of the two windows counts; one message that is larger than it goes alone', async (t) => {
  const { outbox, messages } = wire({ windowBytes: 256 * KiB }, 64 * KiB)
  outbox.push(event(500 * KiB))
  outbox.push(event(10))
  await turn()
  t.equal(messages.length, 1)
  // What is left of it that no credit was given for yet, as it is below the step, holds nobody up.
  outbox.credited(messages[0]!.length - 31 * KiB)
  await turn()
  t.equal(messages.length, 2)
})

t.test('credit is said though the window is full: two that wait for it would wait for ever', async (t) => {
  const { outbox, messages } = wire({ windowBytes: 64 * KiB })
  for (let i = 0; i < 100; i++) outbox.push(event(1000, `p${i}`))
  await turn()
  const before = messages.length
  outbox.push(frame('credit', 5))
  outbox.push(frame('done', 'n'))
  await turn()
  t.same(messages.slice(before).flatMap((message) => protobufCodec.decode(message).map(({ kind }) => kind)), ['credit'])
})

t.test('whoever has little to say does not wait behind who has much', async (t) => {
  const { outbox, came } = wire({ windowBytes: 64 * KiB, peerBytes: 10 * 1024 * KiB })
  for (let i = 0; i < 1000; i++) outbox.push(event(2000, 'flooder'))
  await turn()
  t.same(new Set(came()), new Set(['flooder']))
  for (let i = 0; i < 49; i++) outbox.push(event(200, `p${i}`))
  outbox.credited(16 * KiB)
  await turn()
  const peers = came()
  t.equal(new Set(peers).size, 50)
  t.ok(peers.filter((peer) => peer === 'flooder').length <= 4)
})

t.test('a peer is pressed at its own bound, and relieved at half of it; nobody else is', async (t) => {
  const { outbox, relieved } = wire({ windowBytes: 64 * KiB, peerBytes: 50_000 })
  const size = protobufCodec.encode(event(1000)).length
  // As much as leaves at once, and then as much as just may wait.
  for (let i = 0; i < Math.ceil(64 * KiB / size); i++) outbox.push(event(1000, String(i % 2)))
  await turn()
  const most = Math.floor((50_000 - 1) / size)
  for (let i = 0; i < most; i++) t.equal(outbox.push(event(1000)), 'taken')
  t.ok(outbox.hasRoom(outbox.way('p', 1)))
  t.equal(outbox.push(event(1000)), 'pressed', 'one above')
  t.notOk(outbox.hasRoom(outbox.way('p', 1)))
  t.ok(outbox.bytesOf('p') >= 50_000 && outbox.bytesOf('p') < 50_000 + size)
  t.equal(outbox.push(event(1000, 'q')), 'taken')
  outbox.credited(20_000)
  await turn()
  t.same(relieved, [])
  outbox.credited(20_000)
  await turn()
  t.same(relieved, ['p'])
  t.ok(outbox.bytesOf('p') < 25_000)
  outbox.credited(24_000)
  await turn()
  t.same(relieved, ['p'], 'once')
})

t.test('at the bound of all peers whoever has more than its share waiting is pressed, and nobody else', async (t) => {
  const { outbox, relieved } = wire({ windowBytes: 64 * KiB, peerBytes: 50_000, softBytes: 100_000, hardBytes: 400_000 })
  const size = protobufCodec.encode(event(1000, 'p10')).length
  for (let i = 0; i < Math.ceil(64 * KiB / size); i++) outbox.push(event(1000, `x${i % 2}`))
  await turn()
  let n = 10
  // Below it each may have its own bound; ten are about to pass it.
  while (outbox.waitingBytes + size < 100_000) t.equal(outbox.push(event(1000, `p${10 + n++ % 10}`)), 'taken')
  t.ok(outbox.hasRoom(outbox.way('p10', 1)))
  t.equal(outbox.push(event(1000, 'new')), 'taken', 'one that has next to nothing waiting')
  t.notOk(outbox.hasRoom(outbox.way('p10', 1)), 'a tenth of the bound is more than its share')
  outbox.credited(64 * KiB)
  await turn()
  t.ok(relieved.includes('p10'))
})

t.test('at the hard bound there is no room for anybody, not even for one of whom nothing waits; who was told so is told when there is', async (t) => {
  const { outbox, relieved, came } = wire({ windowBytes: 64 * KiB, softBytes: 100_000, hardBytes: 400_000 })
  for (let n = 0; outbox.waitingBytes < 400_000; n++) {
    t.ok(outbox.hasRoom(outbox.way(`p${n}`, 1)))
    outbox.push(event(20_000, `p${n}`))
  }
  t.notOk(outbox.hasRoom(outbox.way('late', 1)))
  t.equal(outbox.push(event(10, 'late')), 'full')
  t.equal(outbox.push(frame('close', { code: 4410, reason: '', id: 0 }, 'q', 1)), 'pressed', 'what says that somebody is over is taken')
  t.notOk(relieved.includes('late'))
  while (outbox.waitingBytes > 0) {
    outbox.credited(outbox.underWayBytes)
    await turn()
    if (relieved.includes('late')) break
  }
  t.ok(relieved.includes('late'))
  t.ok(outbox.hasRoom(outbox.way('late', 1)))
  t.ok(came().includes('p0'))
})

t.test('of the acknowledgements of a peer that wait only the latest is sent: nobody can pile them up', async (t) => {
  for (const codec of [protobufCodec, jsonCodec]) {
    const messages: Buffer[] = []
    const outbox = new Outbox(codec, { write: (message) => { messages.push(message); return false } }, { ...limits }, quiet)
    const accepted = Array.from({ length: 7_000 }, (_, i) => outbox.push(frame('ack', i * 1_000, `p${i % 2}`, 1)))
    t.equal(accepted.filter((each) => each === 'taken').length, 7_000)
    t.ok(outbox.waitingBytes < 200)
    outbox.push(event(10, 'p0'))
    await turn()
    t.strictSame(messages.flatMap((message) => codec.decode(message)).filter(({ kind }) => kind === 'ack').map(({ peerId, body }) => [peerId, body]), [['p0', 6_998_000], ['p1', 6_999_000]])
    outbox.push(frame('ack', 7_000_000, 'p0', 1))
    await turn()
    t.equal(codec.decode(messages[1]!)[0]?.body, 7_000_000)
    t.equal(outbox.waitingBytes, 0)
  }
})

t.test('of a side that gives no credit, what has left this process is what it took', async (t) => {
  const written: Array<() => void> = []
  const outbox = new Outbox(protobufCodec, { write: (_message, done) => { written.push(done); return true } }, { ...limits }, quiet)
  for (let i = 0; i < 400; i++) outbox.push(event(1000, `p${i}`))
  await turn()
  t.ok(outbox.underWayBytes > 255 * KiB && outbox.underWayBytes < 258 * KiB)
  while (outbox.waitingBytes > 0) {
    written.splice(0).forEach((done) => done())
    await turn()
  }
  written.splice(0).forEach((done) => done())
  t.equal(outbox.underWayBytes, 0)
})

t.test('what waits keeps nothing alive but itself', async (t) => {
  const messages: Buffer[] = []
  const kept: Buffer[] = []
  const codec = { ...protobufCodec, batch: (frames: readonly Encoded[], length: number) => { kept.push(...frames.map(({ body }) => body)); return protobufCodec.batch(frames, length) } }
  const outbox = new Outbox(codec, { write: (message) => { messages.push(message); return false } }, { ...limits, windowBytes: 64 * KiB, peerBytes: 1024 * KiB }, quiet)
  outbox.grant(64 * KiB)
  // Each a view of a read of its own, as they come from sockets.
  for (let i = 0; i < 100; i++) outbox.push(frame('binary', Buffer.alloc(64 * KiB).subarray(0, 1000), 'p', 1))
  await turn()
  const atOnce = kept.length
  outbox.credited(64 * KiB)
  await turn()
  t.ok(kept.length > atOnce)
  t.ok(kept.slice(atOnce).every(({ buffer }) => buffer.byteLength < 10 * KiB))
  t.ok(kept.slice(0, atOnce).some(({ buffer }) => buffer.byteLength === 64 * KiB), 'what does not wait is not copied')
})

t.test('the end writes out what waits, window or not, and then nothing', async (t) => {
  const { outbox, messages, came } = wire({ windowBytes: 64 * KiB })
  for (let i = 0; i < 200; i++) outbox.push(event(1000, `p${i}`))
  outbox.end()
  t.equal(new Set(came()).size, 200)
  t.equal(outbox.push(frame('ack', 2, 'p', 1)), 'full')
  const { length } = messages
  await turn()
  t.equal(messages.length, length)

  const { outbox: discarded, messages: none } = wire()
  discarded.push(frame('ack', 1, 'p', 1))
  discarded.discard()
  await turn()
  t.same(none, [])
})

t.test('frames that are no media events are taken beyond the hard bound, until the other side is given up', async (t) => {
  const overwhelmed: string[] = []
  const outbox = new Outbox(protobufCodec, { write: () => true }, { ...limits }, { ...quiet, overwhelmed: () => overwhelmed.push('given up') })
  while (outbox.push(event(100_000)) !== 'full');
  const open = frame('open', { id: 1, roomId: 'r', metadata: 'x'.repeat(500_000), key: '', received: 0, trace: '', asker: '', turn: 0, resumeOnly: false }, 'p')
  let opened = 0
  for (; opened < 1000 && overwhelmed.length === 0; opened++) outbox.push(open)
  t.ok(opened > 120 && opened < 150, `${opened} of 500 000 bytes`)
  outbox.discard()
})

t.test('whatever is pushed, taken in and turned, each frame comes once, those of a peer in order, and nobody who was pressed is forgotten', async (t) => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ peer: fc.integer({ min: 0, max: 3 }), way: fc.constantFrom(0, 1, 2), bytes: fc.oneof(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 100_000 })) }) },
    { weight: 2, arbitrary: fc.record({ credit: fc.integer({ min: 1, max: 100_000 }) }) },
    { weight: 2, arbitrary: fc.constant('turn' as const) }
  )
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 120 }), async (steps) => {
    const { outbox, messages, relieved } = wire({ windowBytes: 64 * KiB, peerBytes: 20_000, softBytes: 60_000, hardBytes: 300_000, messageBytes: 120_000 })
    const taken = [[], [], [], []] as number[][]
    const pressed = new Set<string>()
    const credit = (most: number): void => { outbox.credited(Math.min(most, outbox.underWayBytes)) }
    const ways = [0, 1, 2, 3].map((peer) => [outbox.way(`${peer}`, 1), outbox.way(`${peer}`, 1)] as const)
    let n = 0
    for (const step of steps) {
      if (step === 'turn') await turn()
      else if ('credit' in step) credit(step.credit)
      else {
        const body = Buffer.alloc(Math.max(4, step.bytes))
        body.writeUInt32BE(n)
        const accepted = step.way === 2 ? outbox.push(frame('binary', body, `${step.peer}`, 1)) : outbox.pushEvent(ways[step.peer]![step.way]!, body, true)
        if (accepted === 'taken' || accepted === 'pressed') taken[step.peer]!.push(n)
        if (accepted === 'pressed') pressed.add(`${step.peer}`)
        n++
      }
      if (outbox.underWayBytes > 64 * KiB + 120_000) throw new Error('more under way than the window and a message')
    }
    while (outbox.waitingBytes > 0 || outbox.underWayBytes > 0) {
      await turn()
      credit(Infinity)
    }
    await turn()
    const came = [[], [], [], []] as number[][]
    for (const message of messages) for (const { peerId, body } of protobufCodec.decode(message)) came[Number(peerId)]!.push((body as Buffer).readUInt32BE())
    t.strictSame(came, taken)
    if ([...pressed].some((peer) => !relieved.includes(peer))) throw new Error('a peer that was pressed was not relieved')
  }), { numRuns: 60 })
})

t.test('what comes soon after a message is held for what comes next; what comes after a silence is not', async (t) => {
  const clock = new ManualClock()
  const messages: Buffer[] = []
  const outbox = new Outbox(protobufCodec, { write: (message) => { messages.push(message); return false } }, { ...limits }, quiet, { ms: 1, clock })
  const say = async (...peers: string[]): Promise<number> => {
    for (const peer of peers) {
      outbox.push(event(10, peer))
      await turn()
    }
    return messages.length
  }
  t.equal(await say('a'), 1, 'at once')
  t.equal(await say('b', 'c', 'd'), 1)
  clock.advance(1)
  t.equal(messages.length, 2)
  t.same(protobufCodec.decode(messages[1]!).map(({ peerId }) => peerId), ['b', 'c', 'd'])
  t.equal(await say('e'), 2)
  clock.advance(1)
  t.equal(messages.length, 3)
  clock.advance(1)
  t.equal(await say('f'), 4, 'at once again')
  await say('g')
  outbox.end()
  t.equal(messages.length, 5, 'nothing is left behind at the end')
  t.equal(clock.timers, 0)
})
