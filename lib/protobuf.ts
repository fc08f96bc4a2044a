import { Buffer, isUtf8 } from 'node:buffer'
import { MalformedError } from './errors.js'

/**
 * The protobuf wire format (https://protobuf.dev/programming-guides/encoding/), as much of it as the trunk and the
 * fishjam dialect need: varint and length-delimited fields, unknown fields skipped. Bounded against hostile input: no
 * length is believed beyond the message, nothing recurses, nothing is allocated that the input did not pay for.
 */

export const VARINT = 0
const FIXED64 = 1
export const BYTES = 2
const FIXED32 = 5

/** Reads the fields of one message, in order. Byte fields are views of the input, not copies. */
export class Reader {
  readonly #buffer: Buffer
  #end: number
  #at: number
  /** Of the field that `next` found. */
  field = 0
  wireType = 0

  constructor (buffer: Buffer, start = 0, end = buffer.length) {
    this.#buffer = buffer
    this.#at = start
    this.#end = end
  }

  /** Moves on to the next field; false at the end of the message. */
  next (): boolean {
    if (this.#at >= this.#end) return false
    const key = this.varint()
    // Not by bits: a field number may have 29 of them, and a key is not bounded before it is read.
    this.field = key < 0x80 ? key >> 3 : Math.floor(key / 8)
    this.wireType = key & 7
    if (this.field === 0 || this.field > 0x1fffffff) throw new MalformedError(`field number ${this.field} at byte ${this.#at}`)
    return true
  }

  /** An unsigned integer of at most 2^53 - 1: a larger one is refused, since it could not be told from its neighbours. */
  varint (): number {
    const buffer = this.#buffer
    let byte = this.#byte(buffer)
    if (byte < 0x80) return byte
    let value = byte & 0x7f
    let factor = 128
    for (let i = 1; i < 10; i++) {
      byte = this.#byte(buffer)
      value += (byte & 0x7f) * factor
      if (value > Number.MAX_SAFE_INTEGER) throw new MalformedError(`integer beyond 2^53 - 1 at byte ${this.#at}`)
      if (byte < 0x80) return value
      factor *= 128
    }
    throw new MalformedError(`integer of more than 10 bytes at byte ${this.#at}`)
  }

  /** A length-delimited field, as a view. */
  bytes (): Buffer {
    const start = this.span()
    return this.#buffer.subarray(start, this.#at)
  }

  /** A length-delimited field as text; refused unless it is UTF-8. */
  string (): string {
    return this.text(this.span())
  }

  /** The same, of the field that `span` has moved past. */
  text (start: number): string {
    const end = this.#at
    const buffer = this.#buffer
    for (let i = start; i < end; i++) {
      if (buffer[i]! >= 0x80) {
        if (!isUtf8(buffer.subarray(start, end))) throw new MalformedError(`text that is not UTF-8 at byte ${start}`)
        return buffer.toString('utf8', start, end)
      }
    }
    return buffer.toString('latin1', start, end)
  }

  /** A reader for the message in a length-delimited field. */
  message (): Reader {
    const start = this.span()
    return new Reader(this.#buffer, start, this.#at)
  }

  /** Goes on within the message in a length-delimited field, without a reader of its own; what `leave` is to be given. */
  enter (): number {
    const outer = this.#end
    const start = this.span()
    this.#end = this.#at
    this.#at = start
    return outer
  }

  /** Goes on behind the message that was entered. */
  leave (outer: number): void {
    this.#at = this.#end
    this.#end = outer
  }

  /** Of the length-delimited field that `span` has moved past: where it ends. */
  get at (): number {
    return this.#at
  }

  /** Skips the field that `next` found. Groups, long deprecated, are refused. */
  skip (): void {
    switch (this.wireType) {
      case VARINT: {
        // Not varint(): an unknown field may well hold 64 bits.
        for (let i = 0; i < 10; i++) if (this.#byte(this.#buffer) < 0x80) return
        throw new MalformedError(`integer of more than 10 bytes at byte ${this.#at}`)
      }
      case BYTES: this.span(); return
      case FIXED64: this.#advance(8); return
      case FIXED32: this.#advance(4); return
      default: throw new MalformedError(`wire type ${this.wireType} at byte ${this.#at}`)
    }
  }

  /** Moves past a length-delimited field; where it started. */
  span (): number {
    const length = this.varint()
    const start = this.#at
    this.#advance(length)
    return start
  }

  #advance (length: number): void {
    if (length > this.#end - this.#at) throw new MalformedError(`field of ${length} bytes runs over the end at byte ${this.#at}`)
    this.#at += length
  }

  #byte (buffer: Buffer): number {
    if (this.#at >= this.#end) throw new MalformedError(`message ends inside an integer at byte ${this.#at}`)
    return buffer[this.#at++]!
  }
}

/** @throws MalformedError for what no reader would take back: a fraction, a negative number, one beyond 2^53 - 1 */
export function checkUint (value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new MalformedError(`${value} is not an integer of 0 to 2^53 - 1`)
}

/** How many bytes `value` takes as a varint. */
export function varintSize (value: number): number {
  let size = 1
  while (value >= 128) {
    value = Math.floor(value / 128)
    size++
  }
  return size
}

/** Writes `value` (0 to 2^53 - 1) at `offset`; where the next byte goes. */
export function writeVarint (target: Buffer, value: number, offset: number): number {
  while (value >= 128) {
    target[offset++] = (value % 128) | 0x80
    value = Math.floor(value / 128)
  }
  target[offset++] = value
  return offset
}

/** Collects the fields of one message. Zero values are left out, as proto3 does. */
export class Writer {
  readonly #parts: Buffer[] = []
  #size = 0

  uint (field: number, value: number): this {
    return value === 0 ? this : this.present(field, value)
  }

  /** An integer that is written even when it is zero. */
  present (field: number, value: number): this {
    checkUint(value)
    const part = Buffer.allocUnsafe(varintSize(field * 8) + varintSize(value))
    writeVarint(part, value, writeVarint(part, field * 8 + VARINT, 0))
    return this.#add(part)
  }

  string (field: number, value: string): this {
    return value === '' ? this : this.bytes(field, Buffer.from(value))
  }

  /** Written even when empty: presence has a meaning in a oneof. */
  bytes (field: number, value: Buffer): this {
    const head = Buffer.allocUnsafe(varintSize(field * 8) + varintSize(value.length))
    writeVarint(head, value.length, writeVarint(head, field * 8 + BYTES, 0))
    return this.#add(head).#add(value)
  }

  finish (): Buffer {
    return Buffer.concat(this.#parts, this.#size)
  }

  #add (part: Buffer): this {
    this.#parts.push(part)
    this.#size += part.length
    return this
  }
}
