import Type from 'typebox'
import type { Static } from 'typebox'
import Value from 'typebox/value'
import type { Timer } from '../clock.js'
import { CloseCode, mayReconnect } from '../close-codes.js'
import { isId } from '../ids.js'
import type { Claim, JoinAnswer, Link } from '../relay/link.js'
import type { Status } from '../relay/media-server.js'
import type { LeaveCause, LeaveReason } from '../relay/peer.js'
import type { RoomRecordings } from '../relay/recordings.js'
import { refusalOf } from '../relay/refusal.js'
import type { Refusal } from '../relay/refusal.js'
import { ACK, BINARY_EVENT, CONTROL, LINK_VERSION, MESSAGE_BYTES, MESSAGE_CONTROL_BYTES, SKIP, ackMessage, appMessage, binaryEventMessage, controlMessage, readMessage, skipMessage } from '../session/messages.js'
import type { BackendControl } from '../session/messages.js'
import type { ClientSocket } from './client-socket.js'
import { NEW } from './dialect.js'
import type { Admitted, Door, Session } from './dialect.js'
import { recordingsMessage, statesOf } from './recording-states.js'
import type { SocketObserver } from './socket-observer.js'

const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

const Join = Type.Object({
  type: Type.Literal('join'),
  id: count,
  version: count,
  client: Type.Optional(Type.String()),
  token: Type.Optional(Type.String()),
  resume: Type.Optional(Type.Object({
    peerId: Type.String(),
    key: Type.String(),
    received: count
  }))
})

/** A message that breaks the protocol: the reason is for the client. */
class Breach extends Error {}

/**
 * A client that keeps its end of the session (PROTOCOL.md, "Clients with a session"): here its messages are only told
 * apart. What it loses with its link it asks for again on the next one.
 */
export class SessionLink implements Link, SocketObserver {
  readonly resumes = true
  readonly endIsHere = false
  readonly #socket: ClientSocket
  readonly #door: Door
  #state: 'waiting' | 'joining' | 'in session' | 'closed' = 'waiting'
  #session: Session | null = null
  /** The latest asking, while it is judged. */
  #latest: Static<typeof Join> | null = null
  #leaves = false
  /** That of the asking which the relay has; the answer carries it. */
  #asked = 0
  #timer: Timer | null = null

  constructor (socket: ClientSocket, door: Door) {
    this.#socket = socket
    this.#door = door
  }

  get bufferedBytes (): number {
    return this.#socket.bufferedBytes
  }

  start (): void {
    const { clock, authMs, refused } = this.#door
    if (refused !== null) {
      this.#refuse(refusalOf(refused))
      return
    }
    this.#timer = clock.after(authMs, () => this.close({ code: CloseCode.tryAgainLater, reason: `no join within ${authMs} ms` }))
    this.#socket.boundPreAuth()
    this.#socket.observe(this)
  }

  // From the socket

  message (data: Buffer, binary: boolean): void {
    try {
      if (this.#state === 'in session') this.#inSession(data, binary)
      else if (this.#state === 'waiting') this.#first(data, binary)
      // While it is asking it has nothing to say but that it leaves: the rest is of before.
      else if (this.#state === 'joining' && binary && data[0] === CONTROL) this.#control(data)
    } catch (error) {
      if (!(error instanceof Breach)) throw error
      this.#end({ code: CloseCode.protocolError, reason: error.message }, 'bad message')
    }
  }

  beat (): void {
    if (this.#session !== null) this.#tell({ type: 'ping' })
  }

  draining (afterMs: number): void {
    this.#tell({ type: 'draining', afterMs })
  }

  retire (reason: LeaveReason, forGood: boolean): void {
    if (this.#session === null) this.close(reason)
    else this.#session.retire(reason, forGood)
  }

  ended (reason: LeaveReason): void {
    this.#timer?.cancel()
    this.#state = 'closed'
    this.#session?.end(reason)
  }

  // From the relay

  joined ({ key, resumed, received, windowBytes, peerId, roomId, resumeMs, recordings }: JoinAnswer): void {
    if (resumed) this.#socket.catchUp()
    this.#tell({
      type: 'joined', id: this.#asked, peerId, roomId, key, resumed, received, windowBytes, heartbeatMs: this.#door.heartbeatMs, resumeWindowMs: resumeMs, recordings: statesOf(recordings)
    })
  }

  suspended (): void {
    this.#tell({ type: 'trunk', state: 'down' })
  }

  rejoin (reason: 'trunk' | 'token'): void {
    this.#tell({ type: 'rejoin', reason })
  }

  send (data: Buffer, binary: boolean): void {
    if (binary) this.#socket.send(asBuffer(binaryEventMessage(data)), true)
    else this.#socket.send(data, false)
  }

  skip (): void {
    this.#socket.send(asBuffer(skipMessage()), true)
  }

  ack (received: number): void {
    this.#socket.send(asBuffer(ackMessage(received)), true)
  }

  recordings (recordings: RoomRecordings): void {
    this.#socket.send(asBuffer(recordingsMessage(recordings)), true)
  }

  say (json: string): boolean {
    this.#socket.send(asBuffer(appMessage(json)), true)
    return true
  }

  pause (): void {
    this.#socket.pause()
  }

  resume (): void {
    this.#socket.resume()
  }

  close ({ code, reason }: Status): void {
    this.#state = 'closed'
    this.#session = null
    this.#timer?.cancel()
    this.#socket.close(code, reason)
  }

  // From the client

  #first (data: Buffer, binary: boolean): void {
    if (!binary || data[0] !== CONTROL) throw new Breach('the first message must be join')
    const control = parse(data)
    if (control.type !== 'join') throw new Breach('the first message must be join')
    this.#join(control)
  }

  #inSession (data: Buffer, binary: boolean): void {
    if (!binary) {
      this.#session?.uplink(data, false)
      return
    }
    // The kinds that come often are read where they are.
    switch (data[0]) {
      case BINARY_EVENT: this.#session?.uplink(data.subarray(1), true); return
      case CONTROL: this.#control(data); return
      case ACK: case SKIP: {
        const message = readOrBreach(data)
        if (message?.kind === ACK) this.#session?.ack(message.received)
        else this.#session?.skip()
        return
      }
      case undefined: throw new Breach('an empty binary message')
    }
  }

  #control (data: Buffer): void {
    const control = parse(data)
    if (control.type === 'leave') {
      // The session that it asks for is to end too, as soon as it is its.
      if (this.#state === 'joining') this.#leaves = true
      else this.#leave()
    } else if (control.type === 'join') {
      this.#join(control)
    } else if (control.type === 'message') {
      if (data.length > MESSAGE_CONTROL_BYTES) throw new Breach(`a message of more than ${MESSAGE_BYTES} bytes`)
      this.#session?.message((control as { message?: unknown }).message ?? null, data.length)
    }
    // Others are of a later version, or come out of turn.
  }

  #leave (): void {
    this.#session?.end({ code: CloseCode.normal, reason: 'left', cause: 'client' })
  }

