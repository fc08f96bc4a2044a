/** Up to so many further bytes are kept alive with a small event rather than copying it. */
const WASTE_BYTES = 2048

/** Bytes that are to be kept: copied where they are a small view of a large read, all of which would stay alive with them. */
export function unpinned (data: Buffer): Buffer {
  return data.buffer.byteLength > 2 * data.length + WASTE_BYTES ? Buffer.from(data) : data
}
