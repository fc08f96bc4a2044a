/**
 * Every close code that a client can see, in one table.
 *
 * The range carries the advice, so that a client needs no list (PROTOCOL.md, "Close codes"): 1001, 1005, 1006, 1012,
 * 1013 and 4000 to 4399 come back, with backoff and jitter; everything else does not.
 *
 * This file has no import on purpose: browsers load it too.
 */
export const CloseCode = {
  /** The client is done, or was told so. */
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  /** A text message that is not UTF-8. */
  invalidText: 1007,
  messageTooBig: 1009,
  /** A hook threw, or the media server spoke nonsense for this peer. */
  internalError: 1011,
  /** This process is closing: another one, or its successor, takes over. */
  restart: 1012,
  /** Too much at once, or somebody was too slow to answer: later it may work. */
  tryAgainLater: 1013,
  /** The trunk was lost for longer than `trunkDownMs`. */
  trunkLost: 4000,
  /** The media server has forgotten the session, and this client cannot be told so without a new one. */
  mediaServerReset: 4001,
  /** Said by a client: it lets go of this link, and comes back on another. */
  relinking: 4005,
  /** The client reads more slowly than it is written to. */
  tooSlow: 4008,
  notAuthenticated: 4401,
  forbidden: 4403,
  noSuchRoom: 4404,
  /** No credentials in time. */
  joinTimeout: 4408,
  /** A newer link of the same peer took over. */
  replaced: 4409,
  /** Removed by the app or by the media server. */
  removed: 4410,
  tooManyMessages: 4429
} as const

/** A close code that this package itself sends. */
export type CloseCode = typeof CloseCode[keyof typeof CloseCode]

const comesBack = new Set([1001, 1005, 1006, 1012, 1013])

/** Whether a client that was closed with `code` should connect again (with backoff and jitter). */
export function mayReconnect (code: number): boolean {
  return comesBack.has(code) || (code >= 4000 && code <= 4399)
}

/** Whether a WebSocket endpoint may put `code` into a close frame (RFC 6455, 7.4: 1005, 1006 and 1015 may not be sent). */
export function isSendable (code: number): boolean {
  return Number.isInteger(code) && ((code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999))
}

const encoder = new TextEncoder()

/** `reason`, cut at a character so that it fits the 123 bytes that a close frame has for it (RFC 6455, 5.5). */
export function fitReason (reason: string): string {
  if (encoder.encode(reason).length <= 123) return reason
  let fitting = ''
  let bytes = 0
  for (const character of reason) {
    bytes += encoder.encode(character).length
    if (bytes > 120) break
    fitting += character
  }
  return fitting + '...'
}
