import type { Clock } from '../clock.js'
import type { Logger } from '../logger.js'
import type { Link } from '../relay/link.js'
import type { LeaveReason } from '../relay/peer.js'
import type { ClientSocket } from './client-socket.js'

/** How a kind of client frames media events, credentials and close reasons on its link. */
export interface Dialect {
  readonly name: string
  /** Where its clients connect, unless the options say otherwise; `path` is the option of that name. */
  route (path: string): string
  /** Whether a client shows who it is with the upgrade, or in its first message. */
  readonly credentials: 'upgrade' | 'first message'
  /** A client has connected: the dialect has its socket from now on. */
  accept (socket: ClientSocket, door: Door): void
}

/** The session behind a link, as its dialect sees it. */
export interface Session {
  /** One media event from the client. */
  uplink (data: Buffer, binary: boolean): void
  /** The link is of no more use. */
  end (reason: LeaveReason): void
}

/** The way in, for one connection. */
export interface Door {
  readonly clock: Clock
  readonly log: Logger
  /** Milliseconds for credentials to come. */
  readonly authMs: number
  /**
   * Who this is. With no token: what was shown with the upgrade.
   * @throws Refusal
   */
  admit (token: string | null): Promise<Enter>
}

/**
 * Makes the peer, once its link is there to hear of it.
 * @throws Refusal this process takes no more, or the id is in use
 */
export type Enter = (link: Link) => Session