  #join (control: object): void {
    if (!Value.Check(Join, control)) throw new Breach('a join that is none')
    const { client, resume } = control
    // A schema counts characters; what goes on to the trunk is bounded in bytes.
    if ((resume !== undefined && !(isId(resume.peerId) && isId(resume.key))) || (client !== undefined && !isId(client))) throw new Breach('peerId, key and client are strings of 1 to 128 bytes')
    if (control.version !== LINK_VERSION) throw new Breach(`version ${control.version} is not spoken here`)
    // Who asks again while it is being judged is judged anew: only the latest asking counts.
    this.#latest = control
    if (this.#state === 'joining') return
    this.#state = 'joining'
    this.#timer?.cancel()
    this.#timer = null
    // Not paused: that it is closed must be seen now. Asking for somebody who has come back on another link would take that one's place.
    void this.#admit(control)
  }

  async #admit (join: Static<typeof Join>): Promise<void> {
    const { id, client = '', token, resume } = join
    const { peerId, key, received } = resume ?? NEW
    // Just these: it is kept for as long as the session, and whatever else a client has put into its message with it.
    const claim: Claim = { peerId, key, received, asker: client, turn: id }
    try {
      const admitted = await this.#door.admit(token === undefined || token === '' ? null : token, this.#session !== null)
      if (this.#stateNow !== 'joining') return
      if (this.#latest !== join) {
        await this.#admit(this.#latest!)
        return
      }
      this.#socket.admitted()
      this.#state = 'in session'
      this.#asked = id
      // With its token.
      this.#latest = null
      if (this.#session === null) this.#enter(admitted, claim)
      else admitted.renew(this.#session, claim)
      if (this.#leaves) this.#leave()
    } catch (error) {
      this.#refuse(refusalOf(error))
    }
  }

  #enter (admitted: Admitted, claim: Claim): void {
    const session = admitted.enter(this, claim)
    if (this.#stateNow === 'in session') this.#session = session
  }

  #refuse ({ code, message, afterMs }: Refusal): void {
    if (afterMs !== null && mayReconnect(code)) this.#tell({ type: 'draining', afterMs })
    this.#end({ code, reason: message }, 'refused')
  }

  /**
   * Ends the link, and with it the session: unless the client is told to come back, or may bring another token, either of
   * which it does with its session.
   */
  #end (status: Status, cause: LeaveCause): void {
    const session = this.#session
    if (session === null) this.close(status)
    else session.end({ ...status, cause: mayReconnect(status.code) || status.code === CloseCode.notAuthenticated ? 'link lost' : cause })
  }

  #tell (control: BackendControl): void {
    this.#socket.send(asBuffer(controlMessage(control)), true)
  }

  /** The state after an await, which the compiler takes for the one before. */
  get #stateNow (): 'waiting' | 'joining' | 'in session' | 'closed' {
    return this.#state
  }
}

/** @throws Breach */
function parse (data: Buffer): { type?: unknown } {
  const message = readOrBreach(data)
  const control = message?.kind === CONTROL ? message.control : null
  if (typeof control !== 'object' || control === null) throw new Breach('a control message that is no object')
  return control
}

function readOrBreach (data: Buffer): ReturnType<typeof readMessage> {
  try {
    return readMessage(data)
  } catch {
    throw new Breach('a malformed binary message')
  }
}

function asBuffer (bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
