import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { mayReconnect } from '../../../lib/close-codes.js'
import { ManualClock } from '../../../lib/testing/index.js'
import { silentLogger } from '../../../lib/logger.js'
import { Hooks } from '../../../lib/relay/hooks.js'
import type { Claim, JoinAnswer, Link } from '../../../lib/relay/link.js'
import type { Accepted, Attachment, AttachmentReceiver, MediaServer, MediaServerStats, MediaServerObserver, OpenRequest, Status } from '../../../lib/relay/media-server.js'
import type { LeaveCause, Peer } from '../../../lib/relay/peer.js'
import { Refusal } from '../../../lib/relay/refusal.js'
import { Relay } from '../../../lib/relay/relay.js'
import { Turnstile } from '../../../lib/relay/turnstile.js'

// The relay between links and a media server that are both plain models: whatever meets whatever, one link at a time has a
// peer, what the others still say reaches nobody, each peer that joined leaves once, and the media server learns of each end.

const IDS = ['a', 'b', 'c']
const WINDOW_MS = 10_000

/** A media server that keeps one session for each id, and answers when it is told to. */
class ModelServer implements MediaServer {
  readonly address = 'model'
  readonly #clock: ManualClock
  readonly isHere: (id: string, key: string) => boolean
  readonly keepsSessions = true
  readonly resumeMs = WINDOW_MS
  readonly sessions = new Map<string, { key: string, oldKey: string, attachment: ModelAttachment }>()
  readonly asked: ModelAttachment[] = []
  readonly heard: Array<{ by: ModelAttachment, text: string }> = []
  observer!: MediaServerObserver
  up = false
  keys = 0
  /** When the trunk was lost under a session: there its window begins. */
  readonly cutAt = new Map<string, number>()

  constructor (clock: ManualClock, isHere: (id: string, key: string) => boolean) {
    this.#clock = clock
    this.isHere = isHere
  }

  start (observer: MediaServerObserver): void {
    this.observer = observer
  }

  open (request: OpenRequest, receiver: AttachmentReceiver): Attachment {
    assert.ok(this.up, 'opened without a trunk')
    // As the driver does: who is replaced hears nothing more.
    for (const other of [...this.asked, ...[...this.sessions.values()].map(({ attachment }) => attachment)]) if (other.receiver === receiver) other.deaf = true
    const attachment = new ModelAttachment(request, receiver, this)
    this.asked.push(attachment)
    return attachment
  }

  answer (): void {
    const attachment = this.asked.shift()
    if (attachment === undefined) return
    const { peerId, key } = attachment.request
    const session = this.sessions.get(peerId)
    if (session !== undefined && key !== '' && session.key !== key && session.oldKey !== key) {
      attachment.hear(({ refused }) => refused.call(attachment.receiver, { code: 4409, reason: 'newer' }))
      return
    }
    if (attachment.request.resumeOnly && session?.key !== key) {
      attachment.hear((receiver) => receiver.refused({ code: 4001, reason: 'gone' }))
      return
    }
    const resumed = session !== undefined && key !== '' && session.key === key
    const newKey = resumed ? key : `key-${++this.keys}`
    // Answered, and closed by a backend that does not want it any more.
    if (attachment.closed) {
      this.sessions.delete(peerId)
      return
    }
    session?.attachment.hear((receiver) => receiver.closed({ code: 4409, reason: 'moved' }))
    if (session !== undefined) session.attachment.deaf = true
    attachment.open = true
    attachment.unheard = attachment.deaf
    this.cutAt.delete(peerId)
    this.sessions.set(peerId, { key: newKey, oldKey: resumed ? session.oldKey : key, attachment })
    attachment.hear((receiver) => receiver.opened({ key: newKey, resumed, received: 0, windowBytes: 1000 }))
  }

  cut (): void {
    this.up = false
    // What was said of an end, and lost with the trunk, is found out by the session's window.
    for (const { request, closed } of this.asked) if (closed) this.cutAt.set(request.peerId, -Infinity)
    for (const attachment of [...this.asked.splice(0), ...[...this.sessions.values()].map((session) => session.attachment)]) {
      attachment.deaf = true
      attachment.open = false
    }
    for (const id of this.sessions.keys()) this.detached(id)
    this.observer.state({ state: 'down', cause: { code: 1006, reason: '' }, retryMs: 1 })
  }

