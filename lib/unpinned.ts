/** Up to so many further bytes are kept alive with a small event rather than copying it. */
export const WASTE_BYTES = 2048

/** Whether more stays alive with these bytes than may. */
export function isPinning (data: Buffer): boolean {
  return data.buffer.byteLength > 2 * data.length + WASTE_BYTES
}

/**
 * Bytes that are to be kept: copied where they are a small view of a large read, all of which would stay alive with them.
 * Into memory of their own: of Node's pool, 8 KiB would stay for as long as the last that is in them.
 */
export function unpinned (data: Buffer): Buffer {
  if (!isPinning(data)) return data
  const copy = Buffer.allocUnsafeSlow(data.length)
  data.copy(copy)
  return copy
}
