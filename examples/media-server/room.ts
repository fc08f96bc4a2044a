import type { Forwarder, Kind, Source } from './forwarder.js'
import type { WireTrack } from './media-events.js'
import type { Participant } from './participant.js'

/** A track that somebody in the room publishes. */
export interface Track {
  readonly id: string
  readonly endpointId: string
  readonly kind: Kind
  metadataJson: string
  readonly source: Source
  readonly forwarder: Forwarder
}

/** `auto`: everybody gets all tracks of the others. `manual`: those of whom `subscribe` has named. */
export type SubscribeMode = 'auto' | 'manual'

/** What somebody publishes has changed; nothing any more, once it has left. */
export type TracksListener = (publisher: Participant, tracks: readonly Track[]) => void

/** Whom one peer is subscribed to at most: those who have left are still among them. */
export const MAX_ORIGINS = 1_000

/** A peer is subscribed to too many others. */
export class TooManyOriginsError extends Error {
  override readonly name = 'TooManyOriginsError'
}

/** Every member is an endpoint of this type; there are no components here. */
const ENDPOINT_TYPE = 'exwebrtc'

/**
 * Who is in a room, which tracks there are, and who is told what.
 *
 * Nobody is ever told of what it did itself: a client takes that for a negotiation that then never comes.
 */
export class Room {
  readonly #members = new Map<string, Participant>()
  readonly #tracks = new Map<string, Track>()
  /** By subscriber. It may be told before that one, or those whom it names, are here. */
  readonly #origins = new Map<string, Set<string>>()
  readonly #subscribeMode: SubscribeMode
  readonly #onTracks: TracksListener

  constructor (subscribeMode: SubscribeMode = 'auto', onTracks: TracksListener = () => {}) {
    this.#subscribeMode = subscribeMode
    this.#onTracks = onTracks
  }

  get members (): Iterable<Participant> {
    return this.#members.values()
  }

  get size (): number {
    return this.#members.size
  }

  /** A published track of the room. */
  track (id: string): Track | undefined {
    return this.#tracks.get(id)
  }

  /** Takes somebody in: it hears who is there, the others hear of it, and it is offered all of their tracks. */
  join (newcomer: Participant): void {
    const others = [...this.#members.values()]
    this.#members.set(newcomer.id, newcomer)
    const endpoints = [...others, newcomer].map(({ id, metadataJson }) =>
      [id, { endpointType: ENDPOINT_TYPE, metadataJson, trackIdToTrack: {} }] as const)
    newcomer.tell({ type: 'connected', endpointId: newcomer.id, endpointIdToEndpoint: Object.fromEntries(endpoints) })
    for (const other of others) {
      other.tell({ type: 'endpointAdded', endpointId: newcomer.id, metadataJson: newcomer.metadataJson })
    }
    newcomer.offer(this.#wanted(newcomer.id, [...this.#tracks.values()]))
  }

  /**
   * With `manual`: this one gets what these publish, from now on, beside what it gets already.
   * @throws {TooManyOriginsError}
   */
  subscribe (id: string, origins: readonly string[]): void {
    if (this.#subscribeMode === 'auto') return
    const known = this.#origins.get(id) ?? new Set()
    const added = new Set(origins.filter((origin) => origin !== id && !known.has(origin)))
    const all = new Set([...known, ...added])
    if (all.size > MAX_ORIGINS) throw new TooManyOriginsError(`a peer is subscribed to ${MAX_ORIGINS} others at most`)
    this.#origins.set(id, all)
    this.#members.get(id)?.offer([...this.#tracks.values()].filter(({ endpointId }) => added.has(endpointId)))
  }

  /** Whom this one is subscribed to is forgotten. */
  unsubscribe (id: string): void {
    this.#origins.delete(id)
  }

  /** Lets somebody go, and its tracks with it. Once it has left, or was never there, nothing happens. */
  leave (leaver: Participant): void {
    if (this.#members.get(leaver.id) !== leaver) return
    this.#members.delete(leaver.id)
    const tracks = [...leaver.tracks]
    for (const { id } of tracks) this.#tracks.delete(id)
    leaver.close()
    for (const other of this.#members.values()) {
      // The removal of an endpoint takes its tracks with it.
      other.withdraw(tracks)
      other.tell({ type: 'endpointRemoved', endpointId: leaver.id })
    }
    if (tracks.length > 0) this.#onTracks(leaver, [])
  }

  tracksAdded (publisher: Participant, tracks: readonly Track[]): void {
    for (const track of tracks) this.#tracks.set(track.id, track)
    for (const other of this.#others(publisher)) other.offer(this.#wanted(other.id, tracks))
    this.#onTracks(publisher, [...publisher.tracks])
  }

  tracksRemoved (publisher: Participant, tracks: readonly Track[]): void {
    for (const { id } of tracks) this.#tracks.delete(id)
    for (const other of this.#others(publisher)) {
      const trackIds = other.withdraw(tracks)
      if (trackIds.length > 0) other.tell({ type: 'tracksRemoved', endpointId: publisher.id, trackIds })
    }
    this.#onTracks(publisher, [...publisher.tracks])
  }

  trackUpdated (publisher: Participant, track: Track): void {
    const { id: trackId, metadataJson } = track
    for (const other of this.#others(publisher)) {
      // Who has not heard of the track yet hears of it with its metadata of then.
      if (other.knows(track)) other.tell({ type: 'trackUpdated', endpointId: publisher.id, trackId, metadataJson })
    }
  }

  endpointUpdated ({ id, metadataJson }: Participant): void {
    for (const other of this.#members.values()) {
      if (other.id !== id) other.tell({ type: 'endpointUpdated', endpointId: id, metadataJson })
    }
  }

  #wanted (id: string, tracks: readonly Track[]): readonly Track[] {
    if (this.#subscribeMode === 'auto') return tracks
    const origins = this.#origins.get(id)
    return tracks.filter(({ endpointId }) => origins?.has(endpointId))
  }

  #others (author: Participant): Participant[] {
    return [...this.#members.values()].filter((member) => member !== author)
  }
}

/** A track as a client is told of it. */
export function toWire ({ metadataJson }: Track): WireTrack {
  return { metadataJson, simulcastConfig: { enabled: false, enabledVariants: [], disabledVariants: [] } }
}
