import { MalformedError } from '../errors.js'
import { MAX_ID_BYTES } from '../ids.js'
import { BYTES, Reader, VARINT, Writer, varintSize, writeVarint } from '../protobuf.js'
import type { Codec } from './codec.js'
import { KINDS, MAX_BATCH_FRAMES, SUBPROTOCOL } from './schema.js'
import type { Field, Frame, Kind, Message } from './schema.js'

/** `trunkline.v1`: a batch of frames in the protobuf wire format (PROTOCOL.md, "The trunk"). */

type Values = Record<string, unknown>

const FRAMES_FIELD = 1
const PEER_ID_FIELD = 1
const EPOCH_FIELD = 2
const TEXT_FIELD = KINDS.text.number
const BINARY_FIELD = KINDS.binary.number

const kindByNumber = new Map<number, Kind>(Object.entries(KINDS).map(([kind, { number }]) => [number, kind as Kind]))

export const protobufCodec: Codec = {
  subprotocol: SUBPROTOCOL,
  binary: true,

  append (parts, frame, prefix) {
    if (frame.kind === 'text') return appendEvent(parts, prefix ?? this.tag(frame.peerId, frame.epoch), TEXT_FIELD, frame.body)
    if (frame.kind === 'binary') return appendEvent(parts, prefix ?? this.tag(frame.peerId, frame.epoch), BINARY_FIELD, frame.body)
    const writer = new Writer().string(PEER_ID_FIELD, frame.peerId).uint(EPOCH_FIELD, frame.epoch)
    const { number, value } = KINDS[frame.kind]
    if (value === 'string') writer.bytes(number, Buffer.from(frame.body as string))
    // A zero has to be written here: in a oneof, absence would mean another body.
    else if (value === 'uint') writer.present(number, frame.body as number)
    else if (value !== 'bytes') writer.bytes(number, encodeMessage(value, (frame.body ?? {}) as Values))
    const encoded = new Writer().bytes(FRAMES_FIELD, writer.finish()).finish()
    parts.push(encoded)
    return encoded.length
  },

  batch: (parts, size) => parts.length === 1 ? parts[0]! : Buffer.concat(parts, size),

  decode (message) {
    const reader = new Reader(message)
    const frames: Frame[] = []
    while (reader.next()) {
      if (reader.field !== FRAMES_FIELD || reader.wireType !== BYTES) {
        reader.skip()
        continue
      }
      if (frames.length >= MAX_BATCH_FRAMES) throw new MalformedError(`more than ${MAX_BATCH_FRAMES} frames in a batch`)
      const frame = decodeFrame(reader.message())
      if (frame !== null) frames.push(frame)
    }
    return frames
  },

  tag: (peerId, epoch) => new Writer().string(PEER_ID_FIELD, peerId).uint(EPOCH_FIELD, epoch).finish()
}

/** Two parts, a head and the event itself, so that the event is not copied before the batch is put together. */
function appendEvent (parts: Buffer[], prefix: Buffer, field: number, event: Buffer): number {
  // Field numbers below 16 fit a key of one byte.
  const inner = prefix.length + 1 + varintSize(event.length) + event.length
  const head = Buffer.allocUnsafe(1 + varintSize(inner) + inner - event.length)
  head[0] = FRAMES_FIELD * 8 + BYTES
  let at = writeVarint(head, inner, 1)
  at += prefix.copy(head, at)
  head[at++] = field * 8 + BYTES
  writeVarint(head, event.length, at)
  parts.push(head, event)
  return head.length + event.length
}

function decodeFrame (reader: Reader): Frame | null {
  let peerId = ''
  let epoch = 0
  let kind: Kind | null = null
  let body: unknown = null
  while (reader.next()) {
    const { field, wireType } = reader
    if (field === PEER_ID_FIELD && wireType === BYTES) {
      peerId = reader.string()
    } else if (field === EPOCH_FIELD && wireType === VARINT) {
      epoch = reader.varint()
    } else {
      const known = kindByNumber.get(field)
      const value = known === undefined ? null : KINDS[known].value
      if (known === undefined || value === null || wireType !== (value === 'uint' ? VARINT : BYTES)) {
        reader.skip()
        continue
      }
      // The last body wins, as in any oneof.
      kind = known
      body = value === 'bytes' ? reader.bytes() : value === 'uint' ? reader.varint() : value === 'string' ? reader.string() : decodeMessage(reader.message(), value)
    }
  }
  if (peerId.length > MAX_ID_BYTES || Buffer.byteLength(peerId) > MAX_ID_BYTES) throw new MalformedError(`peer_id of more than ${MAX_ID_BYTES} bytes`)
  return kind === null ? null : { peerId, epoch, kind, body: kind === 'skip' || kind === 'detach' ? null : body } as Frame
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
