import type { Frame } from './schema.js'

/** One of the two encodings of the trunk. A batch is decoded whole, or not at all. */
export interface Codec {
  readonly subprotocol: string
  /** Whether a batch travels as a binary message. */
  readonly binary: boolean
  /**
   * Appends the encoded frame to `parts`; its size in bytes. A media event is appended as it is, never copied.
   * @param prefix what `tag` made for the frame's attachment, to save making it again for each event
   */
  append (parts: Buffer[], frame: Frame, prefix?: Buffer): number
  /** One message from the parts of one or more frames. */
  batch (parts: Buffer[], size: number): Buffer
  /**
   * The frames of a message, in order; those with a body unknown to this version are left out.
   * @throws MalformedError the message as a whole is to be taken as broken
   */
  decode (message: Buffer): Frame[]
  /** The part of a media event's frame that stays the same for a whole attachment. */
  tag (peerId: string, epoch: number): Buffer
}
