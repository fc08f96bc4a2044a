import type { IncomingHttpHeaders } from 'node:http'
import { CloseCode } from './close-codes.js'
import type { Credentials } from './relay/admission.js'
import { Refusal, notAuthenticated } from './relay/refusal.js'

/** What is looked at of the request that asks for an upgrade. */
export interface UpgradeRequest {
  headers: IncomingHttpHeaders
  /** With the port, as the client named it; behind a proxy that is trusted, as the proxy was asked. */
  host: string
  query: unknown
}

/**
 * Refuses pages of other sites: browsers send an Origin and nothing else stops them, since CORS does not cover
 * WebSockets (RFC 6455, 10.2). No Origin at all is no browser.
 * @param allowed beside the host's own
 * @throws Refusal 403
 */
export function checkOrigin ({ headers, host }: UpgradeRequest, allowed: '*' | string[]): void {
  const { origin } = headers
  if (origin === undefined || allowed === '*' || allowed.includes(origin) || isSameHost(origin, host)) return
  throw new Refusal(CloseCode.forbidden, 403, 'origin not allowed')
}

function isSameHost (origin: string, host: string): boolean {
  try {
    const { protocol, host: originHost } = new URL(origin)
    // Parsed alike, so that a port that is the default one counts as none.
    return originHost !== '' && originHost === new URL(`${protocol}//${host}`).host
  } catch {
    // "null", and whatever else is no URL, is nobody's origin.
    return false
  }
}

/**
 * The credentials that came with the upgrade: the query's `token`, else the `Authorization` header, else the cookie.
 * @throws Refusal 401 when there are none, 403 when a cookie came without an Origin
 */
export function credentialsOf ({ headers, query }: UpgradeRequest, cookie: string | undefined): Credentials {
  const { token } = (query ?? {}) as { token?: unknown }
  if (typeof token === 'string' && token !== '') return { token, from: 'query' }
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')
  if (bearer !== null) return { token: bearer[1]!, from: 'authorization' }
  const value = cookie === undefined ? null : cookieValue(headers.cookie ?? '', cookie)
  if (value === null) throw notAuthenticated('no credentials')
  // A browser sends cookies whoever's page it is: only an Origin, which has been checked, tells that it is ours.
  if (headers.origin === undefined) throw new Refusal(CloseCode.forbidden, 403, 'a cookie needs an origin')
  return { token: value, from: 'cookie' }
}

function cookieValue (header: string, name: string): string | null {
  for (const pair of header.split(';')) {
    const at = pair.indexOf('=')
    if (at === -1 || pair.slice(0, at).trim() !== name) continue
    const value = pair.slice(at + 1).trim().replace(/^"(.*)"$/, '$1')
    try {
      return value === '' ? null : decodeURIComponent(value)
    } catch {
      return value
    }
  }
  return null
}
