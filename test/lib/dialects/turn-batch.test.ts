import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { COPIED_BYTES, TurnBatch } from '../../../lib/dialects/turn-batch.js'

const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

/** A socket of which the kernel takes all at once, or nothing for now. */
class Target {
  readonly OPEN = 1
  readyState = 1
  takesAll = true
  readonly written: Buffer[] = []
  #waiting: Buffer[] = []

  get writableLength (): number {
    return this.#waiting.reduce((sum, { length }) => sum + length, 0)
  }

  write (bytes: Buffer): void {
    this.written.push(this.takesAll ? Buffer.from(bytes) : bytes)
    if (!this.takesAll) this.#waiting.push(bytes)
  }

  drain (): void {
    // Until then the bytes are not the kernel's.
    for (const [i, bytes] of this.written.entries()) if (this.#waiting.includes(bytes)) this.written[i] = Buffer.from(bytes)
    this.#waiting = []
    this.takesAll = true
  }

  get messages (): Array<[boolean, string]> {
    const bytes = Buffer.concat(this.written)
    const messages: Array<[boolean, string]> = []
    for (let at = 0; at < bytes.length;) {
      assert.ok(bytes[at] === 0x81 || bytes[at] === 0x82)
      const short = bytes[at + 1]!
      assert.ok(short <= 126)
      const start = at + (short === 126 ? 4 : 2)
      const end = start + (short === 126 ? bytes.readUInt16BE(at + 2) : short)
      messages.push([bytes[at] === 0x82, bytes.toString('hex', start, end)])
      at = end
    }
    return messages
  }
}

t.test('all of a turn leaves in one write', async (t) => {
  const target = new Target()
  const batch = new TurnBatch(target, target, true)
  t.ok(batch.begin())
  batch.add(Buffer.from('a'), false, false)
  t.notOk(batch.begin())
  batch.add(Buffer.alloc(126, 'b'), true, false)
  t.equal(batch.bytes, 3 + 130)
  t.equal(target.written.length, 0)
  await turn()
  t.equal(target.written.length, 1)
  t.same(target.messages, [[false, '61'], [true, '62'.repeat(126)]])
  t.equal(batch.bytes, 0)
  t.ok(batch.begin(), 'another turn')
  batch.add(Buffer.from('c'), false, false)
  batch.discard()
  await turn()
  t.equal(target.written.length, 1, 'what was discarded is not written')
  batch.begin()
  batch.add(Buffer.from('d'), false, false)
  target.readyState = 2
  await turn()
  t.equal(target.written.length, 1, 'nothing comes after a goodbye')
})

t.test('whatever is sent to whom, and whatever the network takes: each message arrives whole and in order', async () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ to: fc.nat(2), bytes: fc.oneof(fc.nat(300), fc.nat(COPIED_BYTES)), binary: fc.boolean() }) },
    { weight: 2, arbitrary: fc.constant('turn' as const) },
    { weight: 1, arbitrary: fc.record({ stalls: fc.nat(2) }) },
    { weight: 1, arbitrary: fc.record({ drains: fc.nat(2) }) }
  )
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
    const targets = [new Target(), new Target(), new Target()]
    const batches = targets.map((target) => new TurnBatch(target, target, true))
    const sent: Array<Array<[boolean, string]>> = [[], [], []]
    let n = 0
    for (const step of steps) {
      if (step === 'turn') await turn()
      else if ('stalls' in step) targets[step.stalls]!.takesAll = false
      else if ('drains' in step) targets[step.drains]!.drain()
      else {
        const data = Buffer.alloc(step.bytes, n++)
        batches[step.to]!.begin()
        batches[step.to]!.add(data, step.binary, targets[step.to]!.writableLength > 0)
        sent[step.to]!.push([step.binary, data.toString('hex')])
      }
    }
    await turn()
    for (const target of targets) target.drain()
    assert.deepEqual(targets.map(({ messages }) => messages), sent)
  }), { numRuns: 200 })
})
