import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { logThrown } from '../logger.js'
import type { Logger } from '../logger.js'
import { sameSecret } from '../secrets.js'
import { codecs } from './channel.js'

/** Who may open a trunk to a media server: judged before the upgrade, and refused with an HTTP status. */

export const UNAVAILABLE = '503 Service Unavailable'

/** How long a refusal may take to leave, in milliseconds. */
const REFUSED_MS = 1_000

/** The status with which to refuse; null: let it in. Never rejects. */
export async function judge ({ headers }: IncomingMessage, token: string | ((token: string) => boolean | Promise<boolean>), log: Logger): Promise<string | null> {
  const { authorization = '', 'sec-websocket-protocol': offered = '' } = headers
  const shown = /^Bearer /i.test(authorization) ? authorization.slice('Bearer '.length).trim() : ''
  try {
    const allowed = typeof token === 'function' ? await token(shown) : sameSecret(shown, token)
    if (!allowed) return '401 Unauthorized'
  } catch (error) {
    logThrown(log, error, 'the token of a backend could not be judged')
    return UNAVAILABLE
  }
  // Before the upgrade, since nobody would hear of a socket that speaks nothing.
  return offered.split(',').some((name) => codecs.has(name.trim())) ? null : '400 Bad Request'
}

/** Answers an upgrade with a status, and lets go of the socket. */
export function refuse (socket: Duplex, status: string): void {
  if (socket.destroyed) return
  // It may be half open for as long as the other side likes otherwise, and hold up the server's closing.
  const cut = setTimeout(() => socket.destroy(), REFUSED_MS)
  socket.once('close', () => clearTimeout(cut))
  socket.once('finish', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}
