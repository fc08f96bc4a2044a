import { createRequire } from 'node:module'

type Unmask = (data: Buffer, mask: Buffer) => void

/** From so many bytes on, a call into native code costs less than it saves. */
const NATIVE_BYTES = 48

const native = load()
/** One for all: a view of each would cost more than what it is used for. */
const mask = Buffer.alloc(4)

/** Takes the masking of a client's message off, where it stands (RFC 6455, section 5.3): the mask is the four bytes before it. */
export function unmask (bytes: Buffer, start: number, end: number): Buffer {
  const data = bytes.subarray(start, end)
  const a = bytes[start - 4]!
  const b = bytes[start - 3]!
  const c = bytes[start - 2]!
  const d = bytes[start - 1]!
  if (native !== null && end - start >= NATIVE_BYTES) {
    mask[0] = a
    mask[1] = b
    mask[2] = c
    mask[3] = d
    native(data, mask)
    return data
  }
  let at = start
  for (; at + 4 <= end; at += 4) {
    bytes[at]! ^= a
    bytes[at + 1]! ^= b
    bytes[at + 2]! ^= c
    bytes[at + 3]! ^= d
  }
  if (at < end) bytes[at++]! ^= a
  if (at < end) bytes[at++]! ^= b
  if (at < end) bytes[at]! ^= c
  return data
}

/** `bufferutil` is optional, for `ws` too, and obeys the same variable. */
function load (): Unmask | null {
  if ((process.env.WS_NO_BUFFER_UTIL ?? '') !== '') return null
  try {
    return (createRequire(import.meta.url)('bufferutil') as { unmask: Unmask }).unmask
  } catch {
    return null
  }
}
