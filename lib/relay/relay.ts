import type { Clock } from '../clock.js'
import { CloseCode } from '../close-codes.js'
import type { Logger } from '../logger.js'
import type { CheckedIdentity } from './admission.js'
import { Hooks } from './hooks.js'
import type { Link } from './link.js'
import type { MediaServer, MediaServerStats, Notification, Recording, TrunkState } from './media-server.js'
import type { LeaveReason } from './peer.js'
import { PeerRegistry } from './peers.js'
import { Refusal, busy } from './refusal.js'
import { RelayedPeer } from './relayed-peer.js'
import type { PeerLimits, PeerServices } from './relayed-peer.js'

export interface RelayLimits extends PeerLimits {
  /** Live peers in this process at most. */
  peers: number
}

export interface RelayOptions<Metadata> {
  mediaServer: MediaServer
  hooks: Hooks<Metadata>
  /** What becomes of a second link under a live peer's id. */
  duplicate: 'replace' | 'refuse'
  limits: RelayLimits
  clock: Clock
  log: Logger
}

export interface RelayStats {
  peers: number
  rooms: number
  /** Media events handed to the trunk since the start. */
  uplink: number
  /** Media events handed to clients since the start. */
  downlink: number
  /** Peers that ended, by cause. */
  left: Record<string, number>
  trunk: MediaServerStats & { state: TrunkState['state'] }
}

/** Notifications that wait for the app's hooks at most; what comes beyond is left with the media server. */
const MAX_TELLING = 1_000
/** States of the trunk that wait for the app's hooks at most. */
const MAX_TRUNK_STATES = 100

/** Moves media events between the clients' links and the media server: it owns the peers, and what happens to all of them. */
export class Relay<Metadata> {
  readonly hooks: Hooks<Metadata>
  readonly peers = new PeerRegistry<Metadata, RelayedPeer<Metadata>>()
  readonly #options: RelayOptions<Metadata>
  readonly #services: PeerServices<Metadata>
  readonly #counts = { uplink: 0, downlink: 0 }
  readonly #pressed = new Set<RelayedPeer<Metadata>>()
  readonly #left: Record<string, number> = {}
  /** By peer id: who is over, but for its last hooks. */
  readonly #leaving = new Map<string, Promise<void>>()
  /** What the app has still to handle, in order, by room. */
  readonly #telling = new Map<string, Promise<void>>()
  #tellingCount = 0
  #tellingTrunk = Promise.resolve()
  #trunkStatesTold = 0
  #trunk: TrunkState = { state: 'closed' }
  #closing = false

