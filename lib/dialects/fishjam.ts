import { isUtf8 } from 'node:buffer'
import type { Timer } from '../clock.js'
import { CloseCode, mayReconnect } from '../close-codes.js'
import { MalformedError } from '../errors.js'
import { BYTES, Reader, Writer } from '../protobuf.js'
import type { Status } from '../relay/media-server.js'
import { EXPIRED, refusalOf } from '../relay/refusal.js'
import type { ClientSocket } from './client-socket.js'
import type { Dialect, Door } from './dialect.js'
import { StandIn } from './stand-in.js'
import type { Wire } from './stand-in.js'

/** What these clients append to the URL that they are given. */
const ROUTE = '/socket/peer/websocket'

/**
 * Clients of the Jellyfish and Fishjam family, unchanged from npm (PROTOCOL.md, "Fishjam clients"): binary protobuf
 * envelopes, the token in the first one, and close reasons that they know by heart.
 */
export const fishjamDialect: Dialect = {
  name: 'fishjam',
  route: () => ROUTE,
  base: (route) => route.endsWith(ROUTE) ? route.slice(0, -ROUTE.length) : route,
  credentials: () => 'first message',
  refusesByCode: () => false,
  accept (socket, door) {
    const link = new FishjamLink(socket, door)
    link.start()
  }
}

/** Fields of the envelope. The older clients carry JSON text in `mediaEvent`, the newer ones protobuf in the other two. */
const AUTHENTICATED = 1
const AUTH_REQUEST = 2
const MEDIA_EVENT = 3
const PEER_MEDIA_EVENT = 5
const SERVER_MEDIA_EVENT = 6

const TOKEN = 1
const DATA = 1

/** Every version of these clients stops at this reason. */
const STOP = 'peer not found'

/** Reasons that these clients match by a part of the text, and so take for a refusal whatever the code is. */
const REFUSALS = /token|not found|peers limit|sdk version/i

class FishjamLink implements Wire {
  readonly #socket: ClientSocket
  readonly #door: Door
  #state: 'unauthenticated' | 'authenticating' | 'in session' | 'closed' = 'unauthenticated'
  readonly #standIn: StandIn
  #timer: Timer | null = null

  constructor (socket: ClientSocket, door: Door) {
    this.#socket = socket
    this.#door = door
    this.#standIn = new StandIn(this, door)
  }

