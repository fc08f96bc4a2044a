import fc from 'fast-check'
import { Random } from '../sim/random.js'
import type { Message } from './corpus.js'
import { mutate } from './mutate.js'

/** Messages that no corpus has: of fast-check, whose arbitraries look for the edges of their own accord. */
const scalar = fc.oneof(fc.maxSafeInteger(), fc.double(), fc.string({ unit: 'binary', maxLength: 20 }), fc.boolean(), fc.constant(null), fc.constantFrom('', '__proto__', 'p', -1, 2 ** 53))
const CONTROL_FIELDS = ['id', 'version', 'client', 'token', 'peerId', 'key', 'received', '__proto__', 'reason']
const FRAME_FIELDS = ['peer_id', 'epoch', 'text', 'binary', 'skip', 'ack', 'detach', 'close', 'done', 'credit', 'open', 'opened', 'error', 'notification']
const objectOf = (names: string[], value: fc.Arbitrary<unknown>): fc.Arbitrary<object> =>
  fc.uniqueArray(fc.tuple(fc.constantFrom(...names), value), { selector: ([name]) => name, maxLength: 5 }).map((entries) => Object.fromEntries(entries))

const control = fc.tuple(fc.constantFrom('join', 'leave', 'ping', 'joined'), objectOf(CONTROL_FIELDS, scalar), fc.option(objectOf(CONTROL_FIELDS, scalar)))
  .map(([type, fields, resume]) => ({ binary: true, data: Buffer.concat([Buffer.from([0]), Buffer.from(JSON.stringify({ ...fields, type, version: 1, resume }))]) }))
const batch = fc.array(objectOf(FRAME_FIELDS, fc.oneof(scalar, objectOf(['id', 'code', 'reason', 'room_id', 'key', 'received'], scalar))), { maxLength: 3 })
  .map((frames) => ({ binary: false, data: Buffer.from(JSON.stringify(frames)) }))
const bytes = fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.boolean()).map(([data, binary]) => ({ binary, data: Buffer.from(data) }))
const text = fc.oneof(fc.json({ maxDepth: 3 }), fc.string({ unit: 'binary' })).map((data) => ({ binary: false, data: Buffer.from(data) }))

const ARBITRARY = fc.oneof(control, batch, bytes, text)
const BATCH = 500

/**
 * The messages for one target, by their number: which message is the n-th depends on the seed and on nothing that the
 * network does.
 */
export class Source {
  readonly #seed: number
  #batch = -1
  #arbitrary: Message[] = []

  constructor (seed: number) {
    this.#seed = seed
  }

  /** @param valid makes one that is valid, from chance */
  message (n: number, valid: (random: Random) => Message): Message {
    const random = this.random(n)
    const kind = random.next()
    if (kind < 0.15) return this.#arbitraryMessage(n)
    const message = valid(random)
    // As it is, as often as not: who is closed at the first message never comes to the second.
    if (kind < 0.5) return message
    return { data: mutate(random, message.data, valid(random).data), binary: random.chance(0.95) ? message.binary : !message.binary }
  }

  random (n: number): Random {
    return new Random(Math.imul(this.#seed ^ 0x5bd1e995, 0x9E3779B1) + n)
  }

  #arbitraryMessage (n: number): Message {
    const batch = Math.floor(n / BATCH)
    if (batch !== this.#batch) {
      this.#batch = batch
      this.#arbitrary = fc.sample(ARBITRARY, { seed: this.#seed + batch, numRuns: BATCH })
    }
    return this.#arbitrary[n % BATCH]!
  }
}
