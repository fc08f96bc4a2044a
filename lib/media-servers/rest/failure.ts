import { errors } from 'undici'
import { ControlAnswerError, ControlUnreachableError } from '../../errors.js'

/** Why there was no answer to one sending of a request. */
export interface Failure {
  /** What is told where it is not sent again. */
  error: Error
  /** Whether the media server cannot have got anything of it. */
  isUnsent: boolean
  /** Whether another time may be better. */
  isPassing: boolean
}

/** What says that something answers, and what it says is not HTTP, or too much. */
const NO_ANSWER: Record<string, string> = {
  UND_ERR_RES_EXCEEDED_MAX_SIZE: 'its answer is too large',
  UND_ERR_HEADERS_OVERFLOW: 'the headers of its answer are too large'
}

/** What happens to a connection, whoever is at its other end. */
const BROKEN = new Set(['UND_ERR_SOCKET', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN'])

/** @param error as undici rejects with it: of what it says only the code is passed on, since the rest may be anything */
export function failureOf (asked: string, error: unknown): Failure {
  const { code, syscall } = Object(error) as { code?: unknown, syscall?: unknown }
  const cause = typeof code === 'string' ? code : 'no code'
  // It has no code in every version.
  const says = error instanceof errors.HTTPParserError ? 'its answer is not HTTP' : NO_ANSWER[cause]
  if (says !== undefined) return { error: new ControlAnswerError(asked, says), isUnsent: false, isPassing: false }
  // Of several addresses, tried one after the other, come several errors.
  const isUnsent = cause === 'UND_ERR_CONNECT_TIMEOUT' || syscall === 'connect' || syscall === 'getaddrinfo' || error instanceof AggregateError
  return { error: new ControlUnreachableError(asked, isUnsent ? cause : `${cause}; it may have been done, so look first`), isUnsent, isPassing: isUnsent || BROKEN.has(cause) }
}
