import { Absentees, type Timing } from './absentees.js'
import { decodePeerEvent, encodeServerEvent, MediaEventError } from './media-events.js'
import { Participant, type Connection, type ConnectionEnd } from './participant.js'
import { Room } from './room.js'

/** The most peers that one room takes. A browser's offer holds an m-line for each track of each of the others. */
export const MAX_PEERS = 16

/** A client, as it comes through the trunk. */
export interface Peer {
  readonly id: string
  readonly roomId: string
  on (event: 'mediaEvent', listener: (data: Uint8Array, binary: boolean) => void): unknown
  on (event: 'detach' | 'attach' | 'close', listener: () => void): unknown
  /** While the peer is detached, what is sent waits in its session. */
  send (data: Uint8Array): void
  close (code: number, reason: string): void
}

/** The room takes nobody else. */
export class RoomFullError extends Error {
  override readonly name = 'RoomFullError'
}

export interface SfuOptions {
  /** Opens the media transport of one client. */
  readonly connect: (onEnd: (end: ConnectionEnd) => void) => Connection
  /** What went wrong with one client, and did not go on to anyone else. */
  readonly onError?: (error: unknown, peer: Peer) => void
  /** For tests. */
  readonly timing?: Timing
}

interface Seat {
  readonly peer: Peer
  readonly room: Room
  participant: Participant | undefined
}

const BAD_EVENT = 4400
const INTERNAL_ERROR = 1011
/** In the range that a client comes back from. */
const MEDIA_LOST = 4002

/**
 * The selective forwarding unit: peers come in, sit in their rooms, and go. What goes wrong with one ends that one. Who loses
 * its signaling keeps its seat as long as its media goes on.
 */
export class Sfu {
  readonly #options: SfuOptions
  readonly #rooms = new Map<string, { readonly room: Room, readonly seats: Set<Seat> }>()
  readonly #absentees: Absentees<Seat>

  constructor (options: SfuOptions) {
    this.#options = options
    this.#absentees = new Absentees((seat) => { this.#mediaEnded(seat, 'silent') }, options.timing)
  }

  /** How many rooms there are; one that the last peer has left is none. */
  get rooms (): number {
    return this.#rooms.size
  }

  /**
   * Takes a peer in. Its room sees it from its `connect` event on.
   * @throws {RoomFullError}
   */
  accept (peer: Peer): void {
    const entry = this.#rooms.get(peer.roomId) ?? { room: new Room(), seats: new Set() }
    // One that comes again under its id takes the place of the one before, whose end may still be on its way.
    for (const seat of entry.seats) {
      if (seat.peer.id === peer.id) this.#remove(seat)
    }
    if (entry.seats.size >= MAX_PEERS) throw new RoomFullError(`a room takes ${MAX_PEERS} peers`)
    this.#rooms.set(peer.roomId, entry)
    const seat: Seat = { peer, room: entry.room, participant: undefined }
    entry.seats.add(seat)
    // A peer may come to its end while it is sent something, in the midst of a change to its room: that is finished first.
    peer.on('close', () => { queueMicrotask(() => { this.#remove(seat) }) })
    peer.on('detach', () => {
      const { participant } = seat
      // Until it has joined there is nothing that the others see of it.
      if (participant !== undefined) this.#absentees.add(seat, () => participant.heard)
    })
    peer.on('attach', () => { this.#absentees.delete(seat) })
    peer.on('mediaEvent', (data, binary) => {
      if (!entry.seats.has(seat)) return
      try {
        this.#receive(seat, data, binary)
      } catch (error) {
        this.#end(seat, error)
      }
    })
  }

  /** Ends every client's media. */
  close (): void {
    for (const { seats } of [...this.#rooms.values()]) {
      for (const seat of [...seats]) this.#remove(seat)
    }
  }

  #receive (seat: Seat, data: Uint8Array, binary: boolean): void {
    if (!binary) throw new MediaEventError('a text media event')
    const event = decodePeerEvent(data)
    switch (event.type) {
      case 'connect':
        // A client that connects anew has forgotten all that it had before.
        this.#leave(seat)
        this.#join(seat, event.metadataJson)
        break
      case 'disconnect':
        // The peer stays: a client whose signaling were closed here would come back by itself.
        this.#leave(seat)
        break
      default:
        seat.participant?.receive(event)
    }
  }

  #join (seat: Seat, metadataJson: string): void {
    const { peer, room } = seat
    const participant: Participant = new Participant({
      id: peer.id,
      metadataJson,
      room,
      connection: this.#options.connect((end) => {
        if (seat.participant === participant) this.#mediaEnded(seat, end)
      }),
      send: (event) => { peer.send(encodeServerEvent(event)) },
      onFailure: (error) => { this.#end(seat, error) }
    })
    seat.participant = participant
    room.join(participant)
  }

  #leave (seat: Seat): void {
    const { participant, room } = seat
    if (participant === undefined) return
    this.#absentees.delete(seat)
    seat.participant = undefined
    room.leave(participant)
  }

  #mediaEnded (seat: Seat, end: ConnectionEnd): void {
    this.#leave(seat)
    // A client that has closed its media by itself says `disconnect` or closes its link, or is about to.
    if (end === 'closed') return
    this.#remove(seat)
    seat.peer.close(MEDIA_LOST, end === 'silent' ? 'no media any more' : 'media connection failed')
  }

  #end (seat: Seat, error: unknown): void {
    this.#remove(seat)
    this.#options.onError?.(error, seat.peer)
    if (error instanceof MediaEventError) seat.peer.close(BAD_EVENT, 'bad media event')
    else seat.peer.close(INTERNAL_ERROR, 'internal error')
  }

  #remove (seat: Seat): void {
    const entry = this.#rooms.get(seat.peer.roomId)
    if (entry?.seats.delete(seat) !== true) return
    this.#leave(seat)
    if (entry.seats.size === 0) this.#rooms.delete(seat.peer.roomId)
  }
}
