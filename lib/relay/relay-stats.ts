import type { MediaServerStats, TrunkState } from './media-server.js'

export interface RelayStats {
  /** Those whose link is lost and whose session is held included. */
  peers: number
  detached: number
  /** Sessions without a link that ended since their subject had too many, since the start. */
  evicted: number
  rooms: number
  /** Media events handed to the trunk since the start. */
  uplink: number
  /** Media events handed to clients since the start. */
  downlink: number
  /** Sessions that were asked for again, and went on. */
  resumed: number
  /** Sessions that were asked for again, and were gone. */
  reset: number
  /** Bytes that are buffered for all peers together. */
  bufferedBytes: number
  /** The most that is buffered for one of them. */
  mostBufferedBytes: number
  /** How often somebody had to go because these were too many. */
  shed: number
  /** Peers that ended, by cause. */
  left: Record<string, number>
  /** Of the app to clients: those that were sent, and those that nobody heard. */
  messages: { sent: number, unsent: number }
  /** Rooms whose recordings are remembered; news that wait for `onRecording`; those that came too late to be told. */
  recordings: { rooms: number, waiting: number, late: number }
  trunk: MediaServerStats & { state: TrunkState['state'] }
}
