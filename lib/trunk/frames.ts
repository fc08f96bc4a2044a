import { MalformedError } from '../errors.js'
import { MAX_ID_BYTES } from '../ids.js'
import { BYTES, Reader, VARINT, Writer, checkUint, varintSize, writeVarint } from '../protobuf.js'
import { unpinned } from '../unpinned.js'
import type { Codec, Encoded, Tag } from './codec.js'
import { KnownIds } from './known-ids.js'
import { KINDS, MAX_BATCH_FRAMES, SUBPROTOCOL } from './schema.js'
import type { Field, Frame, Kind, Message } from './schema.js'

/** `trunkline.v1`: a batch of frames in the protobuf wire format (PROTOCOL.md, "The trunk"). */

type Values = Record<string, unknown>

const FRAMES_FIELD = 1
const PEER_ID_FIELD = 1
const EPOCH_FIELD = 2
const TEXT_FIELD = KINDS.text.number
const BINARY_FIELD = KINDS.binary.number

/** By field number: what a body is, and how it is written. */
const bodies: Array<{ kind: Kind, value: 'bytes' | 'string' | 'uint' | Message, wireType: number } | undefined> = []
for (const [kind, { number, value }] of Object.entries(KINDS)) bodies[number] = { kind: kind as Kind, value, wireType: value === 'uint' ? VARINT : BYTES }

const peerIds = new KnownIds()

export const protobufCodec: Codec = {
  subprotocol: SUBPROTOCOL,
  binary: true,

  encode (frame) {
    if (frame.kind === 'text' || frame.kind === 'binary') return this.event(this.tag(frame.peerId, frame.epoch), frame.body, frame.kind === 'binary')
    if (frame.kind === 'ack') return encodeAck(frame)
    const writer = new Writer().string(PEER_ID_FIELD, frame.peerId).uint(EPOCH_FIELD, frame.epoch)
    const { number, value } = KINDS[frame.kind]
    if (value === 'string') writer.bytes(number, Buffer.from(frame.body as string))
    // A zero has to be written here: in a oneof, absence would mean another body.
    else if (value === 'uint') writer.present(number, frame.body as number)
    else if (value !== 'bytes') writer.bytes(number, encodeMessage(value, (frame.body ?? {}) as Values))
    const body = new Writer().bytes(FRAMES_FIELD, writer.finish()).finish()
    return { length: body.length, size: body.length, tag: null, binary: false, body }
  },

  event (tag, body, binary) {
    const inner = innerLength(tag, body)
    const length = 1 + varintSize(inner) + inner
    return { length, size: length, tag, binary, body }
  },

  batch (frames, length, into = null) {
    const [first] = frames
    if (frames.length === 1 && first!.tag === null) return first!.body
    const target = into === null || into.length < length ? Buffer.allocUnsafe(length) : into.subarray(0, length)
    let at = 0
    for (const { tag, body, binary } of frames) {
      if (tag !== null) at = writeHead(target, at, tag, binary ? BINARY_FIELD : TEXT_FIELD, body)
      target.set(body, at)
      at += body.length
    }
    return target
  },

  decode (message) {
    const reader = new Reader(message)
    const frames: Frame[] = []
    while (reader.next()) {
      if (reader.field !== FRAMES_FIELD || reader.wireType !== BYTES) {
        reader.skip()
        continue
      }
      if (frames.length >= MAX_BATCH_FRAMES) throw new MalformedError(`more than ${MAX_BATCH_FRAMES} frames in a batch`)
      const outer = reader.enter()
      const frame = decodeFrame(reader, message)
      reader.leave(outer)
      if (frame !== null) frames.push(frame)
    }
    return frames
  },

  // It lives long, and would keep alive what of Node's pool is long over.
  tag: (peerId, epoch) => ({ peerId, epoch, bytes: unpinned(new Writer().string(PEER_ID_FIELD, peerId).uint(EPOCH_FIELD, epoch).finish()) })
}

/** One in eight events is followed by one: a piece of memory for each field would be felt. */
function encodeAck ({ peerId, epoch, body }: Extract<Frame, { kind: 'ack' }>): Encoded {
  checkUint(epoch)
  checkUint(body)
  const idBytes = Buffer.byteLength(peerId)
  const inner = (idBytes > 0 ? 1 + varintSize(idBytes) + idBytes : 0) + (epoch > 0 ? 1 + varintSize(epoch) : 0) + 1 + varintSize(body)
  const length = 1 + varintSize(inner) + inner
  const target = Buffer.allocUnsafe(length)
  target[0] = FRAMES_FIELD * 8 + BYTES
  let at = writeVarint(target, inner, 1)
  if (idBytes > 0) {
    target[at++] = PEER_ID_FIELD * 8 + BYTES
    at = writeVarint(target, idBytes, at)
    at += target.write(peerId, at)
  }
  if (epoch > 0) {
    target[at++] = EPOCH_FIELD * 8 + VARINT
    at = writeVarint(target, epoch, at)
  }
  target[at++] = KINDS.ack.number * 8 + VARINT
  writeVarint(target, body, at)
  return { length, size: length, tag: null, binary: false, body: target }
}

