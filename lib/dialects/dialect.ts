import type { Clock } from '../clock.js'
import type { Logger } from '../logger.js'
import type { Asking, Claim, Link } from '../relay/link.js'
import type { Pins } from '../pins.js'
import type { LeaveReason } from '../relay/peer.js'
import type { Refusal } from '../relay/refusal.js'
import type { ClientSocket } from './client-socket.js'

/** How a kind of client frames media events, credentials and close reasons on its link. */
export interface Dialect {
  readonly name: string
  /** Where its clients connect, unless the options say otherwise; `path` is the option of that name. */
  route (path: string): string
  /** What its clients take for their URL, where they find the route themselves: that of the route, less what they append. */
  base? (route: string): string
  /**
   * Whether a client shows who it is with the upgrade, or in its first message. `protocols` are the subprotocols that it
   * offers.
   */
  credentials (protocols: string[]): 'upgrade' | 'first message'
  /** Whether a client hears of a refusal by a close code only: browsers hide the status of an upgrade from the page. */
  refusesByCode (protocols: string[], refusal: Refusal): boolean
  /** A client has connected: the dialect has its socket from now on. */
  accept (socket: ClientSocket, door: Door): void
  /** The app has closed: nobody comes back. */
  stop? (): void
}

/** The session behind a link, as its dialect sees it. */
export interface Session {
  /** On the link that it has, the client's end asks again. */
  ask (asking: Asking): void
  /** One media event from the client. */
  uplink (data: Buffer, binary: boolean): void
  /** The place of an event that was dropped before it came here. */
  skip (): void
  /** The client's end has received so many media events since the session began. */
  ack (received: number): void
  /** What the client says to the app. @param bytes of its JSON */
  message (message: unknown, bytes: number): void
  /** The link is of no more use. */
  end (reason: LeaveReason): void
  /** The link is to end, after what is under way. `forGood`: nobody comes back to this process. */
  retire (reason: LeaveReason, forGood: boolean): void
}

/** The way in, for one connection. */
export interface Door {
  readonly clock: Clock
  readonly log: Logger
  /** Milliseconds for credentials to come. */
  readonly authMs: number
  /** Bytes that may wait here for one client, from which it is not read any more. */
  readonly queueBytes: number
  /** Events that may be unacknowledged, where the client's end is here. */
  readonly windowEvents: number
  /** Of all clients whose end is here. */
  readonly pins: Pins
  /** Milliseconds between two beats. */
  readonly heartbeatMs: number
  /** The subprotocol that was agreed on; empty: none. */
  readonly protocol: string
  /** Set where the client was refused already, and is to hear of it by a close code. */
  readonly refused: Error | null
  /**
   * Who this is. With no token: what was shown with the upgrade.
   * @param isIn whether it was let in before on this connection, and only shows anew who it is
   * @throws Refusal
   */
  admit (token: string | null, isIn?: boolean): Promise<Admitted>
}

/** A client that was let in. */
export interface Admitted {
  /** Whose sessions count together; null: the app does not say. */
  readonly subject: string | null
  /**
   * Makes the peer, or gives it this link, once that is there to hear of it.
   * @throws Refusal this process takes no more, the id is in use, or the session is another's
   */
  enter (link: Link, claim: Claim): Session
  /**
   * The same for a link that has its session already, and has shown anew who it is.
   * @throws Refusal
   */
  renew (session: Session, claim: Claim): void
}

/** A client that keeps no session of its own. */
export const NEW: Claim = { peerId: null, key: '', received: 0, asker: '', turn: 0 }
