import type { Clock } from '../clock.js'
import { Attempt } from './attempt.js'
import type { AttemptObserver } from './attempt.js'
import { noWebSocket } from './errors.js'
import type { LinkOptions, SocketConstructor } from './options.js'

/**
 * What opens one socket after the other, to where the options say.
 * @throws LinkError TRK_LINK_NO_WEBSOCKET
 * @throws TypeError `url` is none, or a path where there is no page
 */
export function openerOf ({ url, WebSocket, answerMs = 10_000 }: LinkOptions, clock: Clock): (observer: AttemptObserver) => Attempt {
  const page = globalThis as { WebSocket?: SocketConstructor, location?: { href: string } }
  const Socket = WebSocket ?? page.WebSocket
  if (Socket === undefined) throw noWebSocket()
  const address = new URL(url, page.location?.href)
  // Browsers take http and a fragment here since 2023 only.
  address.protocol = address.protocol.replace('http', 'ws')
  address.hash = ''
  return (observer) => new Attempt(Socket, address.href, clock, answerMs, observer)
}
