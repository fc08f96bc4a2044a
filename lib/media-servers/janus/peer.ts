import { CloseCode } from '../../close-codes.js'
import type { Accepted, Attachment, AttachmentReceiver, OpenRequest, Status } from '../../relay/media-server.js'
import { JanusHandle } from './handle.js'
import { Fault, JanusCode, isId, isObject, readObject } from './messages.js'
import type { JanusMessage, Verb } from './messages.js'
import type { JanusPeerServices } from './peer-services.js'
import { PlainSpeech } from './plain-speech.js'
import { JanusRequest } from './request.js'
import type { Requester } from './request.js'
import type { Speech } from './speech.js'
import { WholeSpeech } from './whole-speech.js'

/** One peer at Janus: its session and its handles, which nobody else may use, and which it cannot leave. */
export class JanusPeer implements Attachment, Requester {
  readonly id: string
  readonly roomId: string
  /** JSON text. */
  readonly metadata: string
  readonly #services: JanusPeerServices
  readonly #receiver: AttachmentReceiver
  readonly #handles = new Map<number, JanusHandle>()
  /** Null until its first event shows how it speaks. */
  #speech: Speech | null = null
  #sessionId: number | null = null
  #isCreating = false
  /** How many handles are being attached. */
  #attaching = 0
  #isOver = false
  #isPressed = false
  /** When Janus last heard of the session, in milliseconds since the Unix epoch. */
  heardAt = 0

  constructor ({ peerId, roomId, metadata }: Pick<OpenRequest, 'peerId' | 'roomId' | 'metadata'>, receiver: AttachmentReceiver, services: JanusPeerServices) {
    this.id = peerId
    this.roomId = roomId
    this.metadata = metadata
    this.#receiver = receiver
    this.#services = services
  }

  get isOver (): boolean {
    return this.#isOver
  }

  /** Null: it has none, or none any more. */
  get sessionId (): number | null {
    return this.#sessionId
  }

  get hasSession (): boolean {
    return this.#sessionId !== null || this.#isCreating
  }

  get plugins (): string[] {
    return this.#services.options.plugins
  }

  hasHandle (id: number): boolean {
    return this.#handles.has(id)
  }

  handles (): IterableIterator<JanusHandle> {
    return this.#handles.values()
  }

