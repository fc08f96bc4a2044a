import type { Fault, JanusMessage, Verb } from './messages.js'

/** Who hears what becomes of a request. */
export interface Requester {
  /** Whether nobody is there any more for whom anything should be done. */
  readonly isOver: boolean
  /**
   * An answer has come: an `ack`, or the last one. Several events may follow an `ack`; they come without their request.
   * @param text as it came from Janus
   */
  answered (request: JanusRequest, answer: JanusMessage, text: string): void
  /** None will come: Janus took too long, or the trunk was lost while nobody knows whether Janus has done it. */
  failed (request: JanusRequest, fault: Fault): void
}

/** What messages of plugins only ask for something: doing it again does no harm. */
const ASKS = new Set(['exists', 'list', 'listparticipants', 'list_participants', 'listforwarders', 'listannouncements', 'info'])

/** How often one request is sent at most. */
const MAX_SENDINGS = 2

/** Beside what the asker says: names of the fields, the transaction, the secret. */
const ENVELOPE_BYTES = 128

/** One request to Janus, from when it is asked until it is answered. */
export class JanusRequest {
  readonly verb: Verb
  readonly requester: Requester
  /** Whose share of the trunk it takes. */
  readonly owner: string
  /** That of who asks; it comes back with each answer. */
  readonly transaction: string | null
  readonly sessionId: number | null
  readonly handleId: number | null
  /** What it attaches to. */
  readonly plugin: string | null
  /** For how many bytes it counts. */
  readonly size: number
  /** Milliseconds since the Unix epoch; 0: it waits. */
  sentAt = 0
  /** How often it was. */
  sendings = 0
  isAcked = false
  isAnswered = false
  readonly #fields: string
  readonly #onlyAsks: boolean

  /** @param fields what it says beside verb, ids, transaction and secret */
  constructor (requester: Requester, owner: string, verb: Verb, transaction: string | null, sessionId: number | null, handleId: number | null, fields: Record<string, unknown>) {
    this.requester = requester
    this.owner = owner
    this.verb = verb
    this.transaction = transaction
    this.sessionId = sessionId
    this.handleId = handleId
    const text = JSON.stringify(fields)
    this.#fields = text.slice(1)
    this.size = text.length + (transaction?.length ?? 0) + ENVELOPE_BYTES
    const { body, plugin } = fields as { body?: { request?: unknown }, plugin?: string }
    this.plugin = plugin ?? null
    this.#onlyAsks = verb !== 'message' || (typeof body?.request === 'string' && ASKS.has(body.request))
  }

  /** Whether it is the driver's own: whoever asks sees to it that it is asked again where it has to be. */
  get isOurs (): boolean {
    return this.owner === ''
  }

  /** What ends a session has to be said whoever is gone. */
  get isWanted (): boolean {
    return !this.requester.isOver || this.verb === 'destroy'
  }

  /**
   * Whether it may be said again: all but what a plugin is told to do, of which it is not known whether it was done, and what has had its
   * chances: it may be the reason that the trunk is lost.
   */
  get isRepeatable (): boolean {
    return this.#onlyAsks && this.sendings < MAX_SENDINGS
  }

  /** Whether what comes behind it on its handle has to wait until Janus has begun with it. Janus keeps the order of all others. */
  get blocks (): boolean {
    return this.verb === 'message'
  }

  /**
   * @param number by which its answers are known
   * @param secret `"apisecret":"...",` or what else lets us in; empty: nothing
   */
  text (number: number, secret: string): string {
    const session = this.sessionId === null ? '' : `"session_id":${this.sessionId},`
    const handle = this.handleId === null ? '' : `"handle_id":${this.handleId},`
    const transaction = JSON.stringify(upstream(number, this.transaction))
    const text = `{"janus":"${this.verb}","transaction":${transaction},${secret}${session}${handle}${this.#fields}`
    return this.#fields === '}' ? `${text.slice(0, -2)}}` : text
  }
}

/** Its answers' transaction: ours, and behind it that of who asks, for what comes when we have forgotten the request. */
function upstream (number: number, transaction: string | null): string {
  return transaction === null ? `${number}` : `${number}|${transaction}`
}

/** The number, and the transaction of who asked; null: it is none of ours. */
export function readTransaction (transaction: unknown): { number: number, transaction: string | null } | null {
  if (typeof transaction !== 'string') return null
  const at = transaction.indexOf('|')
  const number = Number(at === -1 ? transaction : transaction.slice(0, at))
  if (!Number.isSafeInteger(number) || number <= 0) return null
  return { number, transaction: at === -1 ? null : transaction.slice(at + 1) }
}

/** What JSON writes as it is, whoever writes it. */
const SIMPLE = /^[\w|-]*$/
const MEMBER = ',"transaction":"'

/**
 * A message of Janus with the transaction of who asked instead of ours, and otherwise as it came: to put all of it into words anew
 * costs as much as to read it. Nobody can have it take another place for this one: a quote behind a comma is none that is escaped,
 * none that ends a string has a name behind it, and before any second brace there is nothing but the message's own members.
 * @param ours the message's transaction, as read from it
 * @param theirs null: it has none
 * @returns null: it is not found where and as Janus writes it
 */
export function withTransaction (text: string, ours: string, theirs: string | null): string | null {
  if (!SIMPLE.test(ours) || (theirs !== null && !SIMPLE.test(theirs))) return null
  const member = `${MEMBER}${ours}"`
  const at = text.indexOf(member)
  if (at === -1 || text.lastIndexOf('{', at) !== 0) return null
  return `${text.slice(0, at)}${theirs === null ? '' : `${MEMBER}${theirs}"`}${text.slice(at + member.length)}`
}
