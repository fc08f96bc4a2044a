/** Bytes that are to be kept: copied where they are a small view of a large read, all of which would stay alive with them. */
export function unpinned (data: Buffer): Buffer {
  return data.buffer.byteLength > 2 * data.length ? Buffer.from(data) : data
}
