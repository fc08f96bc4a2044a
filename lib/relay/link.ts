import type { Status } from './media-server.js'

/** What a dialect gives the relay for each client: its connection of the moment (`lib/dialects`). */
export interface Link {
  /** The media server has accepted the peer: the client may be told. Events follow only after this. */
  joined (): void
  /** One media event towards the client. */
  send (data: Buffer, binary: boolean): void
  /** Stops reading from the client. */
  pause (): void
  resume (): void
  /** Ends the link. The dialect chooses how the status is said so that its kind of client does what the code advises. */
  close (status: Status): void
}