  get bufferedBytes (): number {
    let bytes = this.#services.requests.bytesOf(this.id)
    for (const handle of this.#handles.values()) bytes += handle.bytes
    return bytes + (this.#speech?.bufferedBytes ?? 0)
  }

  // From the relay

  send (data: Buffer): Accepted {
    if (this.#isOver) return 'full'
    const { options: { messageBytes, queueBytes, hardBytes }, requests } = this.#services
    if (requests.waitingBytes >= hardBytes) return 'full'
    if (data.length > messageBytes) return 'too big'
    // Janus takes a binary message for a text too.
    const event = readObject(data.toString())
    if (this.#speech === null && !(event instanceof Fault)) this.#speech = 'janus' in event ? new WholeSpeech(this) : new PlainSpeech(this)
    if (event instanceof Fault) this.refuse(event)
    else this.#speech!.uplink(event, data.length)
    if (this.bufferedBytes <= queueBytes) return 'taken'
    this.#isPressed = true
    return 'pressed'
  }

  /** What a hook dropped is not said. */
  skip (): Accepted {
    return this.#isOver ? 'full' : 'taken'
  }

  ack (): void {}

  detach (): void {}

  /** Harmless when it is over. Janus hears of it as soon as it can. */
  close (): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const handle of this.#handles.values()) handle.close()
    if (this.#sessionId !== null) this.#destroy(this.#sessionId)
    else if (!this.#isCreating) this.#forget()
  }

  // From its speech

  /** One media event for the client. */
  tell (event: string | object): void {
    if (this.#isOver) return
    const text = typeof event === 'string' ? event : write(event)
    if (text === null) this.fail({ code: CloseCode.internalError, reason: 'Janus has said what cannot be passed on' })
    else this.#receiver.event(Buffer.from(text), false)
  }

  /** Something that is about no request that was sent. */
  refuse ({ code, reason }: Fault, transaction?: string, sessionId?: number): void {
    this.tell({ janus: 'error', session_id: sessionId, transaction, error: { code, reason } })
  }

  /** Asks for a session, unless it has one. */
  create (transaction: string | null): void {
    this.#isCreating = true
    this.#push(new JanusRequest(this, this.id, 'create', transaction, null, null, {}))
  }

  /** @returns why not; null: it is under way */
  attach (plugin: string, transaction: string | null): Fault | null {
    const { plugins, handles } = this.#services.options
    if (!plugins.includes(plugin)) return new Fault(JanusCode.unauthorizedPlugin, `Plugin ${JSON.stringify(plugin.slice(0, 100))} is not offered here`)
    if (this.#handles.size + this.#attaching >= handles) return new Fault(JanusCode.unknown, `A session may have ${handles} handles`)
    this.#attaching++
    this.#push(new JanusRequest(this, this.id, 'attach', transaction, this.#sessionId, null, { plugin, opaque_id: this.id }))
    return null
  }

  /** Anything that is about a handle. @returns why not; null: it is under way, or waits for what was said before it */
  say (verb: Verb, handleId: unknown, transaction: string | null, fields: Record<string, unknown>): Fault | null {
    const handle = isId(handleId) ? this.#handles.get(handleId) : undefined
    if (handle === undefined) return new Fault(JanusCode.noSuchHandle, `No such handle ${shown(handleId)} in session ${this.#sessionId}`)
    const request = new JanusRequest(this, this.id, verb, transaction, this.#sessionId, handle.id, fields)
    const { bodyLength } = this.#services.options
    // What is in the SDP is told to nobody as it is.
    if (verb === 'message' && request.size > bodyLength && JSON.stringify(fields.body).length > bodyLength) return new Fault(JanusCode.invalidElement, `Invalid element (body has more than ${bodyLength} characters)`)
    handle.push(request)
    return null
  }

  /** The client itself ends its session, and may begin another. */
  destroy (transaction: string | null): void {
    this.#push(new JanusRequest(this, this.id, 'destroy', transaction, this.#sessionId, null, {}))
  }

  // From Janus

  answered (request: JanusRequest, answer: JanusMessage, text: string): void {
    this.#settle(request)
    if (answer.janus === 'success') this.#done(request, answer)
    else if (answer.janus === 'error') this.#failed(request)
    else if (answer.janus === 'event') this.#services.heard(this, answer)
    if (!this.#isOver) this.#speech?.answered(request, answer, text)
    if (isGone(request, answer)) this.forgotten(request.sessionId)
  }

  failed (request: JanusRequest, fault: Fault): void {
    this.#settle(request)
    this.#failed(request)
    if (!this.#isOver) this.#speech?.failed(request, fault)
  }

  event (message: JanusMessage, transaction: string | null, text: string): void {
    this.#services.heard(this, message)
    if (message.janus === 'detached' && isId(message.sender)) this.#detached(message.sender)
    if (!this.#isOver) this.#speech?.event(message, transaction, text)
    if (message.janus === 'timeout') this.gone({ code: CloseCode.mediaServerReset, reason: 'Janus has ended the session' })
  }

  keepAlive (): void {
    if (this.#sessionId === null) return
    this.heardAt = this.#services.now()
    this.#services.keepAlive(this, this.#sessionId)
  }

  /** Its session is claimed again. */
  resync (): void {
    if (!this.#isOver) this.#speech?.resync()
  }

  /** Janus knows no such session: it may be one that the client has ended itself since. */
  forgotten (sessionId: number | null): void {
    if (sessionId === this.#sessionId) this.gone({ code: CloseCode.mediaServerReset, reason: 'Janus has forgotten the session' })
  }

  /** The session is no more, and not by anything that was asked for here. */
  gone (status: Status): void {
    const isNews = !this.#isOver
    this.#isOver = true
    this.#forget()
    if (isNews) this.#receiver.closed(status)
  }

  /** Nothing can be done for it: its session goes, if it has one. */
  fail (status: Status): void {
    if (this.#isOver) return
    this.close()
    this.#receiver.closed(status)
  }

  /** Something of it that waited has left. */
  drained (): void {
    if (!this.#isPressed || this.#isOver || this.bufferedBytes * 2 > this.#services.options.queueBytes) return
    this.#isPressed = false
    this.#receiver.relieved()
  }

  #push (request: JanusRequest): void {
    this.heardAt = this.#services.now()
    this.#services.requests.push(request)
  }

  #settle (request: JanusRequest): void {
    if (request.handleId !== null) this.#handles.get(request.handleId)?.settled(request)
  }

  #done (request: JanusRequest, { data }: JanusMessage): void {
    const id = isObject(data) && isId(data.id) ? data.id : null
    switch (request.verb) {
      case 'create':
        this.#isCreating = false
        if (id === null) return
        this.#sessionId = id
        this.#services.began(this, id)
        if (this.#isOver) this.#destroy(id)
        return
      case 'attach':
        this.#attaching--
        if (id !== null) this.#handles.set(id, new JanusHandle(id, request.plugin ?? '', (next) => this.#push(next)))
        return
      case 'detach':
        if (request.handleId !== null) this.#detached(request.handleId)
        return
      case 'destroy':
        this.#forget()
    }
  }

  #failed ({ verb }: JanusRequest): void {
    if (verb === 'create') this.#isCreating = false
    else if (verb === 'attach') this.#attaching--
    // Of one that cannot be ended nobody can say more: it ends by itself when it is not kept alive.
    if (this.#isOver && (verb === 'create' || verb === 'destroy')) this.#forget()
  }

  #detached (handleId: number): void {
    const handle = this.#handles.get(handleId)
    this.#handles.delete(handleId)
    this.#giveBack(handle?.close() ?? [], new Fault(JanusCode.noSuchHandle, `No such handle ${handleId} in session ${this.#sessionId}`))
  }

  #destroy (sessionId: number): void {
    this.#services.requests.push(new JanusRequest(this, this.id, 'destroy', null, sessionId, null, {}))
  }

  #forget (): void {
    const sessionId = this.#sessionId
    const waiting = [...this.#handles.values()].flatMap((handle) => handle.close())
    this.#sessionId = null
    this.#handles.clear()
    this.#services.ended(this, sessionId)
    this.#giveBack(waiting, new Fault(JanusCode.noSuchSession, `No such session ${sessionId}`))
  }

  /** What waited for a handle that is no more. */
  #giveBack (waiting: JanusRequest[], fault: Fault): void {
    for (const request of waiting) this.failed(request, fault)
    this.drained()
  }
}

function isGone ({ verb }: JanusRequest, { janus, error }: JanusMessage): boolean {
  return janus === 'error' && isObject(error) && error.code === JanusCode.noSuchSession && verb !== 'create'
}

/** Null: it is nested more deeply than can be written, though it could be read. */
function write (event: object): string | null {
  try {
    return JSON.stringify(event)
  } catch {
    return null
  }
}

/** As it may stand in a message to whoever has said it. */
function shown (value: unknown): string {
  return typeof value === 'number' ? String(value) : typeof value
}
