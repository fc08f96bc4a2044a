import { CloseCode } from '../../close-codes.js'
import { Fault, JanusCode, MAX_TRANSACTION, faultOf, isId, isObject } from './messages.js'
import type { JanusMessage, Verb } from './messages.js'
import type { JanusPeer } from './peer.js'
import type { JanusRequest } from './request.js'
import type { Speech } from './speech.js'

/** What an event costs beside its bytes while it waits. */
const EVENT_COST = 64

/**
 * A client that knows nothing of sessions and handles: it says `{ body, jsep?, transaction? }` and `{ candidate }`, and the driver
 * makes it a session and one handle, of the first plugin in the option `plugins`.
 */
export class PlainSpeech implements Speech {
  readonly #peer: JanusPeer
  /** Null while it is being made. */
  #handleId: number | null = null
  #early: Array<{ verb: Verb, transaction: string | null, fields: Record<string, unknown> }> = []
  #earlyBytes = 0

  constructor (peer: JanusPeer) {
    this.#peer = peer
    peer.create(null)
  }

  get bufferedBytes (): number {
    return this.#earlyBytes
  }

  uplink (event: Record<string, unknown>, bytes: number): void {
    const { body, jsep, candidate, transaction = null } = event
    if (transaction !== null && (typeof transaction !== 'string' || transaction.length > MAX_TRANSACTION)) {
      this.#peer.refuse(new Fault(JanusCode.invalidElement, `transaction must be a string of at most ${MAX_TRANSACTION} characters`))
    } else if (isObject(body) && (jsep === undefined || isObject(jsep))) {
      this.#say('message', transaction, jsep === undefined ? { body } : { body, jsep }, bytes)
    } else if (body === undefined && candidate !== undefined) {
      this.#say('trickle', transaction, { candidate }, bytes)
    } else {
      this.#peer.refuse(new Fault(JanusCode.missingElement, 'a media event is { body, jsep? } or { candidate }, where body and jsep are objects'), transaction ?? undefined)
    }
  }

  answered (request: JanusRequest, answer: JanusMessage): void {
    const { verb, transaction } = request
    if (answer.janus === 'error') {
      this.failed(request, faultOf(answer))
    } else if (verb === 'create') {
      const fault = this.#peer.attach(this.#peer.plugins[0]!, null)
      if (fault !== null) this.#peer.fail({ code: CloseCode.internalError, reason: fault.reason })
    } else if (verb === 'attach') {
      const { data } = answer
      if (!isObject(data) || !isId(data.id)) return
      this.#handleId = data.id
      const early = this.#early
      this.#early = []
      // The bytes still count meanwhile: what the client says next must not come in between.
      for (const { verb, transaction, fields } of early) this.#say(verb, transaction, fields, 0)
      this.#earlyBytes = 0
      this.#peer.drained()
    } else if (answer.janus !== 'ack') {
      this.event(answer, transaction)
    }
  }

  failed ({ verb, transaction }: JanusRequest, fault: Fault): void {
    // Without a session and a handle nothing can be said at all: the client comes back, or learns that it need not.
    if (verb === 'create' || verb === 'attach') this.#peer.fail({ code: fault.code === JanusCode.noSuchPlugin ? CloseCode.internalError : CloseCode.tryAgainLater, reason: `Janus: ${fault.reason}` })
    else this.#peer.refuse(fault, transaction ?? undefined)
  }

  event ({ session_id: _session, sender: _sender, transaction: _ours, ...message }: JanusMessage, transaction: string | null): void {
    const { janus, plugindata, jsep } = message
    if ((janus === 'event' || janus === 'success') && isObject(plugindata)) this.#tell({ body: plugindata.data, jsep, transaction: transaction ?? undefined })
    else if (janus !== 'success') this.#tell({ ...message, transaction: transaction ?? undefined })
  }

  resync (): void {
    this.#tell({ trunkline: 'resync' })
  }

  #say (verb: Verb, transaction: string | null, fields: Record<string, unknown>, bytes: number): void {
    const handleId = this.#handleId
    if (handleId === null) {
      // No more than what makes the client wait.
      this.#early.push({ verb, transaction, fields })
      this.#earlyBytes += bytes + EVENT_COST
      return
    }
    const fault = this.#peer.say(verb, handleId, transaction, fields)
    if (fault !== null) this.#peer.refuse(fault, transaction ?? undefined)
  }

  #tell (event: object): void {
    this.#peer.tell(event)
  }
}
