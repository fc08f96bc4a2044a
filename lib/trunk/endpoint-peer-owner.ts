import type { Clock } from '../clock.js'
import type { Pins } from '../pins.js'
import type { EndLimits } from '../session/end.js'
import type { Recording } from './schema.js'

/** What a peer of the endpoint (`endpoint-peer.ts`) is given, and what it tells. */

export interface EndpointPeerEvents {
  /** One media event from the client, as the backend's hooks left it. The bytes are a view: copy them to keep them. */
  mediaEvent: [data: Buffer, binary: boolean]
  /** The client's link, or the trunk, is lost. What is sent now waits; `attach` or `close` follows within the window. */
  detach: []
  /** The client is back. Nothing was lost. */
  attach: []
  /** What `send` said had to wait is on its way. */
  drain: []
  /** The peer is over, for whatever reason; emitted exactly once. */
  close: [status: { code: number, reason: string }]
}

/** What of an asking is kept with the session that it got. */
export interface Asked {
  key: string
  asker: string
  turn: number
}

export interface EndpointPeerIdentity<Metadata> {
  id: string
  roomId: string
  metadata: Metadata
  key: string
  /** With what it was asked for. */
  asked: Asked
}

export interface SessionOptions {
  /** How long a detached session is held, in milliseconds; 0: there are none. */
  windowMs: number
  /** Bytes that may be unacknowledged in each direction. */
  windowBytes: number
  limits: EndLimits
}

/** What a peer needs of its endpoint. */
export interface EndpointPeerOwner {
  readonly clock: Clock
  readonly session: SessionOptions
  /** Of all peers. */
  readonly pins: Pins
  /** Recordings of its room, as they stand. */
  recordings (): Recording[]
  /** The peer is over. */
  gone (): void
  /** So many bytes are kept from now on. */
  received (bytes: number): void
  /** A listener of the app threw. */
  failed (error: unknown): void
}
