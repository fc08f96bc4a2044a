import type { Random } from '../sim/random.js'

type Mutation = (random: Random, data: Buffer, other: Buffer) => Buffer

/** What a message may grow to by being spliced and repeated. */
const MAX_BYTES = 4_096

const cut = (random: Random, data: Buffer): number => random.between(0, data.length)
const bytes = (random: Random, most: number): Buffer => Buffer.from(Array.from({ length: random.between(1, most) }, () => random.between(0, 255)))
const insert = (random: Random, data: Buffer, what: Buffer): Buffer => {
  const at = cut(random, data)
  return Buffer.concat([data.subarray(0, at), what, data.subarray(at)])
}

/** Varints at and beyond what there may be, lengths that run over the end, text that is no UTF-8, and text that nests. */
const POISON = [
  Buffer.from('ffffffffffffff0f', 'hex'), Buffer.from('8080808080808010', 'hex'), Buffer.from('ffffffffffffffffff01', 'hex'), Buffer.from('ffffffffffffffffffffff01', 'hex'),
  Buffer.from('ffffffff0f', 'hex'), Buffer.from('808080808000', 'hex'), Buffer.from([0xff]), Buffer.from([0xc0, 0x80]), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from([0xf4, 0x90, 0x80, 0x80]),
  Buffer.from('\\ud800'), Buffer.from('['.repeat(2_000)), Buffer.from('{"a":'.repeat(500)), Buffer.from('"__proto__":{"x":1},'), Buffer.from('9007199254740993'), Buffer.from('-1'), Buffer.from('1e999'), Buffer.from([0])
]

const mutations: Mutation[] = [
  (random, data) => {
    const flipped = Buffer.from(data)
    if (data.length > 0) flipped[random.between(0, data.length - 1)]! ^= 1 << random.between(0, 7)
    return flipped
  },
  (random, data) => {
    const changed = Buffer.from(data)
    // Where lengths and kinds are, mostly.
    if (data.length > 0) changed[random.between(0, Math.min(data.length - 1, random.chance(0.5) ? 5 : data.length))] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.between(0, 255)])
    return changed
  },
  (random, data) => data.subarray(0, cut(random, data)),
  (random, data) => data.subarray(cut(random, data)),
  (random, data) => insert(random, data, bytes(random, 8)),
  (random, data) => insert(random, data, random.pick(POISON)),
  (random, data) => {
    const at = cut(random, data)
    return insert(random, data, data.subarray(at, random.between(at, data.length)))
  },
  (random, data, other) => Buffer.concat([data.subarray(0, cut(random, data)), other.subarray(cut(random, other))]),
  (_random, data, other) => Buffer.concat([data, other]),
  (random, data) => Buffer.concat(Array.from({ length: random.between(2, 8) }, () => data)),
  (_random, data) => Buffer.from(data).reverse()
]

/** A message that was valid, changed in one to four ways. */
export function mutate (random: Random, data: Buffer, other: Buffer): Buffer {
  let mutant = data
  for (let i = random.weighted([[6, 1], [3, 2], [1, 4]]); i > 0; i--) mutant = random.pick(mutations)(random, mutant, other).subarray(0, MAX_BYTES)
  return mutant
}
