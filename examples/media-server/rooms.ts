import { Room, type SubscribeMode, type TracksListener } from './room.js'
import type { RoomRecording } from './room-recording.js'
import type { Seat } from './seat.js'
import { systemTiming, type Timing } from './timing.js'

/** The most peers that one room takes. A browser's offer holds an m-line for each track of each of the others. */
export const MAX_PEERS = 16
/** The most rooms that are there because somebody has made them. */
export const MAX_ROOMS = 1_000
/** How long a client that connects directly is waited for. */
export const ADDED_MS = 60_000

/** How clients reach this process: by way of a backend, or by themselves. */
export type Way = 'relayed' | 'direct'

export interface RoomConfig {
  /** Null: as many as any room takes. */
  readonly maxPeers: number | null
  readonly subscribeMode: SubscribeMode
}

/** What happens to rooms and peers, as the backends are told. */
export interface RoomNotice {
  readonly type: 'roomCreated' | 'roomDeleted' | 'peerConnected' | 'peerDisconnected'
  readonly roomId: string
  readonly peerId?: string
}

export type Notify = (notice: RoomNotice) => void

/** A client that has been let in and has yet to connect, or to come back. */
interface Added {
  readonly metadata: unknown
  readonly timer: { cancel (): void }
}

/** A room, who is in it, and who is waited for. */
export class HostedRoom {
  readonly id: string
  readonly config: RoomConfig
  /** Whether it stays when nobody is in it. */
  readonly isMade: boolean
  readonly room: Room
  readonly seats = new Set<Seat>()
  recording: RoomRecording | undefined
  readonly #timing: Timing
  readonly #added = new Map<string, Added>()

  constructor (id: string, config: RoomConfig, isMade: boolean, timing: Timing) {
    this.id = id
    this.config = config
    this.isMade = isMade
    this.#timing = timing
    const onTracks: TracksListener = (publisher, tracks) => { this.recording?.tracksChanged(publisher, tracks) }
    this.room = new Room(config.subscribeMode, onTracks)
  }

  /** How the clients come that are here or are waited for: all in one way, or the backend that relays some would not know of the rest. */
  get way (): Way | undefined {
    const [seat] = this.seats
    return seat?.way ?? (this.#added.size > 0 ? 'direct' : undefined)
  }

  get added (): Iterable<[string, { readonly metadata: unknown }]> {
    return this.#added
  }

  get isEmpty (): boolean {
    return this.seats.size === 0 && this.#added.size === 0
  }

  seat (peerId: string): Seat | undefined {
    for (const seat of this.seats) if (seat.peer.id === peerId) return seat
    return undefined
  }

  has (peerId: string): boolean {
    return this.#added.has(peerId) || this.seat(peerId) !== undefined
  }

  /** Whether it has a place for this one; whoever is here or waited for has one. */
  hasPlaceFor (peerId: string): boolean {
    return this.has(peerId) || this.seats.size + this.#added.size < (this.config.maxPeers ?? MAX_PEERS)
  }

  /** Waits for a client that connects directly, for `ADDED_MS`. One that is here needs no waiting. */
  add (peerId: string, metadata: unknown): void {
    if (this.seat(peerId) !== undefined) return
    this.#added.get(peerId)?.timer.cancel()
    const timer = this.#timing.after(ADDED_MS, () => { this.forget(peerId) })
    this.#added.set(peerId, { metadata, timer })
  }

  /** The client is here, or is waited for no more. Whether it was waited for. */
  arrived (peerId: string): boolean {
    this.#added.get(peerId)?.timer.cancel()
    return this.#added.delete(peerId)
  }

  /** Nothing of this peer is kept. Whether it was waited for. */
  forget (peerId: string): boolean {
    this.room.unsubscribe(peerId)
    return this.arrived(peerId)
  }

  /** It is over, for all who are waited for too. */
  close (): void {
    for (const peerId of [...this.#added.keys()]) this.forget(peerId)
    this.recording?.stop()
    this.recording = undefined
  }
}

/** A room of this id is there already. */
export class RoomExistsError extends Error {
  override readonly name = 'RoomExistsError'
}

/** No more rooms can be made. */
export class TooManyRoomsError extends Error {
  override readonly name = 'TooManyRoomsError'
}

/** Which rooms there are. One that was made stays until it is deleted; one that a first peer has opened ends with the last. */
export class Rooms {
  readonly #notify: Notify
  readonly #timing: Timing
  readonly #rooms = new Map<string, HostedRoom>()
  #made = 0

  constructor (notify: Notify = () => {}, timing: Timing = systemTiming) {
    this.#notify = notify
    this.#timing = timing
  }

  get size (): number {
    return this.#rooms.size
  }

  get all (): HostedRoom[] {
    return [...this.#rooms.values()]
  }

  get (id: string): HostedRoom | undefined {
    return this.#rooms.get(id)
  }

  /**
   * @throws {RoomExistsError}
   * @throws {TooManyRoomsError}
   */
  make (id: string, config: RoomConfig): HostedRoom {
    if (this.#rooms.has(id)) throw new RoomExistsError(`there is a room ${id}`)
    if (this.#made >= MAX_ROOMS) throw new TooManyRoomsError(`${MAX_ROOMS} rooms have been made, and no more are taken`)
    this.#made++
    return this.#add(new HostedRoom(id, config, true, this.#timing))
  }

  /** The room of a peer that comes in: one that is there, or a new one. */
  open (id: string): HostedRoom {
    return this.#rooms.get(id) ?? this.#add(new HostedRoom(id, { maxPeers: null, subscribeMode: 'auto' }, false, this.#timing))
  }

  /** Takes it out, so that the next of this id is another one. Nothing happens when it is out. */
  delete (hosted: HostedRoom): void {
    if (this.#rooms.get(hosted.id) !== hosted) return
    this.#rooms.delete(hosted.id)
    if (hosted.isMade) this.#made--
    hosted.close()
    this.#notify({ type: 'roomDeleted', roomId: hosted.id })
  }

  /** Somebody has left it. */
  release (hosted: HostedRoom): void {
    if (!hosted.isMade && hosted.isEmpty) this.delete(hosted)
  }

  entered (hosted: HostedRoom, peerId: string): void {
    this.#notify({ type: 'peerConnected', roomId: hosted.id, peerId })
  }

  left (hosted: HostedRoom, peerId: string): void {
    this.#notify({ type: 'peerDisconnected', roomId: hosted.id, peerId })
    this.release(hosted)
  }

  #add (hosted: HostedRoom): HostedRoom {
    this.#rooms.set(hosted.id, hosted)
    this.#notify({ type: 'roomCreated', roomId: hosted.id })
    return hosted
  }
}