  constructor (options: RelayOptions<Metadata>) {
    this.#options = options
    this.hooks = options.hooks
    this.#services = {
      hooks: options.hooks,
      clock: options.clock,
      limits: options.limits,
      mediaServer: options.mediaServer,
      counts: this.#counts,
      pressed: this.#pressed,
      predecessor: ({ id }) => this.#leaving.get(id) ?? Promise.resolve(),
      ended: (peer, reason, left) => this.#ended(peer, reason, left)
    }
  }

  get trunk (): TrunkState {
    return this.#trunk
  }

  start (): void {
    this.#options.mediaServer.start({
      state: (state) => this.#trunkChanged(state),
      relieved: () => this.#relieved(),
      notification: (notification, handled) => this.#notified(notification, handled),
      recording: (recording, _id, handled) => this.#recorded(recording, handled)
    })
  }

  /**
   * A client that was let in. Its link hears `joined` when the media server has taken it, or is closed.
   * @throws Refusal this process takes no more, or the id is in use and `duplicate` is `refuse`
   */
  join (identity: CheckedIdentity<Metadata>, link: Link, log: Logger): RelayedPeer<Metadata> {
    const { limits, duplicate } = this.#options
    if (this.#closing) throw new Refusal(CloseCode.restart, 503, 'restarting')
    const previous = this.peers.get(identity.peerId)
    if (previous !== undefined) {
      if (duplicate === 'refuse') throw new Refusal(CloseCode.replaced, 409, 'another link has this peer')
      previous.end({ code: CloseCode.replaced, reason: 'replaced by a newer link', cause: 'replaced' })
    }
    if (this.peers.size >= limits.peers) throw busy('too many peers')
    const peer = new RelayedPeer(identity, link, log.child({ peerId: identity.peerId, roomId: identity.roomId }), this.#services)
    this.peers.add(peer)
    if (this.#trunk.state === 'up') peer.trunkUp()
    return peer
  }

  /** Whether there was such a peer. */
  kick (peerId: string, reason: string): boolean {
    const peer = this.peers.get(peerId)
    peer?.end({ code: CloseCode.removed, reason, cause: 'kicked' })
    return peer !== undefined
  }

  stats (): RelayStats {
    return {
      peers: this.peers.size,
      rooms: this.peers.rooms,
      ...this.#counts,
      left: { ...this.#left },
      trunk: { state: this.#trunk.state, ...this.#options.mediaServer.stats() }
    }
  }

  /** Lets nobody in any more, and ends every peer so that its client comes back elsewhere. Resolves after the last hook. */
  async drain (): Promise<void> {
    this.#closing = true
    for (const peer of [...this.peers]) peer.end({ code: CloseCode.restart, reason: 'restarting', cause: 'restart' })
    await Promise.all([...this.#leaving.values(), ...this.#telling.values(), this.#tellingTrunk])
  }

  /** Closes the trunk; hooks that are still running are not waited for. */
  async stop (): Promise<void> {
    void this.drain()
    await this.#options.mediaServer.stop()
  }

  #trunkChanged (state: TrunkState): void {
    this.#trunk = state
    const { log, hooks, mediaServer } = this.#options
    if (state.state === 'down') log.warn({ mediaServer: mediaServer.address, ...state.cause, retryMs: state.retryMs }, 'the trunk is down')
    else if (state.state === 'up') log.info({ mediaServer: mediaServer.address, serverId: state.serverId, protocol: state.protocol }, 'the trunk is up')
    if (state.state === 'up') for (const peer of [...this.peers]) peer.trunkUp()
    else if (state.state !== 'connecting') for (const peer of [...this.peers]) peer.trunkDown()
    if (hooks.lists.onTrunk === null) return
    if (this.#trunkStatesTold >= MAX_TRUNK_STATES) {
      log.warn({ state: state.state }, `onTrunk is not told: ${MAX_TRUNK_STATES} states wait for its hooks`)
      return
    }
    this.#trunkStatesTold++
    // In order, also where a hook takes longer than the state lasts.
    this.#tellingTrunk = this.#tellingTrunk
      .then(() => hooks.tell('onTrunk', (error) => log.error({ err: error }, 'a hook onTrunk failed'), state))
      .then(() => { this.#trunkStatesTold-- })
  }

  #relieved (): void {
    const waiting = [...this.#pressed]
    this.#pressed.clear()
    for (const peer of waiting) peer.trunkRelieved()
  }

  #notified (notification: Notification, handled: () => void): void {
    this.#tell(notification.roomId, handled, 'onNotification', () => this.hooks.run('onNotification', notification))
  }

  #recorded (recording: Recording, handled: () => void): void {
    this.#tell(recording.roomId, handled, 'onRecording', () =>
      this.hooks.run('onRecording', recording, { id: recording.roomId, peers: this.peers.inRoom(recording.roomId) }))
  }

  /** One at a time for each room. What the app did not handle is left with the media server, which tells it again. */
  #tell (roomId: string, handled: () => void, hook: string, run: () => Promise<void>): void {
    if (this.#tellingCount >= MAX_TELLING) {
      this.#options.log.warn({ roomId }, `a notification is left with the media server: ${MAX_TELLING} wait for the app's hooks`)
      return
    }
    this.#tellingCount++
    const told = (this.#telling.get(roomId) ?? Promise.resolve()).then(async () => {
      try {
        // Who is closing begins nothing that might take long: the media server will tell it again.
        if (!this.#closing) {
          await run()
          handled()
        }
      } catch (error) {
        this.#options.log.error({ err: error, roomId }, `a hook ${hook} failed: the media server will tell it again`)
      }
      this.#tellingCount--
      if (this.#telling.get(roomId) === told) this.#telling.delete(roomId)
    })
    this.#telling.set(roomId, told)
  }

  #ended (peer: RelayedPeer<Metadata>, { code, reason, cause }: LeaveReason, left: Promise<void>): void {
    this.peers.delete(peer)
    this.#left[cause] = (this.#left[cause] ?? 0) + 1
    peer.log.info({ code, reason, cause }, 'the peer has left')
    const leaving = Promise.all([this.#leaving.get(peer.id), left]).then(() => {
      if (this.#leaving.get(peer.id) === leaving) this.#leaving.delete(peer.id)
    })
    this.#leaving.set(peer.id, leaving)
  }
}
