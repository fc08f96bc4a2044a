/** What both sides of the backend know of the Janus API, https://janus.conf.meetecho.com/docs/rest.html: its clients', and its own. */

/** Of its WebSockets. Without it Janus closes a connection without a word. */
export const JANUS_SUBPROTOCOL = 'janus-protocol'

/** Errors of the Janus API (`apierror.h`), those that are read or said here. */
export const JanusCode = {
  unauthorized: 403,
  unauthorizedPlugin: 405,
  unknownRequest: 453,
  invalidJson: 454,
  notAnObject: 455,
  missingElement: 456,
  noSuchSession: 458,
  noSuchHandle: 459,
  noSuchPlugin: 460,
  invalidElement: 467,
  sessionConflict: 468,
  unknown: 490
} as const

export function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The ids of Janus are random integers of 53 bits. */
export function isId (value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0
}
