import type { OpenAnswer, Status } from './media-server.js'
import type { RoomRecordings } from './recordings.js'

/** What an end asks of the media server when it comes, or comes back. */
export interface Asking {
  /** Of the session to continue; empty: a new one. */
  key: string
  /** Media events that it has taken in since the session began. */
  received: number
  /** Names the end among all; empty: it has but one link, which cannot overtake itself. */
  asker: string
  /** Grows with each of its askings: of two the larger counts, whichever arrives first. */
  turn: number
}

/** What an end asks, and whose session it says that it is. */
export interface Claim extends Asking {
  /** Null: it does not say. */
  peerId: string | null
}

/** What an end is told when it is let in, or let in again. */
export interface JoinAnswer extends OpenAnswer {
  peerId: string
  roomId: string
  /** For how long the session outlives its link, in milliseconds; 0: it does not. */
  resumeMs: number
  /** What is being recorded of the room. */
  recordings: RoomRecordings
}

/** What a dialect gives the relay for each client: the connection of the moment to the client's end (`lib/dialects`). */
export interface Link {
  /** Whether the client's end outlives this link, and can come back on another one. */
  readonly resumes: boolean
  /** Whether the client's end is in this process: it asks again without showing who it is, and has no other token to bring. */
  readonly endIsHere: boolean
  /** Bytes that wait for the client, and of the client for the media server. */
  readonly bufferedBytes: number
  /** The answer to the latest asking. Events follow only after this. */
  joined (answer: JoinAnswer): void
  /** The media server cannot be reached: nothing that is sent from now on arrives, until `rejoin` and a new asking. */
  suspended (): void
  /** The end is to ask again: the trunk was lost and is back, or the token is about to expire. */
  rejoin (reason: 'trunk' | 'token'): void
  /** One media event towards the client. */
  send (data: Buffer, binary: boolean): void
  /** The place of an event that was dropped on its way. */
  skip (): void
  /** So many media events of the client were received since the session began. */
  ack (received: number): void
  /** What is being recorded of the room, as it stands from now on. Its kind of client may know nothing of it. */
  recordings (recordings: RoomRecordings): void
  /** What the app says to the client, as JSON; false: its kind of client knows nothing of such. */
  say (json: string): boolean
  /** Stops reading from the client. */
  pause (): void
  resume (): void
  /** Ends the link. The dialect chooses how the status is said so that its kind of client does what the code advises. */
  close (status: Status): void
}
