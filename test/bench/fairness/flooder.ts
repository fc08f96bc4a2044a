import { FRAMINGS } from '../load/framing.js'
import { given, serve } from '../child.js'
import type { Upstream } from '../child.js'
import { Client } from './client.js'
import { FLOOD_EVENT_BYTES, FLOOD_ID } from './scenarios.js'
import type { ClientKind } from './scenarios.js'

/** One client that sends as fast as its connection takes it, whatever it is told, or that reads as fast as it can. */

export interface FlooderOptions extends Upstream {
  kind: ClientKind
}

/** Frames that are written at once: the cost of writing is not to be what bounds the flood. */
const FRAMES = 16

const { port, kind } = given<FlooderOptions>()
const client = await Client.join(port, FLOOD_ID, kind)
const frame = FRAMINGS.plain.prepare(Buffer.alloc(FLOOD_EVENT_BYTES, 'f')).bytes
const block = Buffer.concat(Array.from({ length: FRAMES }, () => frame))
let received = 0
let since = performance.now()
client.listen(() => { received++ })

serve({}, {
  flood () {
    client.raw.on('drain', flood)
    flood()
  },
  /** Events per second that came here, since this was last asked. */
  floodRate () {
    const now = performance.now()
    const rate = received * 1_000 / (now - since)
    received = 0
    since = now
    return rate
  }
})

function flood (): void {
  while (client.raw.write(block));
}
