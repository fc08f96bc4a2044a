import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import { Connections } from '../../lib/connections.js'
import { ClientSocket } from '../../lib/dialects/client-socket.js'
import { trunklineDialect } from '../../lib/dialects/trunkline.js'
import { Drain } from '../../lib/drain.js'
import { Heartbeats } from '../../lib/heartbeat.js'
import { Pins } from '../../lib/pins.js'
import { silentLogger } from '../../lib/logger.js'
import { trunklineServer } from '../../lib/media-servers/trunkline.js'
import { Admission } from '../../lib/relay/admission.js'
import type { CheckedIdentity, Credentials, Identity } from '../../lib/relay/admission.js'
import { Hooks } from '../../lib/relay/hooks.js'
import type { ForwardResult, MediaEvent } from '../../lib/relay/hooks.js'
import { RESTART } from '../../lib/relay/peer.js'
import type { LeaveCause, Peer } from '../../lib/relay/peer.js'
import { refusalOf } from '../../lib/relay/refusal.js'
import { Relay } from '../../lib/relay/relay.js'
import type { Connection } from './network.js'
import { Process } from './process.js'
import { SimSocket } from './sockets.js'
import { fateOf, replaced } from './streams.js'
import type { World } from './world.js'

/** What a token says, and what the media server is told of a client. */
export interface Said {
  client: string
  identity: string | null
  issued: number
}

export interface Upgrade {
  protocols: string[]
  /** Of the query; a client with a session brings one with each `join` instead. */
  token: string
}

/** How late a client may hear what its backend has said. */
const LATE_MS = 3_000

/** A backend: put together as the plugin does it. */
export class Backend extends Process {
  readonly relay: Relay<Said>
  /** Whether it lets nobody in any more, since its successor is there. */
  draining = false
  trunk: Connection | null = null
  /** When its way to the media server was last known to work. */
  lastSound: number
  /** The last time that it did not: how long, and when that ended. */
  outage = { ms: 0, until: 0 }
  readonly #world: World
  readonly #admission: Admission<Upgrade, Said>
  readonly #connections: Connections
  readonly #heartbeats: Heartbeats
  readonly #drain: Drain
  readonly #upgrading = new Set<Connection>()
  #asking = 0
  /** What the app knows of its peers. */
  readonly #told = new Map<Peer<Said>, 'joining' | 'joined' | 'left'>()

