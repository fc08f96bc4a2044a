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
   * waiting: for the trunk. opening: the media server has been asked. joined: media events move. ended: for good.
   */
  readonly state: PeerState
  /** With `peerId` and `roomId` in every line. */
  readonly log: Logger
}

export type PeerState = 'waiting' | 'opening' | 'joined' | 'ended'

/** What ended a peer. */
export type LeaveCause =
  'client' | 'link lost' | 'bad message' | 'too slow' | 'kicked' | 'replaced' | 'media server' | 'media server reset' |
  'trunk lost' | 'hook failed' | 'expired' | 'restart'

export interface LeaveReason extends Status {
  cause: LeaveCause
}