  connect (): void {
    this.up = true
    this.observer.state({ state: 'up', serverId: 'm', protocol: 'model' })
  }

  /** Its window begins. One that nobody here has any more is the media server's to end. */
  detached (id: string): void {
    if (!this.cutAt.has(id)) this.cutAt.set(id, this.isHere(id, this.sessions.get(id)?.key ?? '') ? this.#clock.now() : -Infinity)
  }

  leave ({ peerId, key }: { peerId: string, key: string }): void {
    assert.ok(this.up, 'told without a trunk')
    const session = this.sessions.get(peerId)
    if (session?.key === key && !session.attachment.open) this.sessions.delete(peerId)
  }

  stats (): MediaServerStats {
    return { sockets: this.up ? 1 : 0, waitingBytes: 0, waitingPeers: 0, underWayBytes: 0, windowBytes: 0, dropped: {} }
  }

  async stop (): Promise<void> {}
}

class ModelAttachment implements Attachment {
  readonly bufferedBytes = 0
  readonly request: OpenRequest
  readonly receiver: AttachmentReceiver
  readonly #server: ModelServer
  open = false
  closed = false
  deaf = false
  /** Whether its answer, and with it the key, has reached nobody. */
  unheard = false

  constructor (request: OpenRequest, receiver: AttachmentReceiver, server: ModelServer) {
    this.request = request
    this.receiver = receiver
    this.#server = server
  }

  hear (say: (receiver: AttachmentReceiver) => void): void {
    if (!this.deaf && !this.closed) say(this.receiver)
  }

  send (data: Buffer): Accepted {
    if (!this.open) return 'full'
    this.#server.heard.push({ by: this, text: data.toString() })
    return 'taken'
  }

  skip (): 'taken' { return 'taken' }
  ack (): void {}
  detach (): void {
    if (this.open) this.#server.detached(this.request.peerId)
  }

  close (): void {
    this.closed = true
    if (this.open && this.#server.sessions.get(this.request.peerId)?.attachment === this) this.#server.sessions.delete(this.request.peerId)
    this.open = false
  }
}

class ModelLink implements Link {
  readonly bufferedBytes = 0
  readonly id: string
  readonly resumes: boolean
  readonly endIsHere: boolean
  readonly claims: boolean
  readonly #latest: Map<string, ModelLink>
  readonly answers: JoinAnswer[] = []
  readonly heard: string[] = []
  /** Whether the relay has let it go. */
  closed = false
  code = 0
  /** Whether it has said that it is gone. */
  gone = false
  rejoins = 0
  session!: ReturnType<Relay<unknown>['enter']>

  constructor (id: string, resumes: boolean, claims: boolean, latest: Map<string, ModelLink>) {
    this.id = id
    this.resumes = resumes
    this.endIsHere = !resumes
    this.claims = claims
    this.#latest = latest
  }

  joined (answer: JoinAnswer): void {
    assert.ok(!this.closed, 'joined after its end')
    if (this.claims && this.answers.length === 0) this.#latest.set(this.id, this)
    this.answers.push(answer)
  }

  suspended (): void {}
  rejoin (): void { this.rejoins++ }

  send (data: Buffer): void {
    assert.ok(!this.closed, 'sent to after its end')
    assert.ok(this.answers.length > 0, 'sent to before it had joined')
    this.heard.push(data.toString())
  }

  skip (): void {}
  recordings (): void {}
  say (): boolean { return true }
  ack (): void {}
  pause (): void {}
  resume (): void {}

  close ({ code }: Status): void {
    assert.ok(!this.closed, 'closed twice')
    this.code = code
    this.closed = true
  }
}

type Step =
  | { do: 'enter', id: number, key: 'none' | 'latest' | 'first' | 'wrong', own: boolean, resumes: boolean }
  | { do: 'uplink' | 'ask', link: number }
  | { do: 'end', link: number, cause: LeaveCause }
  | { do: 'downlink' | 'serverClose' | 'kick', id: number }
  | { do: 'answer' | 'cut' | 'connect' }
  | { do: 'advance', ms: number }

const anyId = fc.nat(IDS.length - 1)
const anyLink = fc.nat(30)
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('enter' as const), id: anyId, key: fc.constantFrom('none' as const, 'latest' as const, 'latest' as const, 'first' as const, 'wrong' as const), own: fc.boolean(), resumes: fc.boolean() }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('uplink' as const, 'uplink' as const, 'ask' as const), link: anyLink }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('end' as const), link: anyLink, cause: fc.constantFrom<LeaveCause>('link lost', 'client', 'too slow') }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('downlink' as const, 'downlink' as const, 'serverClose' as const, 'kick' as const), id: anyId }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('answer' as const, 'answer' as const, 'answer' as const, 'cut' as const, 'connect' as const, 'connect' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.constantFrom(100, 6_000, WINDOW_MS) }) }
)

