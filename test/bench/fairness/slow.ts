import { given, serve } from '../child.js'
import type { Upstream } from '../child.js'
import { Client } from './client.js'
import { FROZEN_ID, HEARTBEAT_MS, SLOW, SLOW_ID } from './scenarios.js'

/** Clients behind a slow network, which say now and then that they are there; and one that stops reading. */

export interface SlowOptions extends Upstream {
  /** Where the slow network begins. */
  slowPort: number
  /** Whether most of the slow have an end of their own. */
  sessions: boolean
}

const ALIVE_MS = HEARTBEAT_MS / 2

const { port, slowPort, sessions } = given<SlowOptions>()
const slow = await Promise.all(Array.from({ length: SLOW.clients }, (_, i) => Client.join(slowPort, `${SLOW_ID}-${i}`, sessions && i >= SLOW.plain ? 'session' : 'plain')))
const frozen = await Client.join(port, FROZEN_ID, 'plain')

for (const { socket } of [frozen, ...slow]) {
  // That they are cut is what they are here for.
  socket.removeAllListeners('error').on('error', () => {})
}
setInterval(() => { for (const client of slow) client.send('{"type":"alive"}') }, ALIVE_MS)

serve({}, { freeze () { frozen.socket.pause() } })
