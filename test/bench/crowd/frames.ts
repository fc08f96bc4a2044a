import { randomBytes } from 'node:crypto'
import { LINK_SUBPROTOCOL } from '../../../lib/session/messages.js'

/** RFC 6455, as much of it as the clients of a crowd need: whole messages up to 64 KiB, both kinds, pings and closes. */

/** A plain client knows of media events only; one with a session speaks `trunkline.link.v1`. */
export type ClientKind = 'plain' | 'session'

export const TEXT = 0x1
export const BINARY = 0x2
export const CLOSE = 0x8
export const PING = 0x9
export const PONG = 0xa

const FINAL = 0x80
const MASKED = 0x80

/** Where a frame lies in its bytes; `readFrame` fills it in, so that nothing is allocated for each. */
export interface Found {
  opcode: number
  start: number
  end: number
}

const KEY = randomBytes(16).toString('base64')

/** What a client of this kind says first. */
export function opening (kind: ClientKind): string {
  return [
    'GET /signaling?token=bench HTTP/1.1', 'Host: 127.0.0.1', 'Connection: Upgrade', 'Upgrade: websocket',
    'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${KEY}`,
    ...(kind === 'session' ? [`Sec-WebSocket-Protocol: ${LINK_SUBPROTOCOL}`] : []), '', ''
  ].join('\r\n')
}

/** A frame from a client. */
export function masked (opcode: number, payload: Uint8Array): Buffer {
  if (payload.length > 0xffff) throw new Error(`a message of ${payload.length} bytes`)
  const start = payload.length < 126 ? 6 : 8
  const bytes = Buffer.allocUnsafe(start + payload.length)
  bytes[0] = FINAL | opcode
  if (payload.length < 126) {
    bytes[1] = MASKED | payload.length
  } else {
    bytes[1] = MASKED | 126
    bytes.writeUInt16BE(payload.length, 2)
  }
  const mask = randomBytes(4)
  mask.copy(bytes, start - 4)
  for (let i = 0; i < payload.length; i++) bytes[start + i] = payload[i]! ^ mask[i & 3]!
  return bytes
}

/**
 * Whether a whole frame from a server lies at `at`.
 * @throws Error it is none that a server of this benchmark would send
 */
export function readFrame (bytes: Buffer, at: number, end: number, found: Found): boolean {
  if (end - at < 2) return false
  const first = bytes[at]!
  const short = bytes[at + 1]!
  if ((first & 0xf0) !== FINAL) throw new Error(`a message in parts: 0x${first.toString(16)}`)
  if (short > 126) throw new Error(`a frame that is masked, or of more than 64 KiB (${short})`)
  if (short === 126 && end - at < 4) return false
  found.opcode = first & 0x0f
  found.start = at + (short === 126 ? 4 : 2)
  found.end = found.start + (short === 126 ? bytes.readUInt16BE(at + 2) : short)
  return found.end <= end
}
