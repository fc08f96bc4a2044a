/**
 * The frames of the trunk, once: field names, numbers and types, from which both encodings follow (`frames.ts` is
 * protobuf, `json-frames.ts` JSON). PROTOCOL.md, "The trunk", is the same table in prose; a test holds them together.
 */

export const SUBPROTOCOL = 'trunkline.v1'
export const SUBPROTOCOL_JSON = 'trunkline.v1.json'
export const VERSION = 1

/** Frames in one batch at most: what a hostile batch can make its reader allocate ends here. */
export const MAX_BATCH_FRAMES = 65_536

export interface Status { code: number, reason: string, id: number }
export interface Leave { key: string, code: number, reason: string }
export interface Hello { version: number, backendId: string, maxMessageBytes: number, windowBytes: number }
export interface Welcome { version: number, serverId: string, maxMessageBytes: number, heartbeatMs: number, resumeWindowMs: number, windowBytes: number }
export interface Open {
  /** The asking's number: only the answer that carries it back counts. */
  id: number
  roomId: string
  /** JSON text. */
  metadata: string
  /** Of the session to continue; empty: a new one. */
  key: string
  received: number
  /** W3C trace context, `traceparent`; empty: none. */
  trace: string
  /** Names the client's end among all; empty: it does not say. */
  asker: string
  /** Grows with each asking of that end: of two the larger counts, whichever arrives first. */
  turn: number
  /** Refuse it (4001) rather than make a new session. */
  resumeOnly: boolean
}
export interface Recording {
  recordingId: string
  roomId: string
  /** `active`, `finished`, `available` or `failed`. */
  status: string
  revision: number
  startedAtMs: number
  file: string
  durationMs: number
  error: string
}
export interface Opened {
  id: number
  key: string
  resumed: boolean
  received: number
  windowBytes: number
  recordings: Recording[]
}
export interface Notification {
  id: string
  roomId: string
  peerId: string
  type: string
  /** JSON text. */
  payload: string
  atMs: number
  recording: Recording | null
}

/** What a frame can carry. */
export interface Bodies {
  text: Buffer
  binary: Buffer
  skip: null
  ack: number
  open: Open
  opened: Opened
  refused: Status
  detach: null
  close: Status
  notification: Notification
  done: string
  credit: number
  hello: Hello
  welcome: Welcome
  error: Status
  leave: Leave
}

export type Kind = keyof Bodies

/** One frame. `peerId` is empty on frames about the trunk itself; `epoch` is 0 where none is known yet. */
export type Frame = { [K in Kind]: { peerId: string, epoch: number, kind: K, body: Bodies[K] } }[Kind]

/** A frame of the trunk itself, or about one attachment of a peer. */
export function frame<K extends Kind> (kind: K, body: Bodies[K], peerId = '', epoch = 0): Frame {
  // The union is distributive: TypeScript cannot see that a kind and its own body always make a member of it.
  return { peerId, epoch, kind, body } as Frame
}

export type Scalar = 'string' | 'uint' | 'bool'

/** A field of a body: its number in protobuf and its type. `nested` is a message, `repeated` a list of them. */
export interface Field {
  number: number
  type: Scalar | 'nested' | 'repeated'
  message?: Message
}

/** The fields of a message, by name. */
export type Message = Record<string, Field>

const string = (number: number): Field => ({ number, type: 'string' })
const uint = (number: number): Field => ({ number, type: 'uint' })
const bool = (number: number): Field => ({ number, type: 'bool' })

const status: Message = { code: uint(1), reason: string(2), id: uint(3) } satisfies Record<keyof Status, Field>
const empty: Message = {}
const recording: Message = {
  recordingId: string(1),
  roomId: string(2),
  status: string(3),
  revision: uint(4),
  startedAtMs: uint(5),
  file: string(6),
  durationMs: uint(7),
  error: string(8)
} satisfies Record<keyof Recording, Field>

/** How each kind is written: a bare value, or a message with these fields. */
export const KINDS: Record<Kind, { number: number, value: 'bytes' | 'string' | 'uint' | Message }> = {
  text: { number: 3, value: 'bytes' },
  binary: { number: 4, value: 'bytes' },
  skip: { number: 5, value: empty },
  ack: { number: 6, value: 'uint' },
  open: {
    number: 7,
    value: {
      roomId: string(1), metadata: string(2), key: string(3), received: uint(4), trace: string(5), id: uint(6), asker: string(7), turn: uint(8), resumeOnly: bool(9)
    } satisfies Record<keyof Open, Field>
  },
  opened: {
    number: 8,
    value: {
      key: string(1),
      resumed: bool(2),
      received: uint(3),
      windowBytes: uint(4),
      recordings: { number: 5, type: 'repeated', message: recording },
      id: uint(6)
    } satisfies Record<keyof Opened, Field>
  },
  refused: { number: 9, value: status },
  detach: { number: 10, value: empty },
  close: { number: 11, value: status },
  notification: {
    number: 12,
    value: {
      id: string(1),
      roomId: string(2),
      peerId: string(3),
      type: string(4),
      payload: string(5),
      atMs: uint(6),
      recording: { number: 7, type: 'nested', message: recording }
    } satisfies Record<keyof Notification, Field>
  },
  done: { number: 13, value: 'string' },
  credit: { number: 14, value: 'uint' },
  hello: {
    number: 15,
    value: { version: uint(1), backendId: string(2), maxMessageBytes: uint(3), windowBytes: uint(4) } satisfies Record<keyof Hello, Field>
  },
  welcome: {
    number: 16,
    value: {
      version: uint(1), serverId: string(2), maxMessageBytes: uint(3), heartbeatMs: uint(4), resumeWindowMs: uint(5), windowBytes: uint(6)
    } satisfies Record<keyof Welcome, Field>
  },
  error: { number: 17, value: status },
  leave: { number: 18, value: { key: string(1), code: uint(2), reason: string(3) } satisfies Record<keyof Leave, Field> }
}

/** Names the wire, as JSON and PROTOCOL.md spell it: `room_id` for `roomId`. */
export function wireName (name: string): string {
  return name.replace(/[A-Z]/g, (letter) => '_' + letter.toLowerCase())
}
