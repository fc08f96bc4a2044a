import type { Clock } from '../clock.js'
import type { Logger } from '../logger.js'
import type { MediaServerControl, Recording } from './control.js'
import type { Inlet } from './inlet.js'

/**
 * What a kind of media server gives the relay: a driver implements this, and the relay knows nothing else of it
 * (`lib/media-servers`).
 */

export type { Recording } from './control.js'

/** Why something was closed or refused: the codes are those of `close-codes.ts`. */
export interface Status {
  code: number
  reason: string
}

/** The state of the trunk, as `onTrunk` tells it. */
export type TrunkState =
  | { state: 'connecting', attempt: number }
  | { state: 'up', serverId: string, protocol: string }
  /** `retryMs`: milliseconds until the next attempt. */
  | { state: 'down', cause: Status, retryMs: number }
  | { state: 'closed' }

export interface OpenRequest {
  peerId: string
  roomId: string
  /** JSON text. */
  metadata: string
  /** Of the session to continue; empty: a new one. */
  key: string
  /** Media events that the client's end has taken in since the session began. */
  received: number
  /** Names the client's end among all; empty: it does not say. */
  asker: string
  /** Grows with each asking of that end. */
  turn: number
  /** Whether it is to be refused (4001) rather than given a new session: nobody but the client says that the id is its. */
  resumeOnly: boolean
  /** Whether the client's end can come back after its link was lost. */
  resumable: boolean
}

export interface OpenAnswer {
  /** By which this session can be asked for again. A secret. */
  key: string
  /** Whether it is the session that was asked for; else both ends count from 0. */
  resumed: boolean
  /** Media events that the media server's end has taken in since the session began. */
  received: number
  /** Bytes that may be unacknowledged in each direction; 0: nothing is acknowledged, and nothing sent again. */
  windowBytes: number
}

/** What an attachment tells its peer. Nothing is told after `refused`, `closed`, or the peer's own `close`. */
export interface AttachmentReceiver {
  opened (answer: OpenAnswer): void
  refused (status: Status): void
  event (data: Buffer, binary: boolean): void
  /** The place of an event that was dropped on its way. */
  skip (): void
  /** So many media events of the client were received since the session began. */
  ack (received: number): void
  /** There is room for it again after an event was `pressed`. */
  relieved (): void
  closed (status: Status): void
}

/** How an event fared: taken; taken, but its source should pause until `relieved`; not taken, for two reasons. */
export type Accepted = 'taken' | 'pressed' | 'full' | 'too big'

/** One peer, as it is attached to the media server over the trunk of the moment. */
export interface Attachment {
  /** Bytes of it that wait for the trunk, or for its client. */
  readonly bufferedBytes: number
  send (data: Buffer, binary: boolean): Accepted
  /** Takes the place of an event that a hook dropped, so that both ends go on counting alike. */
  skip (): Accepted
  /** So many media events were received by the client's end since the session began. */
  ack (received: number): void
  /** The link is gone; the media server is to hold the session for its window. It may still be told of its end. */
  detach (): void
  /** The peer is over. Harmless when it is already. */
  close (code: number, reason: string): void
}

export interface Notification<Payload = unknown> {
  id: string
  /** Empty where it is about no room. */
  roomId: string
  /** Empty where it is about no peer. */
  peerId: string
  type: string
  payload: Payload
  at: Date
}

/** What a media server tells the relay. */
export interface MediaServerObserver {
  /** `down` also says that every attachment is void; nobody else tells the peers. */
  state (state: TrunkState): void
  /** `handled` is to be called once the app has dealt with it; until then the media server keeps it. */
  notification (notification: Notification, handled: () => void): void
  recording (recording: Recording, notificationId: string, handled: () => void): void
  /**
   * What is being recorded of a room as it stands, or of all rooms where none is named: before each `opened`, or as soon as it is
   * known. What was told of a recording since the trunk came up counts for more.
   */
  recordings (recordings: Recording[], roomId?: string): void
}

export interface MediaServerStats {
  /** Open sockets to the media server: 0 or 1. */
  sockets: number
  /** Bytes that wait for their turn on the trunk, of all peers. */
  waitingBytes: number
  /** How many peers have something waiting. */
  waitingPeers: number
  /** Bytes that were sent and are not taken in yet, as far as the media server has said. */
  underWayBytes: number
  /** Bytes that may be under way. */
  windowBytes: number
  /** Frames dropped, by cause. */
  dropped: Record<string, number>
}

export interface MediaServer {
  /** Where it is, for the log: without any secret. */
  readonly address: string
  /** Connects, and stays connected until `stop`. */
  start (observer: MediaServerObserver): void
  /** Whether its sessions outlive the trunk: then it has to be told of those that have ended meanwhile. */
  readonly keepsSessions: boolean
  /** For how long the media server of the moment holds a session whose client is away, in milliseconds; 0: not at all. */
  readonly resumeMs: number
  /** Routes by which the media server comes to the backend by itself. */
  readonly inlets?: readonly Inlet[] | undefined
  /** None: rooms, and what is recorded of them, are the media server's own business. */
  readonly control?: MediaServerControl | undefined
  /**
   * Only while the trunk is `up`. A second one for the same receiver replaces the first, which hears nothing more; of several
   * for one peer id the media server decides, and the others hear `closed` or `refused`.
   */
  open (request: OpenRequest, receiver: AttachmentReceiver): Attachment
  /** The client of a session for which there is no attachment here has gone for good. Only where `keepsSessions`, and `up`. */
  leave (session: { peerId: string, key: string }, status: Status): void
  stats (): MediaServerStats
  /** Flushes what waits and closes the trunk. */
  stop (): Promise<void>
}

export interface DriverContext {
  /** To be called with the size of each media event that comes, as it is buffered from then on. */
  received (bytes: number): void
  clock: Clock
  log: Logger
  /** Names this process to the media server. */
  backendId: string
  heartbeatMs: number
  /** How long a session is to be held whose link is lost, where the media server leaves that to its driver. Milliseconds. */
  resumeMs: number
  /** Bytes that may be unacknowledged in each direction of such a session. */
  windowBytes: number
  /** Events that may be. */
  windowEvents: number
  /** Bytes of one peer waiting for the trunk from which it is paused. */
  peerQueueBytes: number
  /** Bytes under way on the trunk at most, in each direction. */
  trunkWindowBytes: number
  /** Bytes of all peers waiting for the trunk from which whoever has some waiting is paused. */
  trunkQueueBytes: number
  /** Milliseconds for which what goes to the media server may be held for what comes next. */
  trunkHoldMs: number
}

/** What the option `mediaServer` takes besides `{ url, token }`. */
export interface Driver {
  readonly name: string
  create (context: DriverContext): MediaServer
}
