import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import * as ws from 'ws'
import { WholeFrames } from '../../../lib/dialects/whole-frames.js'

const MAX_BYTES = 1_000

/** What `ws` reads with: not in its types. */
const { Receiver } = ws as unknown as { Receiver: new (options: object) => EventEmitter & { write (chunk: Buffer): boolean } }
const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve))

interface Part { fin: boolean, opcode: number, payload: Uint8Array, mask: Uint8Array | null, lengthBytes: 0 | 2 | 8, reserved: number }

/** As a client writes it, or as it should not. */
function encode ({ fin, opcode, payload, mask, lengthBytes, reserved }: Part): Buffer {
  const bytes = lengthBytes === 0 && payload.length > 125 ? 2 : lengthBytes
  const length = Buffer.alloc(bytes)
  if (bytes > 0) length.writeUIntBE(payload.length, bytes === 8 ? 2 : 0, bytes === 8 ? 6 : 2)
  const second = (mask === null ? 0 : 0x80) | (bytes === 0 ? payload.length : bytes === 2 ? 126 : 127)
  const masked = mask === null ? payload : payload.map((byte, i) => byte ^ mask[i & 3]!)
  return Buffer.concat([Buffer.from([(fin ? 0x80 : 0) | reserved | opcode, second]), length, mask ?? Buffer.alloc(0), masked])
}

/** What `ws` makes of it, with or without what is read before it. */
async function read (chunks: Buffer[], wholeFrames: boolean): Promise<string[]> {
  const raw = new EventEmitter()
  const receiver = new Receiver({ isServer: true, maxPayload: MAX_BYTES })
  const heard: string[] = []
  const message = (data: Buffer, binary: boolean): void => { heard.push(`${binary ? 'binary' : 'text'} ${data.toString('hex')}`) }
  let isOver = false
  let frames: WholeFrames | null = null
  const over = (what: string): void => {
    if (!isOver) heard.push(what)
    isOver = true
    frames?.stop()
  }
  receiver.on('message', message)
  receiver.on('ping', (data: Buffer) => heard.push(`ping ${data.toString('hex')}`))
  receiver.on('pong', (data: Buffer) => heard.push(`pong ${data.toString('hex')}`))
  receiver.on('conclude', (code: number, reason: Buffer) => over(`close ${code} ${reason.toString('hex')}`))
  receiver.on('error', (error: Error & { code: string }) => over(error.code))
  // As `ws` does, which listens no more after a close or a mistake; written to it would complain.
  raw.on('data', (chunk: Buffer) => {
    if (isOver && wholeFrames) throw new Error('ws is given what comes after the end')
    if (!isOver) receiver.write(chunk)
  })
  if (wholeFrames) frames = WholeFrames.of(raw as Socket, MAX_BYTES, { message, invalid: () => over('WS_ERR_INVALID_UTF8') })
  // A copy: the mask is taken off where it stands.
  for (const chunk of chunks) {
    raw.emit('data', Buffer.from(chunk))
    await turn()
  }
  return heard
}

const payload = fc.oneof(fc.string({ maxLength: 200 }).map((text) => new Uint8Array(Buffer.from(text))), fc.uint8Array({ maxLength: 130 }), fc.uint8Array({ minLength: 900, maxLength: 1_100 }))
const mask = fc.uint8Array({ minLength: 4, maxLength: 4 })
const part = (usual: object): fc.Arbitrary<Part> => fc.record({
  fin: fc.constant(true), opcode: fc.constantFrom(1, 2), payload, mask, lengthBytes: fc.constant(0 as const), reserved: fc.constant(0), ...usual
}) as fc.Arbitrary<Part>
const parts = fc.array(fc.oneof(
  { weight: 12, arbitrary: part({}) },
  { weight: 3, arbitrary: part({ fin: fc.boolean(), opcode: fc.constantFrom(0, 1, 2) }) },
  { weight: 2, arbitrary: part({ opcode: fc.constantFrom(9, 10), payload: fc.uint8Array({ maxLength: 125 }) }) },
  { weight: 2, arbitrary: part({ lengthBytes: fc.constantFrom(0, 2, 8) }) },
  { weight: 1, arbitrary: part({ opcode: fc.constant(8), payload: fc.constantFrom(new Uint8Array(), new Uint8Array([3, 232, 65]), new Uint8Array([3])) }) },
  { weight: 1, arbitrary: part({ opcode: fc.nat(15), mask: fc.option(mask), reserved: fc.constantFrom(0, 0x10, 0x40) }) }
), { maxLength: 12 })

t.test('whatever comes, and however it is cut: all is heard as ws alone would hear it', async () => {
  await fc.assert(fc.asyncProperty(parts, fc.array(fc.nat(), { maxLength: 12 }), async (parts, cuts) => {
    const bytes = Buffer.concat(parts.map(encode))
    const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((one, other) => one - other)
    const chunks = [...at, bytes.length].map((end, i) => bytes.subarray(at[i - 1] ?? 0, end)).filter(({ length }) => length > 0)
    assert.deepEqual(await read(chunks, true), await read(chunks, false))
  }), { numRuns: 2_000 })
})

t.test('a socket that nobody reads, or several do, is left as it is', async (t) => {
  const target = { message () {}, invalid () {} }
  const raw = new EventEmitter()
  t.equal(WholeFrames.of(raw as Socket, 1, target), null)
  const readers = [() => {}, () => {}]
  for (const reader of readers) raw.on('data', reader)
  t.equal(WholeFrames.of(raw as Socket, 1, target), null)
  t.same(raw.listeners('data'), readers)
})
