import { LINK_SUBPROTOCOL } from '../../lib/session/messages.js'
import { messageOf } from '../../lib/trunk/codec.js'
import { codecs } from '../../lib/trunk/channel.js'
import { fishjamAuth, linkJoin, trunkMessage } from './corpus.js'
import type { Message, Subject } from './corpus.js'
import { FuzzSocket, STUCK_MS } from './socket.js'
import { Source } from './source.js'
import type { Backend, Stage } from './stage.js'
import { closed } from './target.js'
import type { Tally, Target } from './target.js'
import { within } from './watch.js'

const BURST = 100
/** One in so many messages that cannot be decoded is said: each costs a trunk, and all its sessions begin to resume. */
const MALFORMED_ONE_IN = 50
const VICTIMS = ['plain', 'link', 'fishjam'] as const

/**
 * The backend's side of the trunk: a media server that answers as it should, and says anything besides, of the sessions of
 * its victims and of none. Of the canaries it says nothing: what it says in their names it may say.
 */
export const mediaServer: Target = async (stage, seed, from, to, counts) => {
  const middle = Math.floor((from + to) / 2)
  await Promise.all(stage.backends.map(async (backend, i) => {
    const victims = VICTIMS.map((kind) => new Victim(stage, backend, kind, `victim-${i}-${kind}`))
    await hostile(stage, backend, victims, new Source(seed ^ 0x2545f491), i === 0 ? from : middle, i === 0 ? middle : to, counts)
    for (const victim of victims) await victim.leave()
  }))
}

async function hostile (stage: Stage, backend: Backend, victims: Victim[], source: Source, from: number, to: number, counts: Tally): Promise<void> {
  const codec = codecs.get(backend.encoding === 'json' ? 'trunkline.v1.json' : 'trunkline.v1')!
  let subjects: Subject[] = []
  let since = 0
  for (let n = from; n < to && !stage.violations.any; n++) {
    if (since-- <= 0) {
      since = BURST
      await isUp(stage, backend, n)
      for (const victim of victims) await victim.comeBack(counts)
      subjects = victims.map(({ peerId }) => ({ peerId, epoch: stage.endpoint.peer(peerId)?.epoch ?? 1 }))
    }
    const message = source.message(n, (random) => trunkMessage(random, backend.encoding, subjects))
    counts.messages++
    if (isValid(message, codec)) {
      backend.say(message)
      if (since === 0) await settled(stage, backend, n)
    } else if (source.random(-n - 1).chance(1 / MALFORMED_ONE_IN)) {
      await malformed(stage, backend, message, n, counts)
      since = 0
    } else {
      // The same bytes, as the media event of a victim: they are opaque there.
      const { peerId, epoch } = subjects[n % subjects.length]!
      backend.say({ data: messageOf(codec, [{ kind: 'binary', peerId, epoch, body: message.data }]), binary: codec.binary })
    }
  }
}

function isValid ({ data, binary }: Message, codec: { binary: boolean, decode (data: Buffer): unknown }): boolean {
  try {
    codec.decode(data)
    return binary === codec.binary
  } catch {
    return false
  }
}

/** There is a trunk, at both ends, and all that was said on it has been read. */
async function isUp (stage: Stage, backend: Backend, n: number): Promise<void> {
  const { app, encoding } = backend
  if (!await within(STUCK_MS, () => backend.trunk!.readyState === backend.trunk!.OPEN && app.trunkline.trunk.state === 'up')) stage.violations.add(`the ${encoding} trunk is not back before message ${n}`)
  await settled(stage, backend, n)
}

/** The backend closes the trunk with 1002, and is back with another one. */
async function malformed (stage: Stage, backend: Backend, { data, binary }: Message, n: number, counts: Tally): Promise<void> {
  await isUp(stage, backend, n)
  const { app, trunk, encoding } = backend
  // What was said before may have closed it too.
  if (trunk!.readyState !== trunk!.OPEN) return
  let code: number | null = null
  trunk!.once('close', (said) => { code = said })
  trunk!.send(data, { binary })
  if (!await within(STUCK_MS, () => code !== null)) stage.violations.add(`the ${encoding} trunk is not closed after message ${n}, which cannot be decoded: ${data.toString('hex').slice(0, 200)}`)
  else closed(counts, code!)
  counts.connections++
  if (!await within(STUCK_MS, () => app.trunkline.trunk.state === 'up')) stage.violations.add(`the ${encoding} trunk is not back after message ${n}`)
}

async function settled (stage: Stage, { trunk, encoding }: Backend, n: number): Promise<void> {
  if (trunk!.readyState !== trunk!.OPEN) return
  let answered = (): void => {}
  const isStuck = await new Promise<boolean>((resolve) => {
    const stuck = setTimeout(() => resolve(true), STUCK_MS)
    answered = () => {
      clearTimeout(stuck)
      resolve(false)
    }
    trunk!.once('pong', answered)
    trunk!.once('close', answered)
    trunk!.ping()
  })
  if (isStuck) stage.violations.add(`the ${encoding} trunk is not read after message ${n}`)
  trunk!.off('pong', answered)
  trunk!.off('close', answered)
}

/** A client that frames are about: whatever they do to it, it comes again. */
class Victim {
  readonly peerId: string
  readonly #stage: Stage
  readonly #backend: Backend
  readonly #kind: typeof VICTIMS[number]
  #socket: FuzzSocket | null = null

  constructor (stage: Stage, backend: Backend, kind: typeof VICTIMS[number], peerId: string) {
    this.#stage = stage
    this.#backend = backend
    this.#kind = kind
    this.peerId = peerId
  }

  async comeBack (counts: Tally): Promise<void> {
    const { host, app } = this.#backend
    const code = this.#socket?.code ?? null
    if (this.#socket !== null && code === null) return
    if (code !== null) closed(counts, code)
    counts.connections++
    const token = JSON.stringify({ roomId: 'fuzz', peerId: this.peerId })
    const [path, protocols] = this.#kind === 'fishjam' ? ['/socket/peer/websocket', []] : this.#kind === 'link' ? ['/signaling', [LINK_SUBPROTOCOL]] : [`/signaling?token=${encodeURIComponent(token)}`, []]
    this.#socket = await FuzzSocket.connect(`ws://${host}${path}`, protocols, {}, (data) => this.#stage.check(this.peerId, data))
    if (this.#kind === 'fishjam') this.#socket?.send(fishjamAuth(token).data, true)
    if (this.#kind === 'link') this.#socket?.send(linkJoin({ roomId: 'fuzz', peerId: this.peerId }).data, true)
    if (!await within(STUCK_MS, () => app.trunkline.peers.get(this.peerId)?.state === 'joined' || this.#socket?.code !== null)) this.#stage.violations.add(`${this.peerId} is not let in`)
  }

  async leave (): Promise<void> {
    await this.#socket?.end(1000)
    this.#socket = null
    // The honest half of the media server does not know what the other one has closed.
    this.#stage.endpoint.peer(this.peerId)?.close()
  }
}
