import { randomBytes } from 'node:crypto'
import { CONTROL, LINK_SUBPROTOCOL, LINK_VERSION, ackMessage, controlMessage } from '../../../lib/session/messages.js'
import type { LinkKind } from '../variants.js'

/** What a frame is to its client. `READY`: from now on events may follow. */
export const EVENT = 0
export const READY = 1
export const OTHER = 2

/** Where a read frame lies in its bytes; `read` fills it in, so that nothing is allocated for each. */
export interface Found {
  start: number
  end: number
  kind: typeof EVENT | typeof READY | typeof OTHER
}

/** An event that is ready to be written; `mask` was laid over its bytes from `start` on. */
export interface PreparedFrame {
  bytes: Buffer
  start: number
  mask: Buffer
}

/** How a client's events are framed on its connection. */
export interface Framing {
  /** The first words of a connection; empty where events follow at once. */
  readonly opening: string
  /** What follows the upgrade; null: events do. */
  greeting (): Buffer | null
  prepare (event: Buffer): PreparedFrame
  /** What is said after so many echoes; null: nothing, ever. */
  ack (received: number): Buffer | null
  /** Whether a whole frame lies at `at`. */
  read (bytes: Buffer, at: number, end: number, found: Found): boolean
}

const TEXT = 0x81
const BINARY = 0x82
const PING = 0x89
const PONG = 0x8a
const MASKED = 0x80

/** RFC 6455, as much of it as a client of this benchmark needs: whole messages up to 64 KiB. */
const plain: Framing = {
  opening: opening([]),
  greeting: () => null,
  prepare: (event) => masked(TEXT, event),
  ack: () => null,

  read (bytes, at, end, found) {
    if (end - at < 2) return false
    const opcode = bytes[at]!
    const short = bytes[at + 1]!
    if (short > 126) throw new Error(`a frame that is masked, or of more than 64 KiB (${short})`)
    if (opcode !== TEXT && opcode !== BINARY && opcode !== PING && opcode !== PONG) throw new Error(`an unexpected frame: 0x${opcode.toString(16)}, ${bytes.toString('latin1', at + 2, Math.min(end, at + 127))}`)
    if (short === 126 && end - at < 4) return false
    found.start = at + (short === 126 ? 4 : 2)
    found.end = found.start + (short === 126 ? bytes.readUInt16BE(at + 2) : short)
    found.kind = opcode === TEXT ? EVENT : OTHER
    return found.end <= end
  }
}

/** With an end of its own: it asks to be let in, and acknowledges as `trunkline/client` does (PROTOCOL.md, "Clients with a session"). */
const session: Framing = {
  ...plain,
  opening: opening([`Sec-WebSocket-Protocol: ${LINK_SUBPROTOCOL}`]),
  greeting: () => masked(BINARY, controlMessage({ type: 'join', id: 1, version: LINK_VERSION, client: randomBytes(16).toString('hex') })).bytes,
  ack: (received) => masked(BINARY, ackMessage(received)).bytes,

  read (bytes, at, end, found) {
    if (!plain.read(bytes, at, end, found)) return false
    if (found.kind === OTHER && bytes[at] === BINARY && bytes[found.start] === CONTROL) {
      const { type } = JSON.parse(bytes.toString('utf8', found.start + 1, found.end)) as { type: string }
      if (type === 'joined') found.kind = READY
      else if (type !== 'ping') throw new Error(`the backend says '${type}'`)
    }
    return true
  }
}

/** A length before each event, and nothing else. */
const bare: Framing = {
  opening: '',
  greeting: () => null,
  ack: () => null,

  prepare (event) {
    const bytes = Buffer.alloc(4 + event.length)
    bytes.writeUInt32BE(event.length)
    event.copy(bytes, 4)
    return { bytes, start: 4, mask: Buffer.alloc(4) }
  },

  read (bytes, at, end, found) {
    if (end - at < 4) return false
    found.start = at + 4
    found.end = found.start + bytes.readUInt32BE(at)
    found.kind = EVENT
    return found.end <= end
  }
}

export const FRAMINGS: Record<LinkKind, Framing> = { plain, session, bare }

/** A client's frame: its bytes are not to be guessed, though they are the same each time. */
export function masked (opcode: number, payload: Uint8Array): PreparedFrame {
  const start = payload.length < 126 ? 6 : 8
  const bytes = Buffer.alloc(start + payload.length)
  const mask = randomBytes(4)
  bytes[0] = opcode
  if (payload.length < 126) {
    bytes[1] = MASKED | payload.length
  } else {
    bytes[1] = MASKED | 126
    bytes.writeUInt16BE(payload.length, 2)
  }
  mask.copy(bytes, start - 4)
  for (let i = 0; i < payload.length; i++) bytes[start + i] = payload[i]! ^ mask[i & 3]!
  return { bytes, start, mask }
}

function opening (headers: string[]): string {
  return [
    'GET /signaling?token=bench HTTP/1.1', 'Host: 127.0.0.1', 'Connection: Upgrade', 'Upgrade: websocket',
    'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`, ...headers, '', ''
  ].join('\r\n')
}