/** Field numbers below 16 fit a key of one byte. */
function innerLength ({ bytes }: Tag, event: Buffer): number {
  return bytes.length + 1 + varintSize(event.length) + event.length
}

/** All of a media event's frame that stands before the event; where that goes. */
function writeHead (target: Buffer, at: number, tag: Tag, field: number, event: Buffer): number {
  target[at++] = FRAMES_FIELD * 8 + BYTES
  at = writeVarint(target, innerLength(tag, event), at)
  target.set(tag.bytes, at)
  at += tag.bytes.length
  target[at++] = field * 8 + BYTES
  return writeVarint(target, event.length, at)
}

function decodeFrame (reader: Reader, message: Buffer): Frame | null {
  let peerId = ''
  let epoch = 0
  let kind: Kind | null = null
  let body: unknown = null
  while (reader.next()) {
    const { field, wireType } = reader
    if (field === PEER_ID_FIELD && wireType === BYTES) {
      peerId = readPeerId(reader, message)
    } else if (field === EPOCH_FIELD && wireType === VARINT) {
      epoch = reader.varint()
    } else {
      const known = bodies[field]
      if (known === undefined || wireType !== known.wireType) {
        reader.skip()
        continue
      }
      // The last body wins, as in any oneof.
      kind = known.kind
      const { value } = known
      body = value === 'bytes' ? reader.bytes() : value === 'uint' ? reader.varint() : value === 'string' ? reader.string() : decodeMessage(reader.message(), value)
    }
  }
  return kind === null ? null : { peerId, epoch, kind, body: kind === 'skip' || kind === 'detach' ? null : body } as Frame
}

function readPeerId (reader: Reader, message: Buffer): string {
  const start = reader.span()
  const known = peerIds.find(message, start, reader.at)
  if (known !== null) return known
  if (reader.at - start > MAX_ID_BYTES) throw new MalformedError(`peer_id of more than ${MAX_ID_BYTES} bytes`)
  const peerId = reader.text(start)
  peerIds.learn(message, start, reader.at, peerId)
  return peerId
}

function encodeMessage (message: Message, values: Values): Buffer {
  const writer = new Writer()
  for (const [name, field] of Object.entries(message)) {
    const value = values[name]
    if (value === undefined || value === null) continue
    switch (field.type) {
      case 'string': writer.string(field.number, value as string); break
      case 'uint': writer.uint(field.number, value as number); break
      case 'bool': writer.uint(field.number, value === true ? 1 : 0); break
      case 'nested': writer.bytes(field.number, encodeMessage(field.message!, value as Values)); break
      case 'repeated': for (const item of value as Values[]) writer.bytes(field.number, encodeMessage(field.message!, item))
    }
  }
  return writer.finish()
}

function decodeMessage (reader: Reader, message: Message): Values {
  const values = emptyMessage(message)
  const byNumber = fieldsByNumber(message)
  while (reader.next()) {
    const entry = byNumber.get(reader.field)
    const wanted = entry !== undefined && (entry[1].type === 'uint' || entry[1].type === 'bool') ? VARINT : BYTES
    if (entry === undefined || reader.wireType !== wanted) {
      reader.skip()
      continue
    }
    const [name, field] = entry
    switch (field.type) {
      case 'string': values[name] = reader.string(); break
      case 'uint': values[name] = reader.varint(); break
      case 'bool': values[name] = reader.varint() !== 0; break
      case 'nested': values[name] = decodeMessage(reader.message(), field.message!); break
      case 'repeated': {
        const list = values[name] as Values[]
        if (list.length >= MAX_BATCH_FRAMES) throw new MalformedError(`more than ${MAX_BATCH_FRAMES} entries of ${name}`)
        list.push(decodeMessage(reader.message(), field.message!))
      }
    }
  }
  return values
}

const indexes = new WeakMap<Message, Map<number, [string, Field]>>()

function fieldsByNumber (message: Message): Map<number, [string, Field]> {
  let index = indexes.get(message)
  if (index === undefined) {
    index = new Map(Object.entries(message).map(([name, field]) => [field.number, [name, field]]))
    indexes.set(message, index)
  }
  return index
}

/** The values that a message has when nothing of it was written. */
export function emptyMessage (message: Message): Values {
  const values: Values = {}
  for (const [name, { type }] of Object.entries(message)) {
    values[name] = type === 'string' ? '' : type === 'uint' ? 0 : type === 'bool' ? false : type === 'nested' ? null : []
  }
  return values
}
