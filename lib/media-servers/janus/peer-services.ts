import type { JanusMessage } from './messages.js'
import type { JanusPeer } from './peer.js'
import type { Requests } from './requests.js'

export interface JanusPeerOptions {
  /** Plugins that a client may attach to. */
  plugins: string[]
  /** Handles of one peer at most. */
  handles: number
  /** Bytes of one request at most. */
  messageBytes: number
  /** Characters of the body of a message at most. */
  bodyLength: number
  /** Bytes of one peer that may wait. */
  queueBytes: number
  /** Bytes of all peers that may wait for the trunk: beyond, nobody may say anything. */
  hardBytes: number
}

/** What the peers share. */
export interface JanusPeerServices {
  readonly options: JanusPeerOptions
  readonly requests: Requests
  /** The peer has a session from now on: what comes with this id is for it. */
  began (peer: JanusPeer, sessionId: number): void
  /** It has none any more, or never had one. */
  ended (peer: JanusPeer, sessionId: number | null): void
  /** Lets Janus hear of a session for which nothing is asked. */
  keepAlive (peer: JanusPeer, sessionId: number): void
  /** What Janus says on its own, or in an event that answers. */
  heard (peer: JanusPeer, message: JanusMessage): void
  now (): number
}
