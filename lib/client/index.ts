/**
 * For browsers, and for Node with the WebSocket of `ws`; nothing of Node is imported: `trunkline/client`. `Link` is a client
 * whose session outlives its sockets. A plain client needs no more than a WebSocket: when it is closed, `mayReconnect(code)`
 * tells whether to come back, and `fullJitter` when.
 */
export { fullJitter } from '../backoff.js'
export type { RetryPolicy } from '../backoff.js'
export type { Clock, Timer } from '../clock.js'
export { CloseCode, mayReconnect } from '../close-codes.js'
export type { EndLimits } from '../session/end.js'
export { LinkError } from './errors.js'
export type { LinkErrorCode } from './errors.js'
export { Link } from './link.js'
export type { RecordingState } from '../session/messages.js'
export type { RecordingLight } from './recording-light.js'
export type { LinkEvents, LinkOptions, LinkState, Network, OwnBytes, ReconnectPolicy, SocketConstructor, SocketLike } from './options.js'
