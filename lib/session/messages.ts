/**
 * The messages of the client link `trunkline.link.v1`, for both of its sides (PROTOCOL.md, "Clients with a session"). A text
 * message is a media event; a binary one begins with one of these bytes. No import, and nothing of Node: browsers load it.
 */

export const LINK_SUBPROTOCOL = 'trunkline.link.v1'
export const LINK_VERSION = 1

export const CONTROL = 0x00
export const BINARY_EVENT = 0x01
export const ACK = 0x02
export const SKIP = 0x03

/** The session that a client asks to go on with. */
export interface ResumeRequest {
  peerId: string
  /** A secret that `joined` has brought. */
  key: string
  /** Media events that the client has taken in since the session began. */
  received: number
}

/**
 * What a client says. `id` grows with each `join`, and `client` names it among all, so that of two joins which overtake each
 * other on two links the later one counts.
 */
export type ClientControl =
  | { type: 'join', id: number, version: number, client?: string, token?: string, resume?: ResumeRequest }
  | { type: 'leave' }
  /** To the app, as `message` to the client: at most once, and of no more than `MESSAGE_BYTES` of JSON. */
  | { type: 'message', message: unknown }

/** What a client is told of a recording: no more than what its light needs. */
export interface RecordingState {
  recordingId: string
  status: 'active' | 'finished' | 'available' | 'failed'
  /** Grows with each change. */
  revision: number
  /** Milliseconds since 1970; null: not known. */
  startedAt: number | null
}

export interface Joined {
  type: 'joined'
  /** That of the `join` which it answers. */
  id: number
  peerId: string
  roomId: string
  key: string
  /** Whether the session goes on that was asked for; else both ends count from 0. */
  resumed: boolean
  /** Media events that the media server has taken in since the session began. */
  received: number
  /** Bytes that may be unacknowledged in each direction; 0: nothing is acknowledged. */
  windowBytes: number
  /** Between two `ping`. Silence of two means that the link is dead. */
  heartbeatMs: number
  /** For how long a session outlives its link. 0: it does not. */
  resumeWindowMs: number
  /** Of the room, as they stand; null: not known now. */
  recordings: RecordingState[] | null
}

/** What the backend says. */
export type BackendControl =
  | Joined
  /** Ask again, on this link: the trunk was lost and is back, or the token is about to expire. */
  | { type: 'rejoin', reason: 'trunk' | 'token' }
  | { type: 'ping' }
  /** Nothing that is sent now arrives; `rejoin` follows when it does again. */
  | { type: 'trunk', state: 'down' }
  /** Those of the room, as they stand from now on; null: not known now. */
  | { type: 'recordings', recordings: RecordingState[] | null }
  /** From the app. */
  | { type: 'message', message: unknown }
  /** The link is closed soon, or the client is not let in now: come back, and not before so many milliseconds have passed. */
  | { type: 'draining', afterMs: number }

/** The longest that `draining` may keep a client away, in milliseconds: what is more counts as this. */
export const LONGEST_AWAY_MS = 5 * 60_000

/** Bytes of what app and client may say to each other at most, as JSON. */
export const MESSAGE_BYTES = 64 * 1024

/** Bytes of a message which carries as much, and of what stands around it. */
export const MESSAGE_CONTROL_BYTES = MESSAGE_BYTES + 30

/** What a binary message carries. */
export type LinkMessage =
  | { kind: typeof CONTROL, control: unknown }
  | { kind: typeof BINARY_EVENT, data: Uint8Array }
  | { kind: typeof ACK, received: number }
  | { kind: typeof SKIP }

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

export function controlMessage (control: ClientControl | BackendControl): Uint8Array {
  return prefixed(CONTROL, encoder.encode(JSON.stringify(control)))
}

/** @param json what the app, or the client, says */
export function appMessage (json: string): Uint8Array {
  return prefixed(CONTROL, encoder.encode(`{"type":"message","message":${json}}`))
}

export function binaryEventMessage (data: Uint8Array): Uint8Array {
  return prefixed(BINARY_EVENT, data)
}

/** @param received 0 to 2^53 - 1 */
export function ackMessage (received: number): Uint8Array {
  const bytes = [ACK]
  let rest = received
  // Not by shifts, which see 32 bits.
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push(rest % 128 + 128)
  bytes.push(rest)
  return new Uint8Array(bytes)
}

export const skipMessage = (): Uint8Array => new Uint8Array([SKIP])

/**
 * Reads a binary message; null: of a kind that is not known, and to be passed over.
 * @throws Error one that breaks the protocol
 */
export function readMessage (message: Uint8Array): LinkMessage | null {
  const body = message.subarray(1)
  switch (message[0]) {
    case CONTROL: return { kind: CONTROL, control: JSON.parse(decoder.decode(body)) as unknown }
    case BINARY_EVENT: return { kind: BINARY_EVENT, data: body }
    case ACK: return { kind: ACK, received: readVarint(body) }
    case SKIP:
      if (body.length > 0) throw new Error('a skip with more in it')
      return { kind: SKIP }
    case undefined: throw new Error('an empty binary message')
    default: return null
  }
}

function readVarint (bytes: Uint8Array): number {
  let value = 0
  for (let i = 0; i < bytes.length; i++) {
    value += (bytes[i]! & 127) * 128 ** i
    if (bytes[i]! < 128) {
      if (i !== bytes.length - 1) break
      // In more bytes than it takes.
      if (i > 0 && bytes[i] === 0) break
      if (!Number.isSafeInteger(value)) break
      return value
    }
  }
  throw new Error('a number that is none')
}

function prefixed (kind: number, body: Uint8Array): Uint8Array {
  const message = new Uint8Array(body.length + 1)
  message[0] = kind
  message.set(body, 1)
  return message
}
