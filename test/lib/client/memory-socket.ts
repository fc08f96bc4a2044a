import type { LinkOptions, SocketLike } from '../../../lib/client/index.js'
import { LINK_SUBPROTOCOL, controlMessage } from '../../../lib/session/messages.js'
import type { BackendControl, Joined } from '../../../lib/session/messages.js'
import { ManualClock } from '../../../lib/testing/index.js'
import { FakeNetwork, TestLink, answerTo, readSaid } from './support.js'
import type { Join, Said, Teardown } from './support.js'

/** A socket with no network behind it: both sides of it are the test's, and everything happens at once. As strict as a page's. */
export class MemorySocket implements SocketLike {
  binaryType = 'blob'
  readyState = 0
  protocol = ''
  onopen: SocketLike['onopen'] = null
  onmessage: SocketLike['onmessage'] = null
  onclose: SocketLike['onclose'] = null
  onerror: SocketLike['onerror'] = null
  readonly url: string
  readonly protocols: string[]
  readonly said: Said[] = []
  /** With what the client has closed it. */
  closedWith: { code: number | undefined, reason: string } | null = null
  /** Told of each message of the client. */
  hears: (said: Said) => void = () => {}

  constructor (url: string, protocols: string[]) {
    this.url = url
    this.protocols = protocols
  }

  send (data: string | Uint8Array): void {
    if (this.readyState === 0) throw new Error('InvalidStateError')
    if (this.readyState !== 1) return
    const said = readSaid(data)
    this.said.push(said)
    this.hears(said)
  }

  close (code?: number, reason = ''): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) throw new Error('InvalidAccessError')
    if (new TextEncoder().encode(reason).length > 123) throw new Error('SyntaxError')
    if (this.readyState > 1) return
    this.readyState = 2
    this.closedWith = { code, reason }
  }

  opens (protocol = LINK_SUBPROTOCOL): void {
    this.readyState = 1
    this.protocol = protocol
    this.onopen?.({})
  }

  /** Something of the backend arrives: also after the client has closed, as with any socket until the other side agrees. */
  brings (data: string | Uint8Array): void {
    this.onmessage?.({ data: typeof data === 'string' ? data : new Uint8Array(data).buffer })
  }

  control (control: BackendControl | { type: string }): void {
    this.brings(controlMessage(control as BackendControl))
  }

  closes (code: number, reason = ''): void {
    this.readyState = 3
    this.onerror?.({})
    this.onclose?.({ code, reason })
  }
}

/** Sockets in the order in which a link has opened them. */
export function memorySockets (opened: (socket: MemorySocket) => void = () => {}): { sockets: MemorySocket[], WebSocket: new (url: string, protocols: string[]) => MemorySocket } {
  const sockets: MemorySocket[] = []
  class Opened extends MemorySocket {
    constructor (url: string, protocols: string[]) {
      super(url, protocols)
      sockets.push(this)
      opened(this)
    }
  }
  return { sockets, WebSocket: Opened }
}

/** A link whose sockets, time and network are the test's. */
export function memoryLink (t: Teardown, options: Partial<LinkOptions> = {}): { link: TestLink, sockets: MemorySocket[], clock: ManualClock, network: FakeNetwork } {
  const { sockets, WebSocket } = memorySockets()
  const clock = new ManualClock()
  const network = new FakeNetwork()
  const link = new TestLink({ url: 'ws://backend/signaling', WebSocket, clock, network, reconnect: { delayMs: () => 100 }, ...options })
  t.teardown(() => link.destroy())
  return { link, sockets, clock, network }
}

/** The last thing that was asked on this socket. */
export function asked (socket: MemorySocket | undefined): Join {
  const join = socket?.said.findLast(({ type }) => type === 'join')
  if (join === undefined) throw new Error('nothing was asked')
  return join as Join
}

/** Answers what was asked last, on a socket that opens if it is not open yet. */
export function admit (socket: MemorySocket | undefined, given: Partial<Joined> = {}): Join {
  if (socket?.readyState === 0) socket.opens()
  const join = asked(socket)
  socket!.control(answerTo(join, given))
  socket!.said.length = 0
  return join
}

/** As `memoryLink`, joined, on the first of its sockets. */
export function joinedMemoryLink (t: Teardown, options: Partial<LinkOptions> = {}, given: Partial<Joined> = {}): ReturnType<typeof memoryLink> & { socket: MemorySocket } {
  const made = memoryLink(t, options)
  made.link.join()
  const socket = made.sockets[0]!
  admit(socket, given)
  made.link.told.takeAll()
  return { ...made, socket }
}

/** Lets promises settle, which no clock moves. */
export const settled = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve))
