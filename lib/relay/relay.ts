import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.js'
import { CloseCode } from '../close-codes.js'
import type { Logger } from '../logger.js'
import { MemoryBudget } from '../memory-budget.js'
import type { CheckedIdentity } from './admission.js'
import { DetachedSessions } from './detached.js'
import { Hooks } from './hooks.js'
import type { Claim, Link } from './link.js'
import type { MediaServer, TrunkState } from './media-server.js'
import { RESTART } from './peer.js'
import type { LeaveReason, Peer } from './peer.js'
import { Messages } from './messages.js'
import { Orphans } from './orphans.js'
import { PeerRegistry } from './peers.js'
import { Recall } from './recall.js'
import { RecordingNews } from './recording-news.js'
import { Recordings } from './recordings.js'
import type { RoomRecordings } from './recordings.js'
import { Refusal, busy } from './refusal.js'
import type { PeerLimits, PeerServices } from './peer-services.js'
import type { RelayStats } from './relay-stats.js'
import { RelayedPeer } from './relayed-peer.js'
import type { Seat } from './seat.js'
import { Telling } from './telling.js'
import type { TokenLifeOptions } from './token-life.js'
import type { Turnstile } from './turnstile.js'

export interface RelayLimits extends PeerLimits {
  /** Live peers in this process at most. */
  peers: number
  /** Bytes that are buffered for all of them together at most. */
  bufferedBytes: number
  /** Sessions of one subject that are held without a link. */
  detachedPeers: number
}

export interface RelayOptions<Metadata> {
  mediaServer: MediaServer
  hooks: Hooks<Metadata>
  /** What becomes of a second link under a live peer's id. */
  duplicate: 'replace' | 'refuse'
  limits: RelayLimits
  token: TokenLifeOptions
  /** Where those who are asked to come back show who they are. */
  turnstile: Pick<Turnstile, 'perSecond' | 'room' | 'comeBackMs'>
  clock: Clock
  log: Logger
}

/** Rooms without a peer whose recordings are remembered. */
const IDLE_ROOMS = 1_000

/** Moves media events between the clients' links and the media server: it owns the peers, and what happens to all of them. */
export class Relay<Metadata> {
  readonly hooks: Hooks<Metadata>
  readonly peers = new PeerRegistry<Metadata, RelayedPeer<Metadata>>()
  readonly messages = new Messages(this.peers)
  readonly #options: RelayOptions<Metadata>
  readonly #services: PeerServices<Metadata, RelayedPeer<Metadata>>
  readonly #counts = { uplink: 0, downlink: 0, resumed: 0, reset: 0 }
  readonly #orphans: Orphans
  readonly #budget: MemoryBudget
  /** Who says that a session is theirs, while nobody else has said so: in nobody's way, and not to be seen by the app. */
  readonly #claims = new Set<RelayedPeer<Metadata>>()
  readonly #detached: DetachedSessions<RelayedPeer<Metadata>>
  readonly #recall: Recall<RelayedPeer<Metadata>>
  readonly #left: Record<string, number> = {}
  /** By peer id: who is over, but for its last hooks. */
  readonly #leaving = new Map<string, Promise<void>>()
  readonly #telling: Telling<Metadata>
  readonly #recordings: Recordings
  readonly #recordingNews: RecordingNews<Metadata>
  #trunk: TrunkState = { state: 'closed' }
  /** Whether nobody is let in any more. */
  #closed = false

