/** What is compared: who relays, between which clients and which media server. */

/** How clients speak: plain WebSocket, with an end of the session of their own, or no WebSocket at all. */
export type LinkKind = 'plain' | 'session' | 'bare'

/** A hook that each event passes on its way up. */
export type HookKind = 'none' | 'sync' | 'async'

/**
 * Bytes that may be under way on the trunk, each way: enough for a media server that shares a core with the load, and so is
 * not always there to give credit.
 */
export const WINDOW_BYTES = 4 * 1024 * 1024

export interface Variant {
  readonly name: string
  /** Modules; null: clients connect to the media server itself. */
  readonly relay: string | null
  readonly echo: string
  readonly link: LinkKind
  readonly hook: HookKind
}

const ours = { relay: './relays/trunkline.js', echo: './echoes/trunkline.js', link: 'plain', hook: 'none' } as const
const oneToOne = { echo: './echoes/web-socket.js', link: 'plain', hook: 'none' } as const

export const TRUNKLINE: Variant = { ...ours, name: 'trunkline' }
/** As an app uses it: clients that come back to their session, and a look at each event. */
export const SESSION: Variant = { ...ours, name: 'trunkline session', link: 'session', hook: 'sync' }
export const ASYNC: Variant = { ...ours, name: 'trunkline async', hook: 'async' }
export const HTTP_PROXY: Variant = { ...oneToOne, name: 'http-proxy', relay: './relays/http-proxy.js' }
export const NGINX: Variant = { ...oneToOne, name: 'nginx', relay: './relays/nginx.js' }
/** Its media server says back whole envelopes, as it says back whole events to others. */
export const NAIVE: Variant = { ...oneToOne, name: 'naive', relay: './relays/naive.js' }
/** A floor, not an alternative. */
export const NET: Variant = { name: 'net', relay: './relays/net.js', echo: './echoes/net.js', link: 'bare', hook: 'none' }
/** The same with as few system calls as can be: below it there is nothing but another language. */
export const NET_CORKED: Variant = { ...NET, name: 'net corked', relay: './relays/net-corked.js' }
/** Of its round trips all is load and media server: what others take beyond it is theirs. */
export const DIRECT: Variant = { ...oneToOne, name: 'direct', relay: null }
