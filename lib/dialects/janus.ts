import { isUtf8 } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import type { Timer } from '../clock.js'
import { CloseCode, mayReconnect } from '../close-codes.js'
import { JANUS_SUBPROTOCOL, JanusCode } from '../janus-api.js'
import type { JoinAnswer } from '../relay/link.js'
import type { Status } from '../relay/media-server.js'
import type { LeaveReason } from '../relay/peer.js'
import { refusalOf } from '../relay/refusal.js'
import type { ClientSocket } from './client-socket.js'
import type { Admitted, Dialect, Door } from './dialect.js'
import { Estate } from './estate.js'
import { JanusSessions } from './janus-sessions.js'
import type { JanusSession, JanusSessionsOptions, SessionHolder } from './janus-sessions.js'
import { JanusFault, claimedText, createdBy, errorText, noSuchSession, pongText, readFirst, withoutCredentials } from './janus-text.js'
import type { FirstRequest, JanusError } from './janus-text.js'
import type { SocketObserver } from './socket-observer.js'
import { StandIn } from './stand-in.js'
import type { Wire } from './stand-in.js'

/**
 * janus.js, the client of Janus, unchanged from npm (PROTOCOL.md, "Janus clients"): each message is a request, and a media event
 * as it is. Of each link only the first is looked at: it begins a session, or goes on with one.
 */
export function janusDialect (options: JanusSessionsOptions): Dialect {
  const sessions = new JanusSessions(options)
  return {
    name: 'janus',
    route: () => '/janus',
    credentials: () => 'first message',
    // It tells the page nothing of a link that is closed before it has an answer. Of one that is not opened it tries the next server.
    refusesByCode: ([first], { code }) => first === JANUS_SUBPROTOCOL && !mayReconnect(code),
    accept (socket, door) {
      if (door.protocol === JANUS_SUBPROTOCOL) new JanusLink(socket, door, sessions).start()
      else socket.close(CloseCode.protocolError, `the first subprotocol offered must be ${JANUS_SUBPROTOCOL}`)
    },
    stop: () => sessions.stop()
  }
}

type Asked = Exclude<FirstRequest, { verb: 'ping' }>

/** Messages in which the answer to `create` is looked for: the first, unless a hook has put others before it. */
const LOOKED_AT = 8

/** Ends of a claim that mean that there is no such session for this client. */
const GONE = new Set<number>([CloseCode.mediaServerReset, CloseCode.forbidden, CloseCode.replaced, CloseCode.removed])

class JanusLink implements Wire, SocketObserver, SessionHolder {
  readonly #socket: ClientSocket
  readonly #sessions: JanusSessions
  /** Null once the client is in: with it goes the whole request. */
  #door: Door | null
  #state: 'waiting' | 'authenticating' | 'in session' | 'closed' = 'waiting'
  #timer: Timer | null = null
  #standIn: StandIn | null = null
  /** The first request, until it is answered: what ends the link before is the answer. */
  #asked: Asked | null = null
  /** What begins with `create`, as soon as its id is known. */
  #begun: Omit<JanusSession, 'id'> | null = null
  #looked = 0
  #sessionId: number | null = null
  /** Whether nobody comes back for the session. */
  #isLeaving = false

  constructor (socket: ClientSocket, door: Door, sessions: JanusSessions) {
    this.#socket = socket
    this.#door = door
    this.#sessions = sessions
  }

  get isOpen (): boolean {
    return this.#state !== 'closed'
  }

  get bufferedBytes (): number {
    return this.#socket.bufferedBytes
  }

  start (): void {
    const { clock, authMs } = this.#door!
    this.#timer = clock.after(authMs, () => this.close({ code: CloseCode.tryAgainLater, reason: `no session within ${authMs} ms` }))
    this.#socket.boundPreAuth()
    this.#socket.observe(this)
  }

  // From the socket

  message (data: Buffer, binary: boolean): void {
    // Janus takes the one for the other.
    if (binary && !isUtf8(data)) {
      this.ended({ code: CloseCode.invalidText, reason: 'a message that is not UTF-8', cause: 'bad message' })
      return
    }
    switch (this.#state) {
      case 'waiting': this.#first(data); return
      case 'in session': this.#standIn?.uplink(withoutCredentials(data), false); return
      case 'authenticating':
        // The socket is paused: this came in one piece with the first request, which needs an answer first.
        this.close({ code: CloseCode.protocolError, reason: 'a request before the first was answered' })
    }
  }

