import { isUtf8 } from 'node:buffer'
import { MalformedError } from '../errors.js'
import { MAX_ID_BYTES, isWellFormed } from '../ids.js'
import { checkUint } from '../protobuf.js'
import type { Codec } from './codec.js'
import { emptyMessage } from './frames.js'
import { KINDS, MAX_BATCH_FRAMES, SUBPROTOCOL_JSON, wireName } from './schema.js'
import type { Field, Frame, Kind, Message } from './schema.js'

/** `trunkline.v1.json`: the same frames as an array of objects, for debugging and for the simplest servers. */

type Values = Record<string, unknown>

const OPEN = Buffer.from('[')
const COMMA = Buffer.from(',')
const CLOSE = Buffer.from(']')
const NOTHING = Buffer.alloc(0)

const kinds = Object.keys(KINDS) as Kind[]

export const jsonCodec: Codec = {
  subprotocol: SUBPROTOCOL_JSON,
  binary: false,

  encode (frame) {
    const object: Values = {}
    if (frame.peerId !== '') object.peer_id = encodeValue(frame.peerId)
    if (frame.epoch !== 0) object.epoch = encodeValue(frame.epoch)
    object[frame.kind] = encodeBody(frame)
    const body = Buffer.from(JSON.stringify(object))
    // With the comma or bracket before it.
    return { length: body.length + 1, size: body.length + 1, tag: null, binary: false, body }
  },

  // The tag cannot be split off here: an event is escaped as a whole.
  event ({ peerId, epoch }, body, binary) {
    return this.encode({ peerId, epoch, kind: binary ? 'binary' : 'text', body })
  },

  batch (frames, length) {
    const pieces: Buffer[] = []
    for (const { body } of frames) pieces.push(pieces.length === 0 ? OPEN : COMMA, body)
    pieces.push(CLOSE)
    return Buffer.concat(pieces, length + 1)
  },

  decode (message) {
    const batch = parse(message)
    if (!Array.isArray(batch)) throw new MalformedError('a batch is an array of frames')
    if (batch.length > MAX_BATCH_FRAMES) throw new MalformedError(`more than ${MAX_BATCH_FRAMES} frames in a batch`)
    const frames: Frame[] = []
    for (const entry of batch) {
      const frame = decodeFrame(object(entry, 'a frame'))
      if (frame !== null) frames.push(frame)
    }
    return frames
  },

  tag: (peerId, epoch) => ({ peerId, epoch, bytes: NOTHING })
}

function encodeBody (frame: Frame): unknown {
  switch (frame.kind) {
    case 'text': return frame.body.toString('utf8')
    case 'binary': return frame.body.toString('base64')
    case 'skip': case 'detach': return {}
    default: {
      const { value } = KINDS[frame.kind]
      return typeof value === 'string' ? encodeValue(frame.body) : encodeMessage(value, frame.body as unknown as Values)
    }
  }
}

function decodeFrame (entry: Values): Frame | null {
  const peerId = entry.peer_id === undefined ? '' : string(entry.peer_id, 'peer_id')
  if (Buffer.byteLength(peerId) > MAX_ID_BYTES) throw new MalformedError(`peer_id of more than ${MAX_ID_BYTES} bytes`)
  const epoch = entry.epoch === undefined ? 0 : uint(entry.epoch, 'epoch')
  const present = kinds.filter((kind) => entry[kind] !== undefined)
  if (present.length > 1) throw new MalformedError(`a frame has one body, not ${present.join(' and ')}`)
  const kind = present[0]
  if (kind === undefined) return null
  return { peerId, epoch, kind, body: decodeBody(kind, entry[kind]) } as Frame
}

function decodeBody (kind: Kind, value: unknown): unknown {
  const type = KINDS[kind].value
  if (kind === 'text') return Buffer.from(string(value, kind))
  if (kind === 'binary') return base64(string(value, kind))
  if (type === 'string') return string(value, kind)
  if (type === 'uint') return uint(value, kind)
  const values = object(value, kind)
  return kind === 'skip' || kind === 'detach' ? null : decodeMessage(type as Message, values)
}

function encodeMessage (message: Message, values: Values): Values {
  const encoded: Values = {}
  for (const [name, field] of Object.entries(message)) {
    const value = values[name]
    if (isDefault(field, value)) continue
    encoded[wireName(name)] = field.type === 'nested'
      ? encodeMessage(field.message!, value as Values)
      : field.type === 'repeated' ? (value as Values[]).map((item) => encodeMessage(field.message!, item)) : encodeValue(value)
  }
  return encoded
}

/** A value that its reader takes back: text without lone surrogates, as UTF-8 would have it; integers that are ones. */
function encodeValue (value: unknown): unknown {
  if (typeof value === 'string') return isWellFormed(value) ? value : Buffer.from(value).toString()
  if (typeof value === 'number') checkUint(value)
  return value
}

function isDefault (field: Field, value: unknown): boolean {
  return value === undefined || value === null || value === '' || value === 0 || value === false || (field.type === 'repeated' && (value as unknown[]).length === 0)
}

function decodeMessage (message: Message, given: Values): Values {
  const values = emptyMessage(message)
  for (const [name, field] of Object.entries(message)) {
    const wire = wireName(name)
    const value = given[wire]
    if (value === undefined) continue
    switch (field.type) {
      case 'string': values[name] = string(value, wire); break
      case 'uint': values[name] = uint(value, wire); break
      case 'bool':
        if (typeof value !== 'boolean') throw new MalformedError(`${wire} is true or false`)
        values[name] = value
        break
      case 'nested': values[name] = decodeMessage(field.message!, object(value, wire)); break
      case 'repeated':
        if (!Array.isArray(value)) throw new MalformedError(`${wire} is an array`)
        values[name] = value.map((item) => decodeMessage(field.message!, object(item, wire)))
    }
  }
  return values
}

function parse (message: Buffer): unknown {
  if (!isUtf8(message)) throw new MalformedError('text that is not UTF-8')
  try {
    return JSON.parse(message.toString('utf8'))
  } catch (error) {
    throw new MalformedError(`text that is not JSON (${(error as Error).message})`)
  }
}

function object (value: unknown, name: string): Values {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new MalformedError(`${name} is an object`)
  return value as Values
}

function string (value: unknown, name: string): string {
  if (typeof value !== 'string' || !isWellFormed(value)) throw new MalformedError(`${name} is a string without lone surrogates`)
  return value
}

function uint (value: unknown, name: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new MalformedError(`${name} is an integer of 0 to 2^53 - 1`)
  return value as number
}

function base64 (value: string): Buffer {
  if (value.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) throw new MalformedError('binary is padded base64')
  return Buffer.from(value, 'base64')
}
