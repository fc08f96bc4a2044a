import { CloseCode } from '../close-codes.js'
import type { Logger } from '../logger.js'
import type { Status } from './media-server.js'

/** What the app sees of a client in a session. */
export interface Peer<Metadata = unknown> {
  /** The `peer_id` on the trunk. Given by the backend, never by the client. */
  readonly id: string
  readonly roomId: string
  /** What `authenticate` said of it. */
  readonly metadata: Metadata
  /**
   * waiting: for the trunk, or for the client to ask again once it is back. opening: the media server has been asked.
   * joined: media events move. detached: the client's link was lost, and it may come back. ended: for good.
   */
  readonly state: PeerState
  /** With `peerId` and `roomId` in every line. */
  readonly log: Logger
}

export type PeerState = 'waiting' | 'opening' | 'joined' | 'detached' | 'ended'

/** What ended a peer. */
export type LeaveCause =
  'client' | 'link lost' | 'bad message' | 'too slow' | 'kicked' | 'revoked' | 'replaced' | 'media server' | 'media server reset' |
  'trunk lost' | 'hook failed' | 'expired' | 'refused' | 'restart' | 'too many'

export interface LeaveReason extends Status {
  cause: LeaveCause
}

/** The process closes: whoever is here comes back to another. */
export const RESTART = { code: CloseCode.restart, reason: 'restarting', cause: 'restart' } as const satisfies LeaveReason
