import type { Upstream } from '../child.js'

/** The Janus that a relay is told of. */
export interface JanusUpstream extends Upstream {
  apiSecret: string
}

/** What a relay hears from a client, and passes on: a whole request of the Janus API. */
export interface ClientRequest {
  janus: string
  transaction: string
  session_id?: number
  handle_id?: number
  plugin?: string
  body?: object
  candidate?: object
  [further: string]: unknown
}

export const PLUGIN = 'janus.plugin.videoroom'
export const SUBPROTOCOL = 'janus-protocol'
