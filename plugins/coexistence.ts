import type { FastifyInstance } from 'fastify'
import { Http2Error, ProxyOrderError, ProxyPrefixError } from '../lib/errors.js'

/**
 * What cannot work beside us, at registration.
 * @throws Http2Error clients could not connect
 */
export function refuseHttp2 (app: FastifyInstance): void {
  // With serverFactory, whoever made the server knows.
  const { http2, https } = app.initialConfig
  if (http2 === true && !(typeof https === 'object' && https.allowHTTP1 === true)) throw new Http2Error()
}

/**
 * What can be told only when the whole app is there.
 * @param routes of ours, with their prefixes
 * @param isBroughtByApp whether the app has registered @fastify/websocket itself, so that it answers every upgrade
 * @throws ProxyOrderError an upgrade that is proxied would end the process
 * @throws ProxyPrefixError our clients would not get through to us
 */
export function refuseProxies (app: FastifyInstance, routes: string[], isBroughtByApp: boolean): void {
  const proxy = proxyOf(app.server)
  if (proxy === null) return
  const listeners = app.server.listeners('upgrade')
  const websocket = listeners.findIndex(({ name }) => name === 'onUpgrade')
  if (isBroughtByApp && websocket !== -1 && websocket < listeners.indexOf(proxy.listener)) throw new ProxyOrderError()
  for (const prefix of proxy.prefixes) {
    const base = prefix.replace(/\/$/, '')
    const route = routes.find((each) => each === base || each.startsWith(`${base}/`))
    if (route !== undefined) throw new ProxyPrefixError(prefix, route)
  }
}

/** What @fastify/http-proxy with `websocket: true` leaves on the server, under symbols of its own; there is no other trace of it. */
function proxyOf (server: object): { listener: () => void, prefixes: string[] } | null {
  const left = (description: string): unknown => {
    const symbol = Object.getOwnPropertySymbols(server).find((each) => each.description === description)
    return symbol === undefined ? undefined : (server as Record<symbol, unknown>)[symbol]
  }
  const [listener, prefixes] = [left('wsUpgradeListener'), left('wsPrefixes')]
  return typeof listener === 'function' && Array.isArray(prefixes) ? { listener: listener as () => void, prefixes: prefixes as string[] } : null
}
