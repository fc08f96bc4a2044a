import type { Backend, Said } from './backend.js'
import type { Connection } from './network.js'
import { Process } from './process.js'
import { Incoming, Outgoing } from './streams.js'
import type { World } from './world.js'

/** Why a client may lose its session, or fail. */
export type Excuse = 'taken over' | 'kicked' | 'server restart' | 'frozen' | 'expired' | 'hook failed'

/** A client of either kind: what it has sent and got in the session of now, and what has been done to it. */
export abstract class Client extends Process {
  readonly identity: string | null
  /** And when they came to be. */
  readonly excuses = new Map<Excuse, number>()
  connection: Connection | null = null
  /** Whom the connection leads to. */
  backend: Backend | null = null
  online = true
  /** When it was begun. */
  since: number
  /** When it was last known to have a way to the media server that works. */
  lastHealthy: number
  incoming!: Incoming
  outgoing!: Outgoing
  protected readonly world: World
  #sessions = 0

  constructor (world: World, name: string, identity: string | null) {
    super(name, world.now)
    this.world = world
    this.identity = identity
    this.lastHealthy = this.since = world.now
    this.begin()
  }

  /** Whether it is in a session, as far as it knows. */
  abstract get isJoined (): boolean
  /** Whether it has given up: somebody must begin anew. */
  abstract get isOver (): boolean
  /** The id of its peer, where it knows. */
  abstract get peerId (): string | null
  abstract start (): void
  abstract send (events: number): void
  abstract leave (): void
  abstract setOnline (online: boolean): void

  get isHealthy (): boolean {
    return this.isJoined && this.connection?.isSound === true && this.backend?.isSound === true
  }

  excuse (why: Excuse): void {
    this.excuses.set(why, this.world.steps)
  }

  /** The session of now began after what is excused: it explains nothing any more. */
  protected forgive (): void {
    const session = this.world.sessions.find(({ client, peer }) => client === this.name && peer.id === this.peerId)
    for (const [why, since] of this.excuses) if (session !== undefined && since < session.since) this.excuses.delete(why)
  }

  token (): string {
    const said: Said = { client: this.name, identity: this.identity, issued: this.clock.now() }
    return JSON.stringify(said)
  }

  /** What was sent and got until now was of another session. */
  protected begin (): void {
    this.incoming?.finish()
    if (this.outgoing !== undefined) this.outgoing.over = true
    const name = `${this.name}.${this.#sessions++}`
    this.incoming = new Incoming(name, this.world.streams, this.world.report)
    this.outgoing = new Outgoing(name)
    this.world.streams.set(name, this.outgoing)
  }

  protected note (what: string): void {
    this.world.report.trace(`${this.name}: ${what}`)
  }

  protected newEvent (): ReturnType<Outgoing['make']> {
    return this.outgoing.make(this.world.random, this.world.setup.hooks !== 'none')
  }
}
