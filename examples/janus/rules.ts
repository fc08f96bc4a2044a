import type { ForwardResult, MediaEvent, Peer } from 'trunkline'

/** What a client of this app may ask of VideoRoom: no rooms are made, nobody is kicked, nothing is recorded. */
const ALLOWED = new Set(['join', 'joinandconfigure', 'publish', 'configure', 'unpublish', 'start', 'pause', 'subscribe', 'unsubscribe', 'update', 'listparticipants', 'leave'])
/** With these, requests that are allowed have VideoRoom write files. */
const RECORDING = ['record', 'filename']

/**
 * A hook `onUplink` that keeps a client to its own room, under its own name. Trunkline itself does not look into media events;
 * this app does, and what it returns is what Janus gets. A request that is not allowed is made one that there is not, so that the
 * client hears of it from Janus, as an error of the plugin.
 */
export function keepToRoom (event: MediaEvent, { id, roomId, metadata }: Peer<{ name: string }>): ForwardResult {
  const message = JSON.parse(event.text()) as { janus?: unknown, body?: Record<string, unknown> }
  const { janus, body } = message
  if (janus !== 'message' || typeof body !== 'object' || body === null) return
  const { request, room, ptype, display } = body
  const isAllowed = ALLOWED.has(String(request)) && (room === undefined || room === roomId) && !RECORDING.some((name) => name in body)
  if (!isAllowed) message.body = { request: 'not allowed here' }
  // Who publishes is known to the others by the id and the name that the backend has given, not by what the client says.
  else if ((request === 'join' || request === 'joinandconfigure') && ptype !== 'subscriber') message.body = { ...body, room: roomId, id, display: metadata.name }
  // Who publishes may take another name at any time.
  else if (display !== undefined) message.body = { ...body, display: metadata.name }
  // Always in our own words: a key that stands there twice would mean one thing here and another one there.
  return JSON.stringify(message)
}
