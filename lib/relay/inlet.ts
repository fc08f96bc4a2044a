/**
 * Where a media server comes to the backend by itself: a WebSocket that it opens, and on which it alone speaks. What it says there
 * is about peers and rooms as on the trunk, but it has no other way to say it.
 */
export interface Inlet {
  /** Its route. */
  readonly path: string
  readonly subprotocol: string
  /** Bytes of one message at most; beyond, the connection is closed with 1009. */
  readonly messageBytes: number
  /** Connections at once at most. */
  readonly connections: number
  /** Whether whoever shows this may speak here. */
  admits (key: string): boolean
  /** @param flow how to let it wait: whoever speaks is not read until `resume` */
  message (text: string, flow: Flow): void
  /** The connection is gone. */
  closed (flow: Flow): void
}

/** Of one connection. */
export interface Flow {
  pause (): void
  resume (): void
}