  retire (reason: LeaveReason, forGood: boolean): void {
    if (forGood) this.#isLeaving = true
    if (this.#standIn === null) this.close(reason)
    else this.#standIn.retire(reason, forGood)
  }

  ended (reason: LeaveReason): void {
    // A page that is left or loaded anew says so too (1001), as does the `close()` of janus.js (1005).
    if (reason.cause === 'client') this.#isLeaving = true
    if (this.#standIn === null) this.close(reason)
    else this.#standIn.ended(reason)
  }

  // From the stand-in

  joined ({ resumeMs }: JoinAnswer): void {
    if (this.#begun !== null) this.#begun.resumeMs = resumeMs
    if (this.#asked?.verb !== 'claim') return
    const { transaction, sessionId } = this.#asked
    this.#asked = null
    this.#socket.send(claimedText(transaction, sessionId), false)
  }

  send (data: Buffer, binary: boolean): void {
    if (this.#asked !== null) this.#look(data, this.#asked.transaction)
    this.#socket.send(data, binary)
  }

  pause (): void {
    this.#socket.pause()
  }

  resume (): void {
    this.#socket.resume()
  }

  close (status: Status): void {
    if (this.#state === 'closed') return
    const { error, code, reason } = this.#translate(status)
    this.#state = 'closed'
    this.#timer?.cancel()
    if (error !== null) this.#socket.send(errorText(error), false)
    this.#socket.close(code, reason)
    if (this.#sessionId === null) return
    if (mayReconnect(code) && code !== CloseCode.mediaServerReset && !this.#isLeaving) this.#sessions.away(this.#sessionId, this)
    else this.#sessions.over(this.#sessionId, this)
  }

  // The first request

  #first (data: Buffer): void {
    let request: FirstRequest
    try {
      request = readFirst(data)
    } catch (error) {
      if (!(error instanceof JanusFault)) throw error
      this.#socket.send(errorText(error.error), false)
      this.close({ code: CloseCode.protocolError, reason: error.error.reason })
      return
    }
    if (request.verb === 'ping') {
      this.#socket.send(pongText(request.transaction), false)
      return
    }
    this.#state = 'authenticating'
    this.#timer?.cancel()
    this.#timer = null
    this.#socket.pause()
    this.#asked = request
    void this.#admit(request, this.#door!)
  }

  async #admit (request: Asked, door: Door): Promise<void> {
    try {
      const admitted = await door.admit(request.token)
      if (this.#state !== 'authenticating') return
      this.#socket.admitted()
      this.#state = 'in session'
      this.#door = null
      if (request.verb === 'create') this.#create(request.event, admitted, door)
      else this.#claim(request.sessionId, admitted, door)
      this.#socket.resume()
    } catch (error) {
      const { code, message } = refusalOf(error)
      this.close({ code, reason: message })
    }
  }

  #create (event: Buffer, admitted: Admitted, door: Door): void {
    const estate = new Estate(door.windowEvents, randomUUID())
    this.#begun = { estate, subject: admitted.subject, resumeMs: 0 }
    this.#enter(estate, admitted, door)
    this.#standIn?.uplink(event, false)
  }

  #claim (id: number, admitted: Admitted, door: Door): void {
    const session = this.#sessions.find(id, admitted.subject)
    if (session === null) {
      this.close({ code: CloseCode.mediaServerReset, reason: 'the session is gone' })
      return
    }
    this.#sessionId = id
    this.#sessions.move(id, this, () => this.#enter(session.estate, admitted, door))
  }

  /** @throws Refusal the estate is as it was */
  #enter (estate: Estate, admitted: Admitted, door: Door): void {
    const standIn = new StandIn(this, door, estate)
    standIn.enter(admitted)
    this.#standIn = standIn
  }

  /** Whether this is the answer to the first request. */
  #look (data: Buffer, transaction: string): void {
    const id = createdBy(data, transaction)
    if (id === undefined && ++this.#looked < LOOKED_AT) return
    this.#asked = null
    if (typeof id === 'number' && this.#begun !== null && this.#begun.resumeMs > 0 && this.#sessions.add({ ...this.#begun, id }, this)) this.#sessionId = id
    this.#begun = null
  }

  /** The same end for a client that goes by the answer to its request, where it still waits for that. */
  #translate ({ code, reason }: Status): Status & { error: JanusError | null } {
    const asked = this.#asked
    if (asked === null) return { error: null, code, reason }
    const { transaction } = asked
    // After it was let in a claim is refused for the sake of the session; which it was need not be known.
    if (asked.verb === 'claim' && this.#state === 'in session' && GONE.has(code)) {
      return { error: noSuchSession(asked.sessionId, transaction), code: code === CloseCode.replaced ? code : CloseCode.mediaServerReset, reason }
    }
    const isUnauthorized = code === CloseCode.notAuthenticated || code === CloseCode.forbidden
    return { error: { code: isUnauthorized ? JanusCode.unauthorized : JanusCode.unknown, reason, transaction }, code, reason }
  }
}
