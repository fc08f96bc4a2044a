import type { WebSocket } from 'ws'
import { CloseCode } from '../../lib/close-codes.js'
import { createEndpoint } from '../../lib/trunk/endpoint.js'
import type { Endpoint, EndpointPeer } from '../../lib/trunk/endpoint.js'
import type { Said } from './backend.js'
import type { Connection } from './network.js'
import { Process } from './process.js'
import { SimSocket } from './sockets.js'
import { Incoming, Outgoing } from './streams.js'
import type { World } from './world.js'

/** One session, as the media server's app sees it. */
export interface ServerSession {
  readonly peer: EndpointPeer<Said>
  readonly client: string
  /** The step in which it began. */
  readonly since: number
  readonly incoming: Incoming
  readonly outgoing: Outgoing
}

/** The media server: the shipped endpoint, and an app that sends and counts. */
export class MediaServer extends Process {
  readonly endpoint: Endpoint<Said>
  readonly sessions = new Map<EndpointPeer<Said>, ServerSession>()
  readonly #world: World

  constructor (world: World, name: string) {
    super(name, world.now)
    this.#world = world
    const { settings, windowBytes, trunkWindowBytes, trunkQueueBytes } = world.setup
    this.endpoint = createEndpoint<Said>({
      token: 'secret',
      onPeer: (peer) => this.#here(peer),
      serverId: name,
      trunkWindowBytes,
      queueBytes: trunkQueueBytes,
      heartbeatMs: settings.heartbeat.trunkMs,
      resumeWindowMs: settings.resume.windowMs,
      windowBytes,
      openMs: 4_000,
      clock: this.clock
    })
  }

  connect (connection: Connection, protocol: string): void {
    const socket = this.has(new SimSocket(connection, 'server'))
    socket.accepted(protocol)
    this.endpoint.accept(socket as unknown as WebSocket, () => socket.raw.bytesRead)
  }

  /** The app sends some events to somebody, unless that one is behind already. */
  send ({ peer, outgoing }: ServerSession, events: number): void {
    for (let i = 0; i < events && !peer.isOver; i++) {
      const { event, sent } = outgoing.make(this.#world.random, this.#world.setup.hooks !== 'none')
      sent()
      this.#world.report.count('events down')
      if (!peer.send(event)) break
    }
  }

  #here (peer: EndpointPeer<Said>): void | Promise<void> {
    const { report, streams, random, later } = this.#world
    const { client } = peer.metadata
    // Its asking may have been under way for long.
    this.#world.entered(peer.metadata)
    const name = this.#world.newName('s')
    const session: ServerSession = { peer, client, since: this.#world.steps, incoming: new Incoming(`${name}, the server's end of ${client},`, streams, report), outgoing: new Outgoing(name) }
    streams.set(name, session.outgoing)
    this.sessions.set(peer, session)
    report.trace(`${this.name}: ${name} is a session of ${client}`)
    peer.on('mediaEvent', (data, binary) => {
      if (this.alive) session.incoming.take(binary ? new Uint8Array(data) : data.toString())
    })
    for (const event of ['attach', 'detach'] as const) peer.on(event, () => report.trace(`${this.name}: ${name} of ${client} ${event}`))
    peer.on('close', ({ code, reason }) => {
      if (!this.alive) return
      if (code === CloseCode.notAuthenticated) this.#world.clientOf(client)?.excuse('expired')
      report.trace(`${this.name}: ${name} of ${client} is over: ${code} ${reason}`)
      session.incoming.finish()
      this.sessions.delete(peer)
    })
    if (random.chance(0.5)) this.send(session, random.between(1, 3))
    if (random.chance(0.15)) return later.wait(this, `onPeer ${client}`)
  }
}
