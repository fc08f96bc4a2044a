import { JanusCode, isObject } from '../../janus-api.js'

export { JanusCode, isId, isObject } from '../../janus-api.js'

/**
 * The Janus API's messages, as far as the driver reads them: https://janus.conf.meetecho.com/docs/rest.html. Everything else in
 * them passes as it is.
 */

/** What is wrong, as Janus says it. */
export class Fault {
  readonly code: number
  readonly reason: string

  constructor (code: number, reason: string) {
    this.code = code
    this.reason = reason
  }
}

/** One message of Janus. */
export interface JanusMessage {
  janus: string
  transaction?: unknown
  session_id?: unknown
  /** The handle that it comes from. */
  sender?: unknown
  error?: unknown
  data?: unknown
  plugindata?: unknown
  jsep?: unknown
  [further: string]: unknown
}

/** What clients may ask of Janus, by way of the driver. */
export const VERBS = ['create', 'attach', 'message', 'trickle', 'hangup', 'detach', 'destroy', 'keepalive', 'ping'] as const

export type Verb = typeof VERBS[number] | 'claim' | 'info'

/** Levels of objects and arrays in a message at most. Janus's parser has a bound too, and complains without saying about what. */
export const MAX_DEPTH = 64
/** Characters of a client's transaction at most: it goes to Janus and back with each message. */
export const MAX_TRANSACTION = 256

/** One JSON object, or what is wrong with it: nothing else can be said to Janus. */
export function readObject (text: string): Record<string, unknown> | Fault {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return new Fault(JanusCode.invalidJson, 'Invalid Janus API request - not one JSON text')
  }
  if (!isObject(value)) return new Fault(JanusCode.notAnObject, 'Invalid Janus API request - not an object')
  // What jansson refuses in a string is in one only by its escape: as itself it is no JSON, or no UTF-8.
  const wrong = whyUnreadable(value, MAX_DEPTH, text.includes('\\u'))
  return wrong === null ? value : new Fault(JanusCode.invalidJson, `Invalid Janus API request - ${wrong}`)
}

/** The fault that an `error` tells of. */
export function faultOf ({ error }: JanusMessage): Fault {
  const { code, reason } = isObject(error) ? error : {}
  return new Fault(typeof code === 'number' ? code : JanusCode.unknown, typeof reason === 'string' ? reason : 'no reason given')
}

/** What Janus's parser (jansson) refuses although it is JSON; it would answer with an error that is about nothing. */
export function whyUnreadable (value: unknown, depth = MAX_DEPTH, hasEscapes = true): string | null {
  if (typeof value === 'string') return hasEscapes ? whyNoString(value) : null
  if (typeof value === 'number') return Number.isInteger(value) && Math.abs(value) >= 2 ** 63 && Math.abs(value) < 1e21 ? 'too big an integer' : null
  if (typeof value !== 'object' || value === null) return null
  if (depth === 0) return `more than ${MAX_DEPTH} levels`
  if (hasEscapes) {
    for (const key of Object.keys(value)) {
      const wrong = whyNoString(key)
      if (wrong !== null) return wrong
    }
  }
  for (const inner of Object.values(value)) {
    const wrong = whyUnreadable(inner, depth - 1, hasEscapes)
    if (wrong !== null) return wrong
  }
  return null
}

function whyNoString (text: string): string | null {
  if (text.includes('\0')) return 'a NUL character'
  return /\p{Surrogate}/u.test(text) ? 'half of a surrogate pair' : null
}