  constructor (world: World, name: string) {
    super(name, world.now)
    this.#world = world
    this.lastSound = world.now
    const { settings, encoding, trunkWindowBytes, trunkQueueBytes } = world.setup
    const { limits, heartbeat, token, drain } = settings
    const random = world.random.next
    this.#connections = new Connections({ clock: this.clock, drain, random })
    this.#heartbeats = new Heartbeats(heartbeat.clientMs, this.clock, 10)
    const hooks = new Hooks<Said>(limits.hookMs, this.clock)
    hooks.add('onPeerJoin', async (peer) => await this.#joined(peer))
    hooks.add('onPeerLeave', (peer, { cause }) => this.#left(peer, cause))
    if (world.setup.hooks !== 'none') {
      hooks.add('onUplink', (event, peer) => this.#hook(event, peer))
      hooks.add('onDownlink', (event, peer) => this.#hook(event, peer))
    }
    const dial = (_url: string, [protocol = '']: string[]): WebSocket => {
      const socket = this.has(world.dialTrunk(this, protocol))
      this.trunk = socket.connection
      return socket as unknown as WebSocket
    }
    const driver = trunklineServer({ url: 'ws://media/trunk', token: 'secret', encoding, retry: { baseMs: 80, maxMs: 1_500 }, dial, random: world.random.next })
    this.#admission = new Admission(async (_upgrade, credentials) => await this.#authenticate(credentials), limits, this.clock)
    this.relay = new Relay<Said>({
      mediaServer: driver.create({ clock: this.clock, log: silentLogger, received: (bytes) => this.relay.received(bytes), backendId: name, heartbeatMs: heartbeat.trunkMs, resumeMs: settings.resume.windowMs, windowBytes: settings.resume.windowBytes, windowEvents: settings.resume.windowEvents, peerQueueBytes: limits.uplinkQueueBytes, trunkWindowBytes, trunkQueueBytes, trunkHoldMs: world.setup.trunkHoldMs }),
      hooks,
      duplicate: 'replace',
      limits: { ...limits, trunkDownMs: settings.trunkDownMs, resumeMs: settings.resume.windowMs },
      token,
      turnstile: this.#admission.turnstile,
      clock: this.clock,
      log: silentLogger
    })
    this.#drain = new Drain({
      options: drain,
      perSecond: world.setup.letInPerSecond,
      closeMs: limits.closeMs,
      connections: this.#connections,
      admission: this.#admission,
      relay: this.relay,
      clock: this.clock,
      log: silentLogger,
      random
    })
    this.relay.start()
  }

  get isSound (): boolean {
    return this.alive && !this.draining && this.trunk?.isSound === true && this.relay.trunk.state === 'up'
  }

  /** A moment has passed. */
  look (): void {
    const { now } = this.#world
    if (!this.isSound) return
    if (now - this.lastSound > 1_000) this.outage = { ms: now - this.lastSound, until: now }
    this.lastSound = now
  }

  /** For how long its clients may have been without a media server, as they hear of it. */
  get awayMs (): number {
    const { now } = this.#world
    return Math.max(now - this.lastSound, now - this.outage.until < LATE_MS ? this.outage.ms : 0)
  }

  async connect (connection: Connection, upgrade: Upgrade): Promise<void> {
    const { settings: { limits, heartbeat, resume } } = this.#world.setup
    let identity: CheckedIdentity<Said> | null = null
    this.#upgrading.add(connection)
    try {
      if (trunklineDialect.credentials(upgrade.protocols) === 'upgrade') identity = await this.#admission.admit(upgrade, { token: upgrade.token, from: 'query' })
    } catch (error) {
      connection.down.put({ kind: 'refused', status: refusalOf(error).httpStatus })
      return
    }
    this.#upgrading.delete(connection)
    if (connection.abandoned || !this.alive) return
    const socket = this.has(new SimSocket(connection, 'server'))
    socket.accepted(upgrade.protocols[0] ?? '')
    const client = new ClientSocket(socket as unknown as WebSocket, socket.raw as unknown as Socket, limits, {
      counts: this.#connections.counts,
      heartbeats: this.#heartbeats,
      received: (bytes) => this.relay.received(bytes),
      closed: (socket) => this.#connections.delete(socket),
      wholeBytes: 0,
      clock: this.clock,
      log: silentLogger
    })
    this.#connections.add(client, true)
    trunklineDialect.accept(client, {
      clock: this.clock,
      log: silentLogger,
      authMs: limits.authMs,
      queueBytes: limits.uplinkQueueBytes,
      windowEvents: resume.windowEvents,
      pins: new Pins(1_000_000),
      heartbeatMs: heartbeat.clientMs,
      protocol: socket.protocol,
      refused: null,
      admit: async (token, isIn = false) => {
        const admitted = identity ?? await this.#admission.admit(upgrade, { token: token ?? '', from: 'message' }, { isIn, gone: client.gone })
        return {
          subject: admitted.subject,
          enter: (link, resumption) => {
            this.#world.entered(admitted.metadata)
            return this.relay.enter(admitted, link, resumption, silentLogger)
          },
          renew: (session, resumption) => this.relay.renew(admitted, session as ReturnType<typeof this.relay.enter>, resumption)
        }
      }
    })
    if (this.draining) client.retire(RESTART, true)
  }

  override die (silently: boolean): void {
    super.die(silently)
    for (const connection of this.#upgrading) connection.cut(this.#world.random)
  }

  /** A deploy: it lets go of everybody, in good order. */
  async drain (): Promise<void> {
    this.draining = true
    await this.#drain.run()
    this.alive = false
    this.check(true)
  }

  /** Whether the app was told of each peer's end exactly once, and of nobody else's. */
  check (atTheEnd: boolean): void {
    const present = new Set<Peer<Said>>(this.relay.peers)
    for (const [peer, told] of this.#told) {
      if (told !== 'left' && (atTheEnd || !present.has(peer))) this.#world.report.violation('leaked', `${this.name}: onPeerLeave was never told of ${peer.metadata.client}`)
    }
  }

  async #authenticate ({ token }: Credentials): Promise<Identity<Said>> {
    const { later, random, setup, isCalm } = this.#world
    const said = JSON.parse(token) as Said
    if (++this.#asking > setup.settings.limits.concurrentAuth) this.#world.report.violation('other', `${this.name}: authenticate runs ${this.#asking} times at once`)
    if (random.chance(0.3)) await later.wait(this, `authenticate ${said.client}`)
    this.#asking--
    if (!isCalm && random.chance(0.03)) {
      this.#world.report.count('fault: authenticate fails')
      throw Object.assign(new Error('the database is down'), { statusCode: 503 })
    }
    return {
      roomId: 'room',
      metadata: said,
      ...said.identity !== null && { peerId: said.identity },
      ...setup.tokenMs > 0 && { expiresAt: said.issued + setup.tokenMs }
    }
  }

  async #joined (peer: Peer<Said>): Promise<void> {
    if (this.#told.has(peer)) this.#world.report.violation('other', `${this.name}: onPeerJoin was told twice of ${peer.metadata.client}`)
    this.#told.set(peer, 'joining')
    if (this.#world.random.chance(0.2)) await this.#world.later.wait(this, `onPeerJoin ${peer.metadata.client}`)
    this.#told.set(peer, 'joined')
  }

  #left (peer: Peer<Said>, cause: LeaveCause): void {
    if (!this.alive) return
    if (this.#told.get(peer) !== 'joined') this.#world.report.violation('other', `${this.name}: onPeerLeave of ${peer.metadata.client}, which is ${this.#told.get(peer) ?? 'unknown'}`)
    if (cause === 'expired') this.#world.clientOf(peer.metadata.client)?.excuse('expired')
    this.#told.set(peer, 'left')
  }

  #hook (event: MediaEvent, peer: Peer<Said>): ForwardResult | Promise<ForwardResult> {
    if (this.#told.get(peer) !== 'joined') this.#world.report.violation('other', `${this.name}: a hook sees an event of ${peer.metadata.client}, which is ${this.#told.get(peer) ?? 'unknown'}`)
    const { setup, random, later, isCalm, report } = this.#world
    if (!isCalm && random.chance(0.001)) {
      report.count('fault: a hook throws')
      this.#world.clientOf(peer.metadata.client)?.excuse('hook failed')
      throw new Error('a defect of the app')
    }
    const text = event.text()
    const fate = fateOf(text)
    const answer = fate === 'drop' ? false : fate === 'pass' ? undefined : event.binary ? Buffer.from(replaced(text)) : replaced(text)
    if (setup.hooks === 'sync' || random.chance(0.6)) return answer
    return later.wait(this, 'a hook').then(() => answer)
  }
}
