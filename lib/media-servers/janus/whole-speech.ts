import { Fault, JanusCode, MAX_TRANSACTION, VERBS, isId, isObject } from './messages.js'
import type { JanusMessage, Verb } from './messages.js'
import type { JanusPeer } from './peer.js'
import { withTransaction } from './request.js'
import type { JanusRequest } from './request.js'
import type { Speech } from './speech.js'

/**
 * A client that speaks the Janus API itself, as janus.js does: its media events are whole requests, and what it gets are whole
 * messages. Of what it says only what a verb needs is passed on, in our own words: never a secret, an id that it has chosen, or
 * a second meaning of the same text.
 */
export class WholeSpeech implements Speech {
  readonly bufferedBytes = 0
  readonly #peer: JanusPeer

  constructor (peer: JanusPeer) {
    this.#peer = peer
  }

  uplink (event: Record<string, unknown>): void {
    const { janus, transaction, session_id: sessionId } = event
    const said = typeof transaction === 'string' && transaction.length <= MAX_TRANSACTION ? transaction : null
    const fault = said === null ? badTransaction(transaction) : this.#ask(janus, said, sessionId, event)
    if (fault !== null) this.#peer.refuse(fault, said ?? undefined, isId(sessionId) ? sessionId : undefined)
  }

  answered ({ transaction }: JanusRequest, answer: JanusMessage, text: string): void {
    this.#tell(answer, transaction, text)
  }

  failed ({ transaction, sessionId }: JanusRequest, fault: Fault): void {
    this.#peer.refuse(fault, transaction ?? undefined, sessionId ?? undefined)
  }

  event (message: JanusMessage, transaction: string | null, text: string): void {
    if (message.transaction === undefined) this.#peer.tell(text)
    else this.#tell(message, transaction, text)
  }

  /** In the only way that janus.js tells its app of what it does not know itself: as something that the plugin says. */
  resync (): void {
    for (const { id, plugin } of this.#peer.handles()) {
      this.#peer.tell({ janus: 'event', session_id: this.#peer.sessionId, sender: id, plugindata: { plugin, data: { trunkline: 'resync' } } })
    }
  }

  #ask (verb: unknown, transaction: string, sessionId: unknown, event: Record<string, unknown>): Fault | null {
    const peer = this.#peer
    if (!isVerb(verb)) return new Fault(JanusCode.unknownRequest, `Unknown request '${typeof verb === 'string' ? verb.slice(0, 100) : typeof verb}'`)
    if (verb === 'ping') return this.#answer({ janus: 'pong', transaction })
    if (verb === 'create') {
      if (peer.hasSession) return new Fault(JanusCode.sessionConflict, 'This connection has a session already')
      peer.create(transaction)
      return null
    }
    if (!isId(sessionId)) return new Fault(JanusCode.missingElement, 'Missing mandatory element (session_id)')
    if (sessionId !== peer.sessionId) return new Fault(JanusCode.noSuchSession, `No such session ${sessionId}`)
    switch (verb) {
      // The driver keeps the session alive whatever the client does.
      case 'keepalive': return this.#answer({ janus: 'ack', session_id: sessionId, transaction })
      case 'attach': return typeof event.plugin === 'string' ? peer.attach(event.plugin, transaction) : noSuch('plugin', 'a string', event.plugin)
      case 'destroy': peer.destroy(transaction); return null
      default: return this.#askHandle(verb, transaction, event)
    }
  }

  #askHandle (verb: Verb, transaction: string, { handle_id: handleId, body, jsep, candidate, candidates }: Record<string, unknown>): Fault | null {
    const fields: Record<string, unknown> = {}
    if (verb === 'message') {
      if (!isObject(body)) return noSuch('body', 'an object', body)
      fields.body = body
      if (jsep !== undefined && jsep !== null) {
        if (!isObject(jsep)) return noSuch('jsep', 'an object', jsep)
        fields.jsep = jsep
      }
    } else if (verb === 'trickle') {
      if (candidate === undefined && !Array.isArray(candidates)) return new Fault(JanusCode.missingElement, 'Missing mandatory element (candidate|candidates)')
      if (candidate !== undefined) fields.candidate = candidate
      else fields.candidates = candidates
    }
    return this.#peer.say(verb, handleId, transaction, fields)
  }

  #answer (answer: object): null {
    this.#peer.tell(answer)
    return null
  }

  #tell (message: JanusMessage, transaction: string | null, text: string): void {
    const theirs = typeof message.transaction === 'string' ? withTransaction(text, message.transaction, transaction) : null
    this.#peer.tell(theirs ?? { ...message, transaction: transaction ?? undefined })
  }
}

function isVerb (value: unknown): value is Verb {
  return (VERBS as readonly unknown[]).includes(value)
}

/** An element that is not there, or of another type than it has to be. */
function noSuch (name: string, wanted: string, value: unknown): Fault {
  if (value === undefined) return new Fault(JanusCode.missingElement, `Missing mandatory element (${name})`)
  return new Fault(JanusCode.invalidElement, `Invalid element type (${name} should be ${wanted})`)
}

function badTransaction (transaction: unknown): Fault {
  if (transaction === undefined) return new Fault(JanusCode.missingElement, 'Missing mandatory element (transaction)')
  return new Fault(JanusCode.invalidElement, `Invalid element type (transaction should be a string of at most ${MAX_TRANSACTION} characters)`)
}
