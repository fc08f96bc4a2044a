import type { FastifyRequest } from 'fastify'
import type { Clock } from '../lib/clock.js'
import type { TrunklineServerOptions } from '../lib/media-servers/trunkline.js'
import type { DialectOptions, DrainOptions, HeartbeatOptions, LimitOptions, ResumeOptions, TokenOptions } from '../lib/options.js'
import type { AdmissionStats, Identity } from '../lib/relay/admission.js'
import type { AdmitOptions, DirectPeer } from '../lib/relay/admittance.js'
import type { Rooms } from '../lib/relay/app-control.js'
import type { Admittance, Recording } from '../lib/relay/control.js'
import type { HookFunctions, HookName } from '../lib/relay/hooks.js'
import type { Driver, TrunkState } from '../lib/relay/media-server.js'
import type { Peer } from '../lib/relay/peer.js'
import type { Peers } from '../lib/relay/peers.js'
import type { RoomRecordings } from '../lib/relay/recordings.js'
import type { RelayStats } from '../lib/relay/relay-stats.js'

/** What an app sees of a registration: its options, but for what depends on the mode, and what it is decorated with. */

export interface CommonOptions<Metadata> {
  /** Where the media server is and how it is let in to, or a driver. */
  mediaServer: TrunklineServerOptions | Driver
  hooks?: Partial<HookFunctions<Metadata>>
  path?: string
  publicUrl?: string
  dialects?: DialectOptions[]
  origins?: '*' | string[]
  cookie?: string
  duplicate?: 'replace' | 'refuse'
  trunkDownMs?: number
  trunkHoldMs?: number
  namespace?: string
  limits?: Partial<LimitOptions>
  heartbeat?: Partial<HeartbeatOptions>
  resume?: Partial<ResumeOptions>
  drain?: Partial<DrainOptions>
  token?: Partial<TokenOptions>
  /** For tests: where all time comes from. */
  clock?: Clock
}

export interface TrunklineStats extends RelayStats {
  /** Clients' sockets, those that are not let in yet included. While draining: those that are left. */
  links: number
  /** Those of them that have not shown yet who they are. */
  strangers: number
  /** Those that are not read for now, since they have sent too many messages. */
  throttled: number
  /** How often that was so since the start. */
  throttles: number
  /** Whether nobody is let in any more. */
  draining: boolean
  /** Clients' sockets that were closed since the start, by the code that either side said first; 1006: neither did. */
  closes: Record<number, number>
  /** The calls of `authenticate`. */
  auth: AdmissionStats
  /** How many were refused, by reason. */
  refused: Record<string, number>
}

/** What `app.trunkline` does, whatever its name. */
export interface Decorator<Metadata> {
  /**
   * @throws HookNameError there is no such hook
   * @throws HookFunctionError `fn` is no function
   */
  addHook<Name extends HookName> (name: Name, fn: HookFunctions<Metadata>[Name]): this
  readonly peers: Peers<Metadata>
  readonly trunk: TrunkState
  /**
   * Lets a client in: what it needs to connect, by way of this backend or, where `mode` is `direct`, to the media server itself. Without
   * a `peerId` it is a new one. Of two admittances for one peer the one that is used last is good; `kick`, `revoke` and `removePeer`
   * make all of a peer void. `subject` and `expiresAt` are nothing to a media server.
   * @throws AdmitError `authenticate` is not `tickets()`, or the client cannot be let in as is said: too much metadata, say
   * @throws AdmitGoneError the client was gone meanwhile, and so is what was made for it
   * @throws AdmitBusyError, RoomNotFoundError, RoomFullError, RoomModeError and what `rooms` throws: with `mode: 'direct'` only
   */
  admit (who: Identity<Metadata>, how?: AdmitOptions<FastifyRequest>): Promise<Admittance>
  /**
   * Lets a client in that is to connect to the media server itself: `admit()` does so too, and is there in both modes.
   * @throws ModeError the option `mode` is not `direct`
   * @throws AdmitError, AdmitBusyError
   * @throws RoomNotFoundError, RoomFullError, RoomModeError
   */
  addPeer (roomId: string, peer?: DirectPeer): Promise<Admittance>
  /** Ends a peer with 4410; whether there was one. */
  kick (peerId: string, reason?: string): boolean
  /**
   * Ends every peer of which `isConcerned` says so with 4401: what they have shown is void, and they may come back only with
   * something that `authenticate` takes. How many there were.
   */
  revoke (isConcerned: (peer: Peer<Metadata>) => boolean, reason?: string): number
  /**
   * Lets nobody in any more, and closes every client with 1012 in good order (the options `drain`), then the trunk. The app
   * goes on listening: for a deploy behind a load balancer, before `app.close()`, which does the same first. Resolves when it
   * is done, however often it is called; never rejects.
   */
  drain (): Promise<void>
  /**
   * Rooms at the media server, by its control API.
   * @throws ControlUnsupportedError the driver has none
   * @throws ControlUnreachableError, ControlTimeoutError, ControlUnauthorizedError, ControlAnswerError, ControlRefusedError, TrunkDownError
   */
  readonly rooms: Rooms
  /**
   * Ends a peer with 4410, also one of another process, or one that is connected to the media server itself.
   * @throws RoomNotFoundError
   * @throws PeerNotFoundError
   */
  removePeer (roomId: string, peerId: string): Promise<void>
  /**
   * In a room with `subscribeMode: 'manual'`, has a peer get what these others publish, beside what it gets already.
   * @throws ControlUnsupportedError the media server leaves that to its clients
   * @throws RoomNotFoundError
   * @throws PeerNotFoundError
   */
  subscribe (roomId: string, peerId: string, origins: string[]): Promise<void>
  /**
   * Has everybody in a room recorded, also who comes later; what becomes of it is told to `onRecording`. Answers what is being
   * recorded already: nothing yet where nobody publishes.
   * @throws RecordingUnsupportedError the media server's driver cannot
   * @throws TrunkDownError
   * @throws JanusRefusedError
   * @throws RecordingFailedError the media server says that it records, and does not
   */
  startRecording (roomId: string): Promise<Recording[]>
  /**
   * Ends that. Answers what was recorded until now, as far as this process knows.
   * @throws RecordingUnsupportedError the media server's driver cannot
   * @throws TrunkDownError
   * @throws JanusRefusedError
   */
  stopRecording (roomId: string): Promise<Recording[]>
  /** What is being recorded of a room, as far as this process knows: of rooms that it has peers in, or has heard of. */
  recordings (roomId: string): RoomRecordings
  /**
   * Says something to a client on its signaling link: JSON, at most once. Only clients with a session (`trunkline/client`) know of such.
   * @returns to how many it was said: 0 or 1
   * @throws MessageError it is not JSON, or of more than 64 KiB
   */
  send (peerId: string, message: unknown): number
  /** The same for everybody in a room. @returns to how many it was said @throws MessageError */
  broadcast (roomId: string, message: unknown): number
  stats (): TrunklineStats
}
