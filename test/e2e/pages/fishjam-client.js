/* global window */
import { FishjamClient } from '@fishjam-cloud/ts-client'

/** Fishjam's client as it comes from npm, and a list of what it says. */

const EVENTS = [
  'authSuccess', 'authError', 'joined', 'joinError', 'socketClose', 'reconnectionStarted', 'reconnected', 'reconnectionRetriesLimitReached'
]

const heard = []

window.fishjam = {
  connect (url, token, reconnect) {
    const client = new FishjamClient({ reconnect })
    for (const event of EVENTS) {
      client.on(event, (detail) => heard.push({ event, detail: typeof detail === 'string' ? detail : detail?.reason ?? null }))
    }
    // The same is told by events.
    client.connect({ url, token, peerMetadata: {} }).catch(() => {})
  },

  heard: (event) => heard.filter((each) => each.event === event).map(({ detail }) => detail)
}
