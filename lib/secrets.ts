import { createHash, timingSafeEqual } from 'node:crypto'

/** Compared by their hashes, in a time that tells nothing of where they differ, or how long they are. An empty one is none. */
export function sameSecret (shown: string, secret: string): boolean {
  if (secret === '' || shown === '') return false
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(hash(shown), hash(secret))
}

/** A URL as it may be logged: without a name, a password and a query. */
export function withoutSecrets (url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//').replace(/\?.*$/, '')
}