  start (): void {
    this.#timer = this.#door.clock.after(this.#door.authMs, () => this.close({ code: CloseCode.joinTimeout, reason: 'unauthenticated' }))
    this.#socket.boundPreAuth()
    this.#socket.observe({
      message: (data, binary) => this.#message(data, binary),
      ended: (reason) => {
        this.#timer?.cancel()
        this.#standIn.ended(reason)
      },
      retire: (reason, forGood) => this.#standIn.retire(reason, forGood)
    })
  }

  get bufferedBytes (): number {
    return this.#socket.bufferedBytes
  }

  joined (): void {
    this.#socket.send(new Writer().bytes(AUTHENTICATED, Buffer.alloc(0)).finish(), true)
  }

  send (data: Buffer, binary: boolean): void {
    const envelope = binary
      ? new Writer().bytes(SERVER_MEDIA_EVENT, data)
      : new Writer().bytes(MEDIA_EVENT, new Writer().bytes(DATA, data).finish())
    this.#socket.send(envelope.finish(), true)
  }

  pause (): void {
    this.#socket.pause()
  }

  resume (): void {
    this.#socket.resume()
  }

  close (status: Status): void {
    this.#state = 'closed'
    this.#timer?.cancel()
    const { code, reason } = translate(status)
    this.#socket.close(code, reason)
  }

  #message (data: Buffer, binary: boolean): void {
    switch (this.#state) {
      case 'unauthenticated': this.#authenticate(data, binary); return
      case 'in session': this.#forward(data, binary); return
      case 'authenticating':
        // The socket is paused: this came in one piece with the auth request, which these clients never do.
        this.close({ code: CloseCode.notAuthenticated, reason: 'unauthenticated' })
    }
  }

  #authenticate (data: Buffer, binary: boolean): void {
    const token = binary ? tokenIn(data) : null
    if (token === null || token === '') {
      this.close({ code: CloseCode.notAuthenticated, reason: token === null ? 'unauthenticated' : 'missing token' })
      return
    }
    this.#state = 'authenticating'
    this.#timer?.cancel()
    this.#socket.pause()
    this.#timer = null
    void this.#enter(token)
  }

  async #enter (token: string): Promise<void> {
    try {
      const admitted = await this.#door.admit(token)
      if (this.#state !== 'authenticating') return
      this.#socket.admitted()
      this.#state = 'in session'
      this.#standIn.enter(admitted)
      this.#socket.resume()
    } catch (error) {
      const { code, message } = refusalOf(error)
      this.close({ code, reason: message })
    }
  }

  #forward (data: Buffer, binary: boolean): void {
    if (!binary) {
      this.#door.log.debug({}, 'a text message of a fishjam client is ignored')
      return
    }
    let event: { data: Buffer, binary: boolean } | null
    try {
      event = eventIn(data)
    } catch (error) {
      this.#door.log.warn({ err: error }, 'a fishjam client sent a message that is no PeerMessage')
      this.#standIn.ended({ code: CloseCode.protocolError, reason: 'malformed message', cause: 'bad message' })
      return
    }
    // Statistics, and whatever newer clients may say: nothing that the media server waits for.
    if (event !== null) this.#standIn.uplink(event.data, event.binary)
  }
}

/** The token of an auth request; null when the message is none. */
function tokenIn (message: Buffer): string | null {
  try {
    const envelope = new Reader(message)
    while (envelope.next()) {
      if (envelope.field !== AUTH_REQUEST || envelope.wireType !== BYTES) {
        envelope.skip()
        continue
      }
      const request = envelope.message()
      let token = ''
      while (request.next()) {
        if (request.field === TOKEN && request.wireType === BYTES) token = request.string()
        else request.skip()
      }
      return token
    }
  } catch {
    // Whoever cannot be understood is not authenticated, and is told just that.
  }
  return null
}

/** The media event in a message; null when it carries something else. */
function eventIn (message: Buffer): { data: Buffer, binary: boolean } | null {
  const envelope = new Reader(message)
  let event: { data: Buffer, binary: boolean } | null = null
  while (envelope.next()) {
    if (envelope.field === PEER_MEDIA_EVENT && envelope.wireType === BYTES) {
      event = { data: envelope.bytes(), binary: true }
    } else if (envelope.field === MEDIA_EVENT && envelope.wireType === BYTES) {
      event = { data: textIn(envelope.message()), binary: false }
    } else {
      envelope.skip()
    }
  }
  return event
}

function textIn (reader: Reader): Buffer {
  let text: Buffer = Buffer.alloc(0)
  while (reader.next()) {
    if (reader.field === DATA && reader.wireType === BYTES) text = reader.bytes()
    else reader.skip()
  }
  if (!isUtf8(text)) throw new MalformedError('a media event that is not UTF-8')
  return text
}

/** The same end in words that these clients act upon: they go by the reason, and take no notice of the code. */
function translate ({ code, reason }: Status): Status {
  if (mayReconnect(code)) return { code, reason: REFUSALS.test(reason) ? 'try again' : reason }
  switch (code) {
    case CloseCode.notAuthenticated:
      return { code: CloseCode.normal, reason: reason === EXPIRED || reason === 'missing token' || reason === 'unauthenticated' ? reason : 'invalid token' }
    case CloseCode.joinTimeout: return { code: CloseCode.normal, reason: 'unauthenticated' }
    case CloseCode.noSuchRoom: return { code: CloseCode.normal, reason: 'room not found' }
    default: return { code: CloseCode.normal, reason: STOP }
  }
}