const turn = async (): Promise<void> => { await new Promise((resolve) => setImmediate(resolve)) }

class History {
  readonly clock = new ManualClock()
  readonly server = new ModelServer(this.clock, (id, key) => this.relay.peers.get(id)?.title.isHeldBy(key) === true)
  readonly hooks = new Hooks<unknown>(5_000, this.clock)
  readonly relay: Relay<unknown>
  readonly links: ModelLink[] = []
  /** Which link the relay took last for each id. */
  readonly latest = new Map<string, ModelLink>()
  readonly keys = new Map<string, string[]>()
  readonly told = new Map<Peer, string[]>()
  #sent = 0

  constructor () {
    this.hooks.add('onPeerJoin', (peer) => { this.told.set(peer, ['join']) })
    this.hooks.add('onPeerLeave', (peer) => { this.told.get(peer)!.push('leave') })
    this.relay = new Relay({
      mediaServer: this.server,
      hooks: this.hooks,
      duplicate: 'replace',
      limits: { peers: 100, detachedPeers: 100, bufferedBytes: 1e9, uplinkQueueBytes: 1e6, downlinkQueueBytes: 1e6, openMs: 5_000, trunkDownMs: 20_000, resumeMs: WINDOW_MS },
      token: { refreshMs: 1, graceMs: 1 },
      turnstile: new Turnstile({ authPerSecond: 1_000, concurrentAuth: 64, waitingAuth: 1_000 }, this.clock),
      clock: this.clock,
      log: silentLogger
    })
    this.relay.start()
    this.server.connect()
  }

