import { createHmac, timingSafeEqual } from 'node:crypto'

/** What a token says about whoever holds it. */
export interface Claims {
  peerId: string
  roomId: string
  name: string
  /** Milliseconds since 1970. */
  expiresAt: number
}

/** Not one of our tokens, or one that somebody has changed. */
export class InvalidTokenError extends Error {
  override name = 'InvalidTokenError'
  readonly statusCode = 401
}

/** One of ours, from too long ago. */
export class ExpiredTokenError extends Error {
  override name = 'ExpiredTokenError'
  readonly statusCode = 401
  /** Trunkline tells the client "expired token" by this. */
  readonly code = 'TOKEN_EXPIRED'
}

/** `<claims>.<signature>`, both base64url. Good for any number of uses: clients come back with the token that they have. */
export function signToken (claims: Claims, secret: string): string {
  const body = Buffer.from(JSON.stringify(claims)).toString('base64url')
  return `${body}.${signature(body, secret).toString('base64url')}`
}

/**
 * @throws InvalidTokenError
 * @throws ExpiredTokenError
 */
export function verifyToken (token: string, secret: string, now = Date.now()): Claims {
  const [body = '', signed = '', ...rest] = token.split('.')
  const given = Buffer.from(signed, 'base64url')
  const expected = signature(body, secret)
  if (rest.length > 0 || given.length !== expected.length || !timingSafeEqual(given, expected)) throw new InvalidTokenError('not a token of ours')
  // Only signToken can have written what carries our signature.
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Claims
  if (claims.expiresAt <= now) throw new ExpiredTokenError('the token has expired')
  return claims
}

function signature (body: string, secret: string): Buffer {
  return createHmac('sha256', secret).update(body).digest()
}
