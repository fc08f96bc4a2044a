import { CompactSign, compactVerify } from 'jose'
import Type from 'typebox'
import type { Static } from 'typebox'
import Value from 'typebox/value'
import { AdmitError, TicketError } from '../errors.js'
import { MAX_ID_BYTES } from '../ids.js'
import type { Keys } from './keys.js'

/** A ticket, since it travels in URLs. */
export const TICKET_BYTES = 4 * 1024
/** What is looked at at all. */
export const SHOWN_BYTES = 8 * 1024

const ALGORITHM = 'HS256'
const TYPE = 'trunkline-ticket+jwt'
/** Bytes of a signature as it is written. */
const SIGNATURE_BYTES = 43
const PARTS = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/

const id = Type.String({ minLength: 1, maxLength: MAX_ID_BYTES })

/** What a ticket says. */
const ClaimsSchema = Type.Object({
  peerId: id,
  roomId: id,
  subject: Type.Optional(id),
  metadata: Type.Optional(Type.Unknown()),
  /** When the peer itself is to end, in milliseconds. */
  expiresAt: Type.Optional(Type.Integer()),
  /** Larger than that of every ticket that was issued before. */
  issue: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
  /** Seconds, with a fraction (RFC 7519, 2). */
  exp: Type.Number(),
  aud: Type.String()
}, { additionalProperties: false })

export type Claims = Static<typeof ClaimsSchema>

/** @throws AdmitError it would be too large */
export async function sign (claims: Claims, keys: Keys): Promise<string> {
  const { kid, key } = await keys.signing()
  const header = { alg: ALGORITHM, typ: TYPE, kid }
  const payload = Buffer.from(JSON.stringify(claims))
  const bytes = encodedBytes(Buffer.byteLength(JSON.stringify(header))) + encodedBytes(payload.length) + SIGNATURE_BYTES + 2
  if (bytes > TICKET_BYTES) throw new AdmitError(`its ticket would have ${bytes} bytes, more than ${TICKET_BYTES}: put less into the metadata`)
  return await new CompactSign(payload).setProtectedHeader(header).sign(key)
}

/**
 * What a ticket says that one of these keys has signed; whether it is still good is not looked at.
 * @throws TicketError, with nothing of what was shown in it
 */
export async function verify (token: string, keys: Keys, audience: string): Promise<Claims> {
  if (token.length > SHOWN_BYTES) throw new TicketError(`it is longer than ${SHOWN_BYTES} bytes`)
  const parts = PARTS.exec(token)
  // The last character of a part has bits that are not read: two ways to write it, of which one is ours.
  if (parts === null || !parts.slice(1).every((part) => Buffer.from(part, 'base64url').toString('base64url') === part)) throw new TicketError('it is not three parts in base64url')
  let said: unknown
  try {
    const { payload } = await compactVerify(token, async ({ kid, typ }) => {
      const known = typ === TYPE ? await keys.named(kid) : undefined
      if (known === undefined) throw new TicketError('it is of another kind, or signed by a key that is not known')
      return known.key
    }, { algorithms: [ALGORITHM] })
    said = JSON.parse(Buffer.from(payload).toString())
  } catch (error) {
    // What jose throws stays out of the log: it may hold what was shown.
    throw error instanceof TicketError ? error : new TicketError('it was not signed here')
  }
  if (!Value.Check(ClaimsSchema, said)) throw new TicketError('it is signed, and does not say what a ticket says')
  if (said.aud !== audience) throw new TicketError('it is for another registration')
  return said
}

function encodedBytes (bytes: number): number {
  return Math.ceil(bytes * 4 / 3)
}
