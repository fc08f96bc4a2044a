/**
 * What a client in a browser wants to know, without any import: `trunkline/client`. A plain client needs no more than a
 * WebSocket: when it is closed, `mayReconnect(code)` tells whether to come back, and `fullJitter` when.
 */
export { fullJitter } from '../backoff.js'
export type { RetryPolicy } from '../backoff.js'
export { CloseCode, mayReconnect } from '../close-codes.js'
