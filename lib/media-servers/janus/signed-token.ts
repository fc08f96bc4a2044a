import { createHmac } from 'node:crypto'

/** What a token of Janus's core is for; that of a plugin names the plugin. */
export const CORE = 'janus'

export interface SignedToken {
  /** For whom it is: `CORE`, or a plugin. */
  realm: string
  /** What it allows: of the core plugins, of VideoRoom `room=...`. */
  descriptors: string[]
  /** In milliseconds since the Unix epoch; whole seconds of it count. */
  expiresAt: number
}

/**
 * A token that Janus takes where it has `token_auth` and `token_auth_secret`: what it allows stands in it, signed by HMAC-SHA1
 * (`auth.c`). It is good until it expires, whatever happens.
 */
export function signToken (secret: string, { realm, descriptors, expiresAt }: SignedToken): string {
  const data = [Math.floor(expiresAt / 1_000), realm, ...descriptors].join(',')
  return `${data}:${createHmac('sha1', secret).update(data).digest('base64')}`
}

/** Whether it can stand in a token as what it is: Janus takes a token apart at these. */
export function isDescriptor (text: string): boolean {
  return !/[,:\0]/.test(text)
}