  constructor (options: RelayOptions<Metadata>) {
    this.#options = options
    this.hooks = options.hooks
    this.#telling = new Telling(options.hooks, options.log)
    this.#recordings = new Recordings({
      maxIdle: IDLE_ROOMS,
      isInUse: (roomId) => this.#isInUse(roomId),
      changed: (roomId) => {
        const recordings = this.#recordings.of(roomId)
        for (const peer of this.peers.inRoom(roomId)) peer.recordingsChanged(recordings)
      }
    })
    this.#recordingNews = new RecordingNews({
      hooks: options.hooks, roomOf: (roomId) => ({ id: roomId, peers: this.peers.inRoom(roomId) }), clock: options.clock, log: options.log
    })
    this.#orphans = new Orphans(options.mediaServer, options.clock, options.limits.peers, () => this.#trunk.state === 'up')
    this.#budget = new MemoryBudget(options.limits.bufferedBytes, () => this.#all)
    this.#detached = new DetachedSessions(options.limits.detachedPeers)
    this.#recall = new Recall(options.turnstile, options.limits.trunkDownMs, options.clock)
    this.#services = {
      hooks: options.hooks,
      clock: options.clock,
      limits: options.limits,
      token: options.token,
      mediaServer: options.mediaServer,
      counts: this.#counts,
      detached: this.#detached,
      trunkIsUp: () => this.#trunk.state === 'up',
      recordingsOf: (roomId) => this.#recordings.of(roomId),
      orphaned: (session, status) => this.#orphans.add(session, status),
      predecessor: ({ id }) => this.#leaving.get(id) ?? Promise.resolve(),
      proven: (peer) => this.#proven(peer),
      ended: (peer, reason, left) => this.#ended(peer, reason, left)
    }
  }

  get trunk (): TrunkState {
    return this.#trunk
  }

  start (): void {
    this.#options.mediaServer.start({
      state: (state) => this.#trunkChanged(state),
      notification: (notification, handled) => this.#telling.notification(notification, handled),
      recording: (recording, id, handled) => {
        // Clients first: they wait for no hook.
        this.#recordings.told(recording)
        this.#recordingNews.tell({ ...recording, id: id === '' ? `${recording.recordingId}/${recording.revision}` : id }, handled)
      },
      recordings: (recordings, roomId) => this.#recordings.snapshot(recordings, roomId)
    })
  }

  /**
   * A client that was let in: it gets the session that it asks for, or a new one. Its link hears `joined` when the media
   * server has it, or is closed.
   * @throws Refusal the session is not its, this process takes no more, or the id is in use and `duplicate` is `refuse`
   */
  enter (identity: CheckedIdentity<Metadata>, link: Link, claim: Claim, log: Logger): Seat<RelayedPeer<Metadata>> {
    if (this.#closed) throw new Refusal(CloseCode.restart, 503, 'restarting')
    checkOwner(identity, claim.peerId)
    const id = identity.peerId ?? claim.peerId ?? randomUUID()
    const present = this.peers.get(id)
    if (present?.title.isLate(claim) === true) throw new Refusal(CloseCode.replaced, 409, 'a newer link has this session')
    if (present !== undefined && claim.key !== '') {
      if (!present.title.isFormer(claim)) this.#checkHolder(present, identity, claim)
      if (present.title.isHeldBy(claim.key)) return present.take(link, claim, identity)
    } else if (present !== undefined) {
      // One whose link is lost is in nobody's way, nor is the same end, whose answer was lost.
      if (this.#options.duplicate === 'refuse' && present.state !== 'detached' && !present.title.isOf(claim)) throw new Refusal(CloseCode.replaced, 409, 'another link has this peer')
    }
    // Whether a session goes on that was asked for by its key is for the media server to say.
    present?.end({ code: CloseCode.replaced, reason: 'replaced by a newer link', cause: 'replaced' }, claim.key !== '')
    if (this.peers.size + this.#claims.size >= this.#options.limits.peers) throw busy('too many peers', undefined, this.#options.turnstile.comeBackMs())
    const isClaim = identity.peerId === null && claim.key !== ''
    const peer = new RelayedPeer(id, identity, isClaim, log, this.#services)
    if (isClaim) this.#claims.add(peer)
    else this.peers.add(peer)
    return peer.take(link, claim, identity)
  }

  /**
   * A client that has shown anew who it is, on the link that it has.
   * @throws Refusal it is somebody else now, or asks for another session
   */
  renew (identity: CheckedIdentity<Metadata>, seat: Seat<RelayedPeer<Metadata>>, claim: Claim): void {
    const { peer } = seat
    // Another link has taken the session over meanwhile, and this one is about to hear of it.
    if (peer === null) return
    checkOwner(identity, peer.id)
    checkOwner(identity, claim.peerId)
    this.#checkHolder(peer, identity, claim)
    peer.renew(identity, claim)
  }

  /** So many bytes have come in, from a client or from the media server, and may be buffered from then on. */
  received (bytes: number): void {
    this.#budget.received(bytes)
  }

  /** What is being recorded of a room, as far as is known. */
  recordings (roomId: string): RoomRecordings {
    return this.#recordings.of(roomId)
  }

  /** Whether there was such a peer. */
  kick (peerId: string, reason: string): boolean {
    const peer = this.peers.get(peerId)
    peer?.end({ code: CloseCode.removed, reason, cause: 'kicked' })
    return peer !== undefined
  }

  /** Ends every peer of which `isConcerned` says so with 4401: what they have shown is void. @returns how many */
  revoke (isConcerned: (peer: Peer<Metadata>) => boolean, reason: string): number {
    // All are asked before any ends: the function is the app's, and may throw.
    const concerned = [...this.peers].filter(isConcerned)
    for (const peer of concerned) peer.end({ code: CloseCode.notAuthenticated, reason, cause: 'revoked' })
    return concerned.length
  }

  stats (): RelayStats {
    return {
      peers: this.peers.size,
      detached: this.#detached.size,
      evicted: this.#detached.evicted,
      rooms: this.peers.rooms,
      ...this.#counts,
      ...this.#budget.measure(),
      shed: this.#budget.shed,
      left: { ...this.#left },
      messages: { ...this.messages.counts },
      recordings: { rooms: this.#recordings.rooms, waiting: this.#recordingNews.waiting, late: this.#recordingNews.late },
      trunk: { state: this.#trunk.state, ...this.#options.mediaServer.stats() }
    }
  }

  /** Lets nobody in any more, and lets go of the sessions whose clients are away: they come back elsewhere. */
  close (): void {
    this.#closed = true
    this.#recall.stop()
    for (const peer of this.#all) if (peer.state === 'detached') this.#letGo(peer)
  }

  /**
   * Lets nobody in any more, and ends every peer so that its client comes back elsewhere: with its session, where it can.
   * Resolves after the last hook.
   */
  async drain (): Promise<void> {
    this.#closed = true
    this.#recall.stop()
    for (const peer of this.#all) this.#letGo(peer)
    await Promise.all([...this.#leaving.values(), this.#telling.close(), this.#recordingNews.close()])
  }

  /** Closes the trunk; hooks that are still running are not waited for. */
  async stop (): Promise<void> {
    void this.drain()
    await this.#options.mediaServer.stop()
  }

  #trunkChanged (state: TrunkState): void {
    this.#trunk = state
    const { log, mediaServer } = this.#options
    if (state.state === 'down') log.warn({ mediaServer: mediaServer.address, ...state.cause, retryMs: state.retryMs }, 'the trunk is down')
    else if (state.state === 'up') log.info({ mediaServer: mediaServer.address, serverId: state.serverId, protocol: state.protocol }, 'the trunk is up')
    if (state.state === 'up') {
      this.#orphans.tell()
      const peers = this.#all
      for (const peer of peers) peer.trunkUp()
      this.#recall.start(peers.filter(({ awaitsRecall }) => awaitsRecall))
    } else if (state.state !== 'connecting') {
      this.#recall.stop()
      this.#recordings.down()
      for (const peer of this.#all) peer.trunkDown()
    }
    this.#telling.trunk(state)
  }

  /** @throws Refusal the key, or the room, is not that of the session */
  #checkHolder (peer: RelayedPeer<Metadata>, identity: CheckedIdentity<Metadata>, claim: Claim): void {
    if (claim.key !== '' && !peer.title.isHeldBy(claim.key)) {
      // What is left of one whose trunk was lost may be the older one: only the media server knows.
      if (!peer.isAttached) throw busy('the session is being asked for')
      // Who only says that a session is its does not learn from a wrong key that there is one.
      if (identity.peerId === null) throw new Refusal(CloseCode.mediaServerReset, 409, 'the session is gone')
      throw new Refusal(CloseCode.replaced, 409, 'a newer link has this peer')
    } else if (peer.roomId !== identity.roomId) {
      throw new Refusal(CloseCode.forbidden, 403, 'the session is of another room')
    }
  }

  /** Its client comes back elsewhere: with its session, where that is not in this process. */
  #letGo (peer: RelayedPeer<Metadata>): void {
    peer.end(RESTART, this.#options.mediaServer.keepsSessions)
  }

  /** A copy, since most that is done to all of them ends some. */
  get #all (): Array<RelayedPeer<Metadata>> {
    return [...this.peers, ...this.#claims]
  }

  /** Whether the media server tells of a room since somebody is there, or is being let in. */
  #isInUse (roomId: string): boolean {
    return this.peers.hasRoom(roomId) || [...this.#claims].some((peer) => peer.roomId === roomId)
  }

  #proven (peer: RelayedPeer<Metadata>): void {
    this.peers.get(peer.id)?.end({ code: CloseCode.replaced, reason: 'replaced by a newer link', cause: 'replaced' }, true)
    this.#claims.delete(peer)
    this.peers.add(peer)
  }

  #ended (peer: RelayedPeer<Metadata>, { code, reason, cause }: LeaveReason, left: Promise<void>): void {
    this.peers.delete(peer)
    this.#claims.delete(peer)
    if (!this.#isInUse(peer.roomId)) this.#recordings.vacated(peer.roomId)
    this.#left[cause] = (this.#left[cause] ?? 0) + 1
    peer.log.info({ code, reason, cause }, 'the peer has left')
    const leaving = Promise.all([this.#leaving.get(peer.id), left]).then(() => {
      if (this.#leaving.get(peer.id) === leaving) this.#leaving.delete(peer.id)
    })
    this.#leaving.set(peer.id, leaving)
  }
}

/** @throws Refusal the app says that the client is somebody else */
function checkOwner ({ peerId }: { peerId: string | null }, claimed: string | null): void {
  if (peerId !== null && claimed !== null && peerId !== claimed) throw new Refusal(CloseCode.forbidden, 403, 'the session is of another identity')
}
