import { randomBytes } from 'node:crypto'

/** Where a read frame lies in its bytes; `read` fills it in, so that nothing is allocated for each. */
export interface Found {
  start: number
  end: number
  /** Whether it is an event, and not something of the connection itself. */
  isEvent: boolean
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
  prepare (event: Buffer): PreparedFrame
  /** Whether a whole frame lies at `at`. */
  read (bytes: Buffer, at: number, end: number, found: Found): boolean
}

const TEXT = 0x81
const PING = 0x89
const PONG = 0x8a
const MASKED = 0x80

/** RFC 6455, as much of it as a client of this benchmark needs: whole text messages up to 64 KiB. */
export const webSocket: Framing = {
  opening: [
    'GET /signaling?token=bench HTTP/1.1', 'Host: 127.0.0.1', 'Connection: Upgrade', 'Upgrade: websocket',
    'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`, '', ''
  ].join('\r\n'),

  prepare (event) {
    const start = event.length < 126 ? 6 : 8
    const bytes = Buffer.alloc(start + event.length)
    const mask = randomBytes(4)
    bytes[0] = TEXT
    if (event.length < 126) {
      bytes[1] = MASKED | event.length
    } else {
      bytes[1] = MASKED | 126
      bytes.writeUInt16BE(event.length, 2)
    }
    mask.copy(bytes, start - 4)
    for (let i = 0; i < event.length; i++) bytes[start + i] = event[i]! ^ mask[i & 3]!
    return { bytes, start, mask }
  },

  read (bytes, at, end, found) {
    if (end - at < 2) return false
    const opcode = bytes[at]!
    const short = bytes[at + 1]!
    if (short > 126) throw new Error(`a frame that is masked, or of more than 64 KiB (${short})`)
    if (opcode !== TEXT && opcode !== PING && opcode !== PONG) throw new Error(`an unexpected frame: 0x${opcode.toString(16)}, ${bytes.toString('latin1', at + 2, Math.min(end, at + 127))}`)
    if (short === 126 && end - at < 4) return false
    found.start = at + (short === 126 ? 4 : 2)
    found.end = found.start + (short === 126 ? bytes.readUInt16BE(at + 2) : short)
    found.isEvent = opcode === TEXT
    return found.end <= end
  }
}

/** A length before each event, and nothing else. */
export const lengthPrefixed: Framing = {
  opening: '',

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
    found.isEvent = true
    return found.end <= end
  }
}
