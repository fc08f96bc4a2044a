import type { Clock } from '../clock.js'
import type { DetachedSessions } from './detached.js'
import type { Hooks } from './hooks.js'
import type { MediaServer, Status } from './media-server.js'
import type { LeaveReason, Peer } from './peer.js'
import type { RoomRecordings } from './recordings.js'
import type { TokenLifeOptions } from './token-life.js'

export interface PeerLimits {
  /** Bytes that wait for the app's hooks on the way up, from which the client is not read any more. */
  uplinkQueueBytes: number
  /** Bytes that wait for the app's hooks on the way down, at which the peer ends. */
  downlinkQueueBytes: number
  /** Milliseconds for the media server to answer `open`. */
  openMs: number
  /** Milliseconds that a peer outlives its trunk. */
  trunkDownMs: number
  /** Milliseconds that a peer outlives its link, unless the media server says less. */
  resumeMs: number
}

/** What a peer needs of the relay. */
export interface PeerServices<Metadata, P extends Peer<Metadata>> {
  readonly hooks: Hooks<Metadata>
  readonly clock: Clock
  readonly limits: PeerLimits
  readonly token: TokenLifeOptions
  readonly mediaServer: MediaServer
  readonly counts: { uplink: number, downlink: number, resumed: number, reset: number }
  /** Those who have no link. */
  readonly detached: DetachedSessions<P>
  trunkIsUp (): boolean
  /** What is being recorded of a room. */
  recordingsOf (roomId: string): RoomRecordings
  /** Resolves when the last hook has run of an earlier peer of this id. */
  predecessor (peer: P): Promise<void>
  /** The peer is over while the media server holds its session for another attachment: it is to be told. */
  orphaned (session: { peerId: string, key: string }, status: Status): void
  /** The media server has said that the session is its who has claimed it. */
  proven (peer: P): void
  /** Called exactly once, at the end. `left` resolves when the last hook of the peer has run. */
  ended (peer: P, reason: LeaveReason, left: Promise<void>): void
}
