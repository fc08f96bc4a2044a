import { EndpointRefusal } from 'trunkline/media-server'
import { Absentees } from './absentees.js'
import { decodePeerEvent, encodeServerEvent, MediaEventError } from './media-events.js'
import { Participant, type Connection, type ConnectionEnd } from './participant.js'
import { Rooms, type HostedRoom, type Way } from './rooms.js'
import type { Peer, Seat } from './seat.js'
import type { Timing } from './timing.js'

export interface SfuOptions {
  /** Opens the media transport of one client. */
  readonly connect: (onEnd: (end: ConnectionEnd) => void) => Connection
  /** What went wrong with one client, and did not go on to anyone else. */
  readonly onError?: (error: unknown, peer: Peer) => void
  readonly rooms?: Rooms
  /** For tests. */
  readonly timing?: Timing
}

const BAD_EVENT = 4400
const INTERNAL_ERROR = 1011
/** In the range that a client comes back from. */
const MEDIA_LOST = 4002
/** The client is done, and does not come back. */
const DONE = 1000
/** A room that is full now may have a place later: the client may come back. */
const TRY_AGAIN_LATER = 1013
const FORBIDDEN = 4403
const NOT_FOUND = 4404
const REPLACED = 4409
const REMOVED = 4410

/** What those hear whose room is deleted. */
export const ROOM_STOPPED = 'Room stopped'

/**
 * The selective forwarding unit: peers come in, sit in their rooms, and go. What goes wrong with one ends that one. Who loses
 * its signaling keeps its seat as long as its media goes on.
 */
export class Sfu {
  readonly #options: SfuOptions
  readonly #rooms: Rooms
  readonly #absentees: Absentees<Seat>

  constructor (options: SfuOptions) {
    this.#options = options
    this.#rooms = options.rooms ?? new Rooms()
    this.#absentees = new Absentees((seat) => { this.#mediaEnded(seat, 'silent') }, options.timing)
  }

  /**
   * Takes a peer in. Its room sees it from its `connect` event on. One that connects directly must have been added before.
   * @throws {EndpointRefusal} the room is full, or of clients that come the other way, or does not know this one
   */
  accept (peer: Peer, way: Way = 'relayed'): void {
    const known = this.#rooms.get(peer.roomId)
    if (known?.way !== undefined && known.way !== way) {
      throw new EndpointRefusal(FORBIDDEN, known.way === 'direct' ? 'the room is of clients that connect directly' : 'the room is of clients that are relayed')
    }
    if (way === 'direct' && known?.has(peer.id) !== true) throw new EndpointRefusal(NOT_FOUND, known === undefined ? 'room not found' : 'peer not found')
    if (known?.hasPlaceFor(peer.id) === false) throw new EndpointRefusal(TRY_AGAIN_LATER, 'the room is full')

    const hosted = this.#rooms.open(peer.roomId)
    const seat: Seat = { peer, way, hosted, participant: undefined, isAway: false }
    const before = hosted.seat(peer.id)
    hosted.seats.add(seat)
    // One that comes again under its id takes the place of the one before, whose end may still be on its way.
    if (before !== undefined) this.#remove(before)
    hosted.arrived(peer.id)
    this.#rooms.entered(hosted, peer.id)
    // A peer may come to its end while it is sent something, in the midst of a change to its room: that is finished first.
    peer.on('close', ({ code }) => { queueMicrotask(() => { this.#remove(seat, code) }) })
    peer.on('detach', () => {
      seat.isAway = true
      const { participant } = seat
      // Until it has joined there is nothing that the others see of it.
      if (participant !== undefined) this.#absentees.add(seat, () => participant.heard)
    })
    peer.on('attach', () => {
      seat.isAway = false
      this.#absentees.delete(seat)
    })
    peer.on('mediaEvent', (data, binary) => {
      if (!hosted.seats.has(seat)) return
      try {
        this.#receive(seat, data, binary)
      } catch (error) {
        this.#end(seat, error)
      }
    })
  }

  /** Ends a peer of a room, or the waiting for it. Whether there was one. */
  removePeer (hosted: HostedRoom, peerId: string): boolean {
    const seat = hosted.seat(peerId)
    if (seat !== undefined) this.#expel(seat, 'removed')
    const wasExpected = hosted.forget(peerId)
    if (wasExpected) this.#rooms.release(hosted)
    return seat !== undefined || wasExpected
  }

  /** Ends a room, and everybody in it. */
  deleteRoom (hosted: HostedRoom): void {
    for (const seat of [...hosted.seats]) this.#expel(seat, ROOM_STOPPED)
    this.#rooms.delete(hosted)
  }

  /** Ends every client's media, and every room. */
  close (): void {
    for (const hosted of this.#rooms.all) {
      for (const seat of [...hosted.seats]) this.#remove(seat)
      this.#rooms.delete(hosted)
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
    const { peer, hosted: { room } } = seat
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
    const { participant, hosted } = seat
    if (participant === undefined) return
    this.#absentees.delete(seat)
    seat.participant = undefined
    hosted.room.leave(participant)
  }

  #mediaEnded (seat: Seat, end: ConnectionEnd): void {
    this.#leave(seat)
    // A client that has closed its media by itself says `disconnect` or closes its link, or is about to.
    if (end === 'closed') return
    this.#remove(seat, MEDIA_LOST)
    seat.peer.close(MEDIA_LOST, end === 'silent' ? 'no media any more' : 'media connection failed')
  }

  #end (seat: Seat, error: unknown): void {
    this.#remove(seat)
    this.#options.onError?.(error, seat.peer)
    if (error instanceof MediaEventError) seat.peer.close(BAD_EVENT, 'bad media event')
    else seat.peer.close(INTERNAL_ERROR, 'internal error')
  }

  #expel (seat: Seat, reason: string): void {
    this.#remove(seat)
    seat.peer.close(REMOVED, reason)
  }

  /** @param code with which its session ended, where that is why */
  #remove (seat: Seat, code = DONE): void {
    const { hosted, peer, way } = seat
    if (!hosted.seats.delete(seat)) return
    this.#leave(seat)
    const isReplaced = hosted.seat(peer.id) !== undefined
    if (!isReplaced) {
      // Its token is still good, and it may have lost no more than its session.
      if (way === 'direct' && mayComeBack(code)) hosted.add(peer.id, peer.metadata)
      else hosted.forget(peer.id)
    }
    this.#rooms.left(hosted, peer.id)
  }
}

/** As the close codes advise clients; and one whose link was replaced is about to come again. */
function mayComeBack (code: number): boolean {
  return code === REPLACED || (code !== DONE && code < 4400)
}
