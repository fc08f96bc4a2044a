import { JanusCode, isId, isObject } from '../janus-api.js'

/** What is read and said here of the Janus API (Janus 1.x, "RESTful, WebSockets, ... API"): all else belongs to the media server. */

export interface JanusError {
  code: number
  reason: string
  transaction?: string | undefined
  sessionId?: number | undefined
}

/** The first request of a link. */
export type FirstRequest =
  | { verb: 'ping', transaction: string }
  /** `event`: the request, without what was in it to show who the client is. */
  | { verb: 'create', transaction: string, token: string | null, event: Buffer }
  | { verb: 'claim', transaction: string, token: string | null, sessionId: number }

/** A request that is answered with an error. */
export class JanusFault extends Error {
  readonly error: JanusError

  constructor (error: JanusError) {
    super(error.reason)
    this.error = error
  }
}

/** Of a session that the client says is there already. */
const OF_A_SESSION = new Set(['attach', 'message', 'trickle', 'hangup', 'detach', 'keepalive', 'destroy'])
const SECRETS = ['token', 'apisecret']
const QUOTED_SECRETS = SECRETS.map((name) => Buffer.from(`"${name}"`))

export const errorText = ({ code, reason, transaction, sessionId }: JanusError): Buffer => text({ janus: 'error', session_id: sessionId, transaction, error: { code, reason } })
export const pongText = (transaction: string): Buffer => text({ janus: 'pong', transaction })
export const claimedText = (transaction: string, sessionId: number): Buffer => text({ janus: 'success', session_id: sessionId, transaction })
export const noSuchSession = (sessionId: number | undefined, transaction: string): JanusError => ({ code: JanusCode.noSuchSession, reason: `No such session ${sessionId ?? ''}`.trimEnd(), transaction, sessionId })

/** @throws JanusFault no session begins with this */
export function readFirst (message: Buffer): FirstRequest {
  const request = parse(message)
  if (request === null) refuse({ code: JanusCode.invalidJson, reason: 'Invalid Janus API request' })
  const { janus: verb, transaction, session_id: given } = request
  const sessionId = isId(given) ? given : undefined
  if (typeof transaction !== 'string') refuse({ code: JanusCode.missingElement, reason: 'Missing mandatory element (transaction)', sessionId })
  if (typeof verb !== 'string') refuse({ code: JanusCode.missingElement, reason: 'Missing mandatory element (janus)', transaction, sessionId })
  if (verb === 'ping') return { verb, transaction }
  const token = SECRETS.map((name) => request[name]).find((secret): secret is string => typeof secret === 'string' && secret !== '') ?? null
  if (verb === 'create') return { verb, transaction, token, event: stripped(request, message) ?? refuse({ code: JanusCode.invalidJson, reason: 'Invalid Janus API request', transaction }) }
  if (verb === 'claim' && sessionId !== undefined) return { verb, transaction, token, sessionId }
  if (verb === 'claim' || OF_A_SESSION.has(verb)) refuse(noSuchSession(sessionId, transaction))
  refuse({ code: JanusCode.unknownRequest, reason: `Unknown request '${verb}'`, transaction, sessionId })
}

/**
 * A request without what shows who the client is, which janus.js puts into each. Only a text in which one of the names stands is
 * looked into: the others, and what is no JSON, stay as they came. Of what cannot be written anew nothing is left.
 */
export function withoutCredentials (message: Buffer): Buffer {
  if (!QUOTED_SECRETS.some((name) => message.includes(name))) return message
  const request = parse(message)
  return request === null ? message : stripped(request, message) ?? Buffer.from('{}')
}

/** What a message brings for the `create` of this transaction: the session's id, or null; undefined: it is not the answer. */
export function createdBy (message: Buffer, transaction: string): number | null | undefined {
  const answer = parse(message)
  if (answer === null || answer.transaction !== transaction || answer.janus === 'ack') return undefined
  const { id } = (answer.data ?? {}) as { id?: unknown }
  return answer.janus === 'success' && isId(id) ? id : null
}

function refuse (error: JanusError): never {
  throw new JanusFault(error)
}

/** Null: it is nested more deeply than can be written, which is nothing that a Janus takes. */
function stripped (request: Record<string, unknown>, message: Buffer): Buffer | null {
  if (!SECRETS.some((name) => Object.hasOwn(request, name))) return message
  for (const name of SECRETS) delete request[name]
  try {
    return text(request)
  } catch {
    return null
  }
}

/** Null: not one JSON object. */
function parse (message: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(message.toString())
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

function text (message: object): Buffer {
  return Buffer.from(JSON.stringify(message))
}
