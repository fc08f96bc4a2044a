import { LINK_SUBPROTOCOL } from '../../lib/session/messages.js'
import { RawClient } from '../attackers/raw-client.js'
import type { Random } from '../sim/random.js'
import { fishjamAuth, fishjamMessage, linkJoin, linkMessage, plainMessage, webSocketFrame } from './corpus.js'
import type { Message } from './corpus.js'
import { mutate } from './mutate.js'
import { FuzzSocket, STUCK_MS } from './socket.js'
import { Source } from './source.js'
import type { Stage } from './stage.js'
import { closed, share } from './target.js'
import type { Tally, Target } from './target.js'
import { within } from './watch.js'

/** Messages until the next ping: only then is looked whether the link is still there. */
const BURST = 40
const BURSTS = 8
const WORKERS = 8
const IDENTITY = { roomId: 'fuzz' }
const TOKEN = JSON.stringify(IDENTITY)

interface Kind {
  path: string
  protocols: string[]
  valid: (random: Random) => Message
  first: Message | null
}

const KINDS: Kind[] = [
  { path: `/signaling?token=${encodeURIComponent(TOKEN)}`, protocols: [], valid: plainMessage, first: null },
  { path: '/signaling', protocols: [LINK_SUBPROTOCOL], valid: linkMessage, first: linkJoin(IDENTITY) },
  { path: '/socket/peer/websocket', protocols: [], valid: fishjamMessage, first: fishjamAuth(TOKEN) }
]

/** The clients' side of an app: hostile clients of each kind, before and after they are let in, above and below messages. */
export const clients: Target = async (stage, seed, from, to, counts) => {
  await share(WORKERS, from, to, async (from, to) => {
    const source = new Source(seed)
    for (let n = from; n < to && !stage.violations.any;) {
      const random = source.random(-n - 1)
      const kind = random.pick(KINDS)
      n = random.chance(0.2) ? await belowMessages(stage, source, kind, random, n, to, counts) : await messages(stage, source, kind, random, n, to, counts)
    }
  })
}

async function messages (stage: Stage, source: Source, { path, protocols, valid, first }: Kind, random: Random, from: number, to: number, counts: Tally): Promise<number> {
  const { host } = random.pick(stage.backends)
  const socket = await FuzzSocket.connect(`ws://${host}${path}`, protocols, {}, (data) => stage.check('a hostile client', data))
  counts.connections++
  if (socket === null) {
    closed(counts, 1006)
    return from
  }
  // Some speak before they are let in.
  if (first !== null && random.chance(0.8)) {
    socket.send(first.data, first.binary)
    // Those that say more in one piece with it are sent away.
    if (random.chance(0.9)) await socket.settled()
  }
  let n = from
  for (let burst = 0; burst < BURSTS && n < to && socket.code === null; burst++) {
    for (let i = 0; i < BURST && n < to; i++, n++) {
      const { data, binary } = source.message(n, valid)
      socket.send(data, binary)
      counts.messages++
    }
    if (!await socket.settled()) stage.violations.add(`a client was neither answered nor closed after message ${n}: ${path}`)
  }
  const code = socket.code
  if (code !== null) closed(counts, code)
  else if (!await socket.end(random.pick([1000, 1001, 4005, 4400, null]))) stage.violations.add(`a client could not say goodbye after message ${n}: ${path}`)
  return n
}

/** What stands in the bytes of a connection: its messages begin and end anywhere. */
async function belowMessages (stage: Stage, source: Source, { path, protocols, valid, first }: Kind, random: Random, from: number, to: number, counts: Tally): Promise<number> {
  const { host } = random.pick(stage.backends)
  const client = RawClient.ask(host, path, protocols.length === 0 ? {} : { 'sec-websocket-protocol': protocols[0]! })
  client.socket.on('data', (data) => stage.check('a hostile client', data))
  counts.connections++
  await client.answered.catch(() => '')
  const bytes: Buffer[] = first !== null && random.chance(0.8) ? [webSocketFrame(random, first)] : []
  let n = from
  for (let i = 0; i < BURST && n < to; i++, n++) {
    const frame = webSocketFrame(source.random(n), source.message(n, valid))
    bytes.push(random.chance(0.1) ? mutate(random, frame, bytes[0] ?? frame) : frame)
    counts.messages++
  }
  await client.write(Buffer.concat(bytes))
  // Half of them let the server find out that they are gone.
  if (random.chance(0.5)) client.socket.end()
  else if (random.chance(0.5)) client.socket.resetAndDestroy()
  else client.socket.destroy()
  if (!await within(STUCK_MS, () => client.socket.closed)) stage.violations.add(`a connection is neither closed nor let go of after message ${n}: ${path}`)
  client.socket.destroy()
  closed(counts, await client.closed)
  return n
}
