import { CloseCode } from '../close-codes.js'

/** Somebody is not let in: the HTTP status before an upgrade, and the close code after one, of the same answer. */
export class Refusal extends Error {
  override name = 'Refusal'
  readonly code: CloseCode
  readonly httpStatus: number
  /** Milliseconds that whoever comes back is to stay away; null: as long as it likes. */
  readonly afterMs: number | null

  constructor (code: CloseCode, httpStatus: number, reason: string, cause?: unknown, afterMs: number | null = null) {
    super(reason, { cause })
    this.code = code
    this.httpStatus = httpStatus
    this.afterMs = afterMs
  }
}

/** What a client that knows the Jellyfish family's close reasons acts upon; harmless to all others. */
export const EXPIRED = 'expired token'

export const notAuthenticated = (reason: string, cause?: unknown): Refusal => new Refusal(CloseCode.notAuthenticated, 401, reason, cause)
export const busy = (reason: string, cause?: unknown, afterMs: number | null = null): Refusal => new Refusal(CloseCode.tryAgainLater, 503, reason, cause, afterMs)

/**
 * What a throwing `authenticate` means: by its `statusCode` (or `status`) 403 forbidden, 404 no such room, 429 too many,
 * 500 and above not now; a system that cannot be reached or a bug, not now either; anything else is not authenticated. The
 * error itself stays in the log: clients get the bare reason.
 */
export function refusalOf (error: unknown): Refusal {
  try {
    return judge(error)
  } catch {
    // It has getters that throw, or is nothing that can be looked at.
    return notAuthenticated('not authenticated', new Error('what authenticate has thrown cannot be read'))
  }
}

function judge (error: unknown): Refusal {
  if (error instanceof Refusal) return error
  const { statusCode, status, code, name } = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>
  const given = Number(statusCode ?? status)
  if (given === 403) return new Refusal(CloseCode.forbidden, 403, 'forbidden', error)
  if (given === 404) return new Refusal(CloseCode.noSuchRoom, 404, 'no such room', error)
  if (given === 429) return new Refusal(CloseCode.tryAgainLater, 429, 'too many requests', error)
  if (given >= 500 || isFault(error)) return busy('try again later', error)
  // fast-jwt, jose and jsonwebtoken all say it in the code or in the name.
  return notAuthenticated(/expired/i.test(`${String(code)} ${String(name)}`) ? EXPIRED : 'not authenticated', error)
}

/** Whether the fault is not the client's: it would be wrong to tell it never to come back. */
function isFault (error: unknown): boolean {
  if (error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError) return true
  // What Node's own modules throw when a database or a service does not answer.
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string'
}