  run (step: Step): void {
    switch (step.do) {
      case 'enter': this.#enter(step); break
      case 'uplink': this.#with(step.link, (link) => this.#uplink(link)); break
      case 'ask': this.#with(step.link, (link) => { if (link.rejoins > 0) link.session.ask({ key: this.keys.get(link.id)?.at(-1) ?? '', received: 0, asker: '', turn: 0 }) }); break
      case 'end': this.#with(step.link, (link) => {
        link.gone = true
        link.session.end({ code: step.cause === 'client' ? 1000 : 1006, reason: '', cause: step.cause })
      }); break
      case 'downlink': {
        const attachment = this.server.sessions.get(IDS[step.id]!)?.attachment
        const latest = this.latest.get(IDS[step.id]!)
        const before = new Map(this.links.map((link) => [link, link.heard.length]))
        attachment?.hear((receiver) => receiver.event(Buffer.from('down'), false))
        for (const link of this.links) if (link !== latest) assert.equal(link.heard.length, before.get(link), 'an event for one that is not the latest')
        break
      }
      case 'serverClose': {
        const session = this.server.sessions.get(IDS[step.id]!)
        this.server.sessions.delete(IDS[step.id]!)
        session?.attachment.hear((receiver) => receiver.closed({ code: 4410, reason: 'removed' }))
        break
      }
      case 'kick': this.relay.kick(IDS[step.id]!, 'kicked'); break
      case 'answer': this.server.answer(); this.#learnKeys(); break
      case 'cut': if (this.server.up) this.server.cut(); break
      case 'connect': if (!this.server.up) this.server.connect(); break
      case 'advance': this.clock.advance(step.ms); break
    }
  }

  check (): void {
    const living = [...this.relay.peers]
    // Who but claims an id is not to be seen yet.
    const open = this.links.filter((link) => !link.closed && !(link.claims && link.answers.length === 0))
    assert.equal(open.length, living.filter(({ state }) => state !== 'detached').length, 'as many open links as peers that have one')
    for (const link of open) {
      assert.equal(this.latest.get(link.id), link, 'only the latest link of an id is open')
      assert.ok(this.relay.peers.get(link.id) !== undefined)
    }
    for (const events of this.told.values()) assert.match(events.join(' '), /^join( leave)?$/)
    this.server.heard.length = 0
  }

  /** Everybody goes; the media server is to know of nobody any more. */
  async finish (): Promise<void> {
    await turn()
    if (!this.server.up) this.server.connect()
    for (const link of this.links) if (!link.closed) link.session.end({ code: 1000, reason: '', cause: 'client' })
    while (this.server.asked.length > 0) this.server.answer()
    // One whose answer nobody has heard can be asked for by nobody: it, too, ends with its window.
    const isLate = (id: string): boolean => this.server.sessions.get(id)!.attachment.unheard || this.clock.now() - (this.server.cutAt.get(id) ?? Infinity) >= WINDOW_MS
    // And who was told to come back may.
    const ghosts = [...this.server.sessions.keys()].filter((id) => this.relay.peers.get(id) === undefined && !isLate(id) && !this.links.some((link) => link.id === id && link.resumes && mayReconnect(link.code)))
    assert.deepEqual(ghosts, [], 'sessions whose end nobody has told the media server')
    this.clock.advance(WINDOW_MS)
    while (this.server.asked.length > 0) this.server.answer()
    await turn()
    assert.equal(this.relay.peers.size, 0)
    for (const events of this.told.values()) assert.equal(events.join(' '), 'join leave')
    await this.relay.drain()
    assert.equal(this.clock.timers, 0, 'timers are left')
  }

  #enter ({ id, key, own, resumes }: Extract<Step, { do: 'enter' }>): void {
    const name = IDS[id]!
    const keys = this.keys.get(name) ?? []
    const claim: Claim = { peerId: key === 'none' ? null : name, received: 0, asker: '', turn: 0, key: { none: '', wrong: 'wrong', latest: keys.at(-1) ?? '', first: keys[0] ?? '' }[key] }
    const isOwn = own || claim.key === ''
    const link = new ModelLink(name, resumes, !isOwn && this.relay.peers.get(name) === undefined, this.latest)
    const before = this.latest.get(name)
    const wasOpen = before?.closed === false
    try {
      // Without an id of the app's own, one that claims nothing is somebody new, whom this test does not follow.
      link.session = this.relay.enter({ peerId: isOwn ? name : null, roomId: 'r', subject: 'anybody', metadata: null, metadataText: 'null', expiresAt: null }, link, claim, silentLogger)
    } catch (error) {
      assert.ok(error instanceof Refusal)
      assert.ok(claim.key !== '', 'only who shows a key can be wrong')
      if (wasOpen) assert.equal(before.closed, false, 'a loser pushed the winner out')
      return
    }
    this.links.push(link)
    if (link.claims) return
    if (before !== undefined) assert.equal(before.closed, true, 'the one before is let go of at once')
    this.latest.set(name, link)
  }

  #uplink (link: ModelLink): void {
    const text = String(this.#sent++)
    const wasJoined = this.relay.peers.get(link.id)?.state === 'joined'
    const isLatest = this.latest.get(link.id) === link && !link.closed
    link.session.uplink(Buffer.from(text), false)
    const arrived = this.server.heard.some((event) => event.text === text)
    // One whose onPeerJoin is still running waits in its lane.
    if (arrived) assert.ok(isLatest && wasJoined, 'an event of a link that is not the latest')
  }

  #with (index: number, act: (link: ModelLink) => void): void {
    const link = this.links[index % (this.links.length || 1)]
    if (link !== undefined) act(link)
  }

  #learnKeys (): void {
    for (const [id, { key }] of this.server.sessions) {
      const keys = this.keys.get(id) ?? []
      if (!keys.includes(key)) this.keys.set(id, [...keys, key])
    }
  }
}

t.test('whatever meets whatever at the relay', async (t) => {
  await fc.assert(fc.asyncProperty(fc.array(anyStep, { maxLength: 80, size: 'max' }), async (steps) => {
    const history = new History()
    for (const step of steps) {
      history.run(step)
      history.check()
      // Hooks run in turns of their own: now and then they get one.
      if (step.do === 'answer') await turn()
    }
    await history.finish()
  }), { numRuns: Number(process.env.RELAY_RUNS ?? 1_000) })
  t.pass('the property holds')
})
