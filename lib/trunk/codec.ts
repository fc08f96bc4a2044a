import type { Frame } from './schema.js'

/** What all media events of one attachment have in common. */
export interface Tag {
  readonly peerId: string
  readonly epoch: number
  /** The part of each frame that says so. */
  readonly bytes: Buffer
}

/** A frame that waits to leave. What is opaque in it is not copied before the batch is put together. */
export interface Encoded {
  /** Bytes that it takes in a batch. */
  length: number
  /** For how many it counts as long as it waits. */
  size: number
  /** Of a media event: what stands before it; null: `body` is the frame. */
  readonly tag: Tag | null
  readonly binary: boolean
  body: Buffer
}

/** One of the two encodings of the trunk. A batch is decoded whole, or not at all. */
export interface Codec {
  readonly subprotocol: string
  /** Whether a batch travels as a binary message. */
  readonly binary: boolean
  encode (frame: Frame): Encoded
  /** The hot path's `encode`, of a media event. */
  event (tag: Tag, body: Buffer, binary: boolean): Encoded
  /**
   * One message of one or more frames.
   * @param length of them all
   * @param into memory to put it into where it fits
   */
  batch (frames: readonly Encoded[], length: number, into?: Buffer | null): Buffer
  /**
   * The frames of a message, in order; those with a body unknown to this version are left out.
   * @throws MalformedError the message as a whole is to be taken as broken
   */
  decode (message: Buffer): Frame[]
  /** Made once for an attachment, to save making it again for each event. */
  tag (peerId: string, epoch: number): Tag
}

/** One message of these frames. */
export function messageOf (codec: Codec, frames: readonly Frame[]): Buffer {
  const encoded = frames.map((frame) => codec.encode(frame))
  return codec.batch(encoded, encoded.reduce((sum, { length }) => sum + length, 0))
}
