import { WebSocket } from 'ws'
import { Link } from '../../../lib/client/index.js'
import type { SocketConstructor } from '../../../lib/client/index.js'
import { given, serve } from '../child.js'

/** Clients with sessions, in a process of their own. */

export interface LoadOptions {
  port: number
  clients: number
}

/** Since `mark`. */
export interface Back {
  /** Clients that were let in again. */
  back: number
  /** Those of them that went on with their session. */
  resumed: number
  /** Sessions that were gone. */
  reset: number
  failed: number
  /** Sockets opened, and how those that are closed ended, by code. */
  attempts: number
  closes: Record<string, number>
}

/** Clients that connect at once before the storm. */
const CONNECTING = 50
/** How long the last echoes may take, in milliseconds. */
const ECHO_MS = 10_000

const { port, clients } = given<LoadOptions>()
let attempts = 0
let closes: Record<string, number> = {}

class CountedSocket extends WebSocket {
  constructor (url: string, protocols: string[]) {
    super(url, protocols, { perMessageDeflate: false })
    attempts++
    this.on('close', (code) => { closes[code] = (closes[code] ?? 0) + 1 })
  }
}

/** One client: what it sends is said back, once and in order, whatever happens in between. */
class Client {
  readonly #link: Link
  #sent = 0
  echoed = 0
  joined = 0
  resumed = 0
  reset = 0
  failed = false

  constructor () {
    this.#link = new Link({ url: `ws://127.0.0.1:${port}/signaling`, token: 'anybody', WebSocket: CountedSocket as unknown as SocketConstructor })
    this.#link.on('joined', ({ resumed }) => {
      this.joined++
      if (resumed) this.resumed++
    })
    this.#link.on('reset', () => {
      this.reset++
      // What was on its way is lost with the session.
      this.echoed = this.#sent
    })
    this.#link.on('failed', () => { this.failed = true })
    this.#link.on('mediaEvent', (event) => {
      if (event !== String(this.echoed)) throw new Error(`a lost, repeated or reordered echo: ${String(event)} after ${this.echoed}`)
      this.echoed++
    })
    this.#link.join()
  }

  get isWhole (): boolean {
    return this.echoed === this.#sent
  }

  send (): void {
    this.#link.send(String(this.#sent++))
  }

  mark (): void {
    this.joined = this.resumed = this.reset = 0
  }
}

const all: Client[] = []

serve({}, {
  /** How many are in, before the storm. */
  in: () => ({ joined: count(({ joined }) => joined > 0) }),
  mark () {
    attempts = 0
    closes = {}
    for (const client of all) {
      client.mark()
      // Under way when it breaks, or soon after.
      client.send()
    }
    return {}
  },
  back: (): Back => ({
    back: count(({ joined }) => joined > 0),
    resumed: count(({ resumed }) => resumed > 0),
    reset: count(({ reset }) => reset > 0),
    failed: count(({ failed }) => failed),
    attempts,
    closes
  }),
  /** How many clients have not had each echo. */
  async echoes (): Promise<{ missing: number }> {
    for (const client of all) client.send()
    const deadline = performance.now() + ECHO_MS
    while (all.some(({ isWhole }) => !isWhole) && performance.now() < deadline) await moment()
    return { missing: count(({ isWhole }) => !isWhole) }
  }
})

while (all.length < clients) {
  for (let waiting = count(({ joined }) => joined === 0); waiting < CONNECTING && all.length < clients; waiting++) all.push(new Client())
  await moment()
}

function count (is: (client: Client) => boolean): number {
  return all.filter(is).length
}

async function moment (): Promise<void> {
  await new Promise((resolve) => { setTimeout(resolve, 10) })
}
