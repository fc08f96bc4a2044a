/** Bytes of a peer id or room id at most (PROTOCOL.md, "Frames"). */
export const MAX_ID_BYTES = 128

/** Whether `id` may name a peer or a room: a well-formed string of 1 to 128 bytes. */
export function isId (id: unknown): id is string {
  return typeof id === 'string' && id !== '' && id.length <= MAX_ID_BYTES && isWellFormed(id) && Buffer.byteLength(id) <= MAX_ID_BYTES
}

/** Whether `text` has no lone surrogate, and so survives UTF-8. */
export function isWellFormed (text: string): boolean {
  return !/\p{Surrogate}/u.test(text)
}
