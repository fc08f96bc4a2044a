import type { Clock } from '../clock.js'
import type { Heartbeats } from '../heartbeat.js'
import type { Logger } from '../logger.js'
import type { LeaveReason } from '../relay/peer.js'
import type { ThrottleCounts, ThrottleLimits } from './throttle.js'

/** What a client's socket (`client-socket.ts`) is given, and what it tells. */

export interface SocketLimits extends ThrottleLimits {
  /** Bytes of one message from the client. */
  messageBytes: number
  /** Bytes that a client may send before it is let in, in one message. */
  preAuthBytes: number
  /** Bytes that wait unsent for one client. */
  downlinkBytes: number
  /** Milliseconds for a closed socket to say goodbye before it is cut. */
  closeMs: number
}

export interface SocketContext<Socket> {
  /** Those of all sockets. */
  counts: ThrottleCounts
  heartbeats: Heartbeats
  /** So many bytes have come in, and may be buffered from then on. */
  received: (bytes: number) => void
  /** It is gone; whoever has it knows. */
  closed: (socket: Socket) => void
  /**
   * Bytes of a message that may be read before `ws` reads it; 0: none. Only where `ws` tells of a message before it returns from
   * reading it: else the next one would overtake it.
   */
  wholeBytes: number
  clock: Clock
  log: Logger
}

/** What a socket tells its dialect. */
export interface SocketObserver {
  message (data: Buffer, binary: boolean): void
  /** Once for each heartbeat. */
  beat? (): void
  /** The socket is closed in so many milliseconds, or at once by others: for clients that can be told. */
  draining? (afterMs: number): void
  /** The socket is to be closed, after what is under way; absent: at once. `forGood`: nobody comes back to this process. */
  retire? (reason: LeaveReason, forGood: boolean): void
  /** The socket is gone or useless; called exactly once, at the first sign. */
  ended (reason: LeaveReason): void
}
