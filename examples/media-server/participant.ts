import type { Heard } from './absentees.js'
import { Forwarder, type Sink, type Source } from './forwarder.js'
import { MediaEventError, type EventOf, type PeerEvent, type ServerEvent } from './media-events.js'
import { toWire, type Room, type Track } from './room.js'
import { Slots, type MLine } from './slots.js'

/** The most tracks that one client may publish at a time. */
export const MAX_TRACKS = 4
/** The longest offer that is looked at, in characters. */
export const MAX_SDP_LENGTH = 256 * 1024
/** The most m-lines of an offer; a full room needs some sixty. */
export const MAX_M_LINES = 150
/** The most events that wait for an answer; it takes milliseconds, so only one that never comes lets so many wait. */
export const MAX_HELD = 1_000

/** What an answer does with the m-lines of an offer; those of neither kind become inactive. */
export interface Plan {
  readonly receive: ReadonlySet<string>
  readonly send: ReadonlyMap<string, string>
}

export interface Answer {
  sdp: string
  readonly sources: Map<string, Source>
  readonly sinks: Map<string, Sink>
}

/** Why a media transport is over: the client closed it, it could not be set up, or nothing comes any more. */
export type ConnectionEnd = 'closed' | 'failed' | 'silent'

/** The media transport of one client, as its negotiations need it. */
export interface Connection {
  readonly heard: Heard
  /** Answers an offer. @throws when it cannot be answered */
  answer (offer: string, plan: (mLines: MLine[]) => Plan): Promise<Answer>
  /** Resolves when the next negotiation may begin. Never rejects. */
  settled (): Promise<void>
  close (): void
}

/** Where a client's negotiation stands. `again`: something came up that the running one does not cover. */
type State =
  | { readonly name: 'stable' }
  | { readonly name: 'offering', readonly again: boolean }
  | { readonly name: 'answering', readonly again: boolean, readonly held: ServerEvent[] }
  | { readonly name: 'settling', readonly again: boolean }
  | { readonly name: 'gone' }

const NEXT: Record<State['name'], ReadonlyArray<State['name']>> = {
  stable: ['offering', 'gone'],
  offering: ['offering', 'answering', 'gone'],
  answering: ['answering', 'settling', 'gone'],
  settling: ['settling', 'stable', 'gone'],
  gone: []
}

export interface ParticipantOptions {
  /** The endpoint's id in the room, and the peer's on the trunk. */
  readonly id: string
  readonly metadataJson: string
  readonly room: Room
  readonly connection: Connection
  readonly send: (event: ServerEvent) => void
  /** This client cannot go on; told at most once. */
  readonly onFailure: (error: unknown) => void
}

/**
 * One client in its room: what it publishes, what it gets of the others, and the negotiations that this takes.
 *
 * The client is always the offerer: it is told how much it shall receive (`offerData`), offers, and is answered. One
 * negotiation runs at a time. There is no id on any of its messages, so their order is all that holds it together.
 */
export class Participant {
  readonly id: string
  readonly #room: Room
  readonly #connection: Connection
  readonly #send: (event: ServerEvent) => void
  readonly #onFailure: (error: unknown) => void
  readonly #slots = new Slots<Track>()
  readonly #published = new Map<string, Track>()
  readonly #feeds = new Map<string, () => void>()
  #state: State = { name: 'stable' }
  #metadataJson: string

  constructor ({ id, metadataJson, room, connection, send, onFailure }: ParticipantOptions) {
    this.id = id
    this.#metadataJson = metadataJson
    this.#room = room
    this.#connection = connection
    this.#send = send
    this.#onFailure = onFailure
  }

  get metadataJson (): string {
    return this.#metadataJson
  }

  get heard (): Heard {
    return this.#connection.heard
  }

  get tracks (): Iterable<Track> {
    return this.#published.values()
  }

  /**
   * An event of the client, in the order sent.
   * @throws {MediaEventError} for one that has no place here
   */
  receive (event: PeerEvent): void {
    if (this.#state.name === 'gone') return
    switch (event.type) {
      case 'sdpOffer':
        this.#answer(event).catch((error: unknown) => { this.#fail(error) })
        break
      case 'renegotiateTracks':
        this.#negotiate()
        break
      case 'updateEndpointMetadata':
        this.#metadataJson = event.metadataJson
        this.#room.endpointUpdated(this)
        break
      case 'updateTrackMetadata': {
        const track = this.#published.get(event.trackId)
        if (track === undefined) break
        track.metadataJson = event.metadataJson
        this.#room.trackUpdated(this, track)
        break
      }
      // The rest is of no use here: candidates (ICE-lite), and everything about simulcast and bitrates.
    }
  }

  /** Tells the client of its room. Held back while it is being answered: it must not hear of the end of a track before
   * the answer that brings it. */
  tell (event: ServerEvent): void {
    const state = this.#state
    if (state.name === 'gone') return
    if (state.name !== 'answering') this.#send(event)
    else if (state.held.length < MAX_HELD) state.held.push(event)
    // The room is in the midst of telling everyone; a member leaves it afterwards.
    else queueMicrotask(() => { this.#fail(new Error('an answer that does not come')) })
  }

  /** Tracks of another participant for this client. It is told with the next negotiation, which follows at once if it can. */
  offer (tracks: Iterable<Track>): void {
    for (const track of tracks) this.#slots.add(track)
    if (this.#slots.hasPending) this.#negotiate()
  }

  /** Tracks of another participant have ended. @returns those that the client has been told of */
  withdraw (tracks: Iterable<Track>): string[] {
    const known: string[] = []
    for (const { id } of tracks) {
      this.#feeds.get(id)?.()
      this.#feeds.delete(id)
      if (this.#slots.remove(id)) known.push(id)
    }
    return known
  }

  /** Whether the client has been told of the track. */
  knows (track: Track): boolean {
    return this.#slots.knows(track.id)
  }

  /** Ends everything of this client that the media server holds. The room is not told. */
  close (): void {
    if (this.#state.name === 'gone') return
    this.#to({ name: 'gone' })
    for (const stop of this.#feeds.values()) stop()
    this.#feeds.clear()
    for (const track of this.#published.values()) track.forwarder.close()
    this.#connection.close()
  }

  #to (state: State): void {
    if (!NEXT[this.#state.name].includes(state.name)) {
      throw new Error(`a negotiation cannot go from ${this.#state.name} to ${state.name}`)
    }
    this.#state = state
  }

  #negotiate (): void {
    const state = this.#state
    if (state.name === 'gone') return
    if (state.name !== 'stable') {
      this.#to({ ...state, again: true })
      return
    }
    // Tracks are announced here and not when they come up: the client does nothing more on its own between an
    // announcement and the next answer.
    for (const event of byEndpoint(this.#slots.announce())) this.#send(event)
    this.#to({ name: 'offering', again: false })
    this.#send({ type: 'offerData', tracksTypes: this.#slots.tracksTypes })
  }

  async #answer (offer: EventOf<PeerEvent, 'sdpOffer'>): Promise<void> {
    if (this.#state.name !== 'offering') throw new MediaEventError('an offer that was not asked for')
    if (offer.sdp.length > MAX_SDP_LENGTH) throw new MediaEventError('the offer is too long')
    if ((offer.sdp.match(/^m=/gm)?.length ?? 0) > MAX_M_LINES) throw new MediaEventError('too many m-lines')
    this.#to({ name: 'answering', again: this.#state.again, held: [] })

    const mids = new Map(Object.entries(offer.midToTrackId))
    const midToTrackId = new Map<string, string>()
    let answer: Answer
    try {
      answer = await this.#connection.answer(offer.sdp, (mLines) => {
        const send = this.#slots.assign(mLines)
        const receive = this.#publishedMids(mLines, mids)
        for (const mid of receive) midToTrackId.set(mid, mids.get(mid) ?? '')
        for (const [mid, trackId] of send) midToTrackId.set(mid, trackId)
        return { receive, send }
      })
    } catch (cause) {
      throw cause instanceof MediaEventError ? cause : new MediaEventError('the offer cannot be answered', { cause })
    }
    const state = this.#stateNow
    if (state.name !== 'answering') return

    this.#to({ name: 'settling', again: state.again })
    this.#send({ type: 'sdpAnswer', sdp: answer.sdp, midToTrackId: Object.fromEntries(midToTrackId) })
    for (const event of state.held) this.#send(event)
    this.#feed(answer.sinks, midToTrackId)
    this.#publish(answer.sources, midToTrackId, offer)
    await this.#connection.settled()
    this.#settled()
  }

  #settled (): void {
    const state = this.#stateNow
    if (state.name !== 'settling') return
    this.#to({ name: 'stable' })
    if (state.again) this.#negotiate()
  }

  /** The m-lines of an offer on which the client sends tracks of its own. */
  #publishedMids (mLines: MLine[], mids: ReadonlyMap<string, string>): Set<string> {
    const receive = new Set<string>()
    for (const { mid, direction } of mLines) {
      const trackId = mids.get(mid)
      if (direction !== 'sendonly' || trackId === undefined) continue
      // A client mints its own track ids; the prefix keeps it from minting those of another.
      if (!trackId.startsWith(`${this.id}:`)) throw new MediaEventError('a track id that belongs to nobody here')
      receive.add(mid)
    }
    if (receive.size > MAX_TRACKS) throw new MediaEventError('too many tracks')
    return receive
  }

  /** Starts to forward the others' tracks on the m-lines that this answer gave them. */
  #feed (sinks: ReadonlyMap<string, Sink>, midToTrackId: ReadonlyMap<string, string>): void {
    for (const [mid, sink] of sinks) {
      const trackId = midToTrackId.get(mid)
      const track = trackId === undefined ? undefined : this.#room.track(trackId)
      if (track === undefined || this.#feeds.has(track.id)) continue
      this.#feeds.set(track.id, track.forwarder.subscribe(sink))
    }
  }

  /** Tells the room which tracks of this client have ended and which are new. */
  #publish (
    sources: ReadonlyMap<string, Source>, midToTrackId: ReadonlyMap<string, string>, offer: EventOf<PeerEvent, 'sdpOffer'>
  ): void {
    const metadata = new Map(Object.entries(offer.trackIdToMetadataJson))
    const current = new Map([...sources].map(([mid, source]) => [midToTrackId.get(mid) ?? '', source]))
    const ended = [...this.#published.values()].filter(({ id }) => !current.has(id))
    const started: Track[] = []
    for (const [id, source] of current) {
      if (this.#published.has(id)) continue
      const metadataJson = metadata.get(id) ?? ''
      started.push({ id, endpointId: this.id, kind: source.kind, metadataJson, source, forwarder: new Forwarder(source) })
    }
    for (const track of ended) {
      this.#published.delete(track.id)
      track.forwarder.close()
    }
    for (const track of started) this.#published.set(track.id, track)
    if (ended.length > 0) this.#room.tracksRemoved(this, ended)
    if (started.length > 0) this.#room.tracksAdded(this, started)
  }

  /** The state after an await, which the compiler takes for the one before. */
  get #stateNow (): State {
    return this.#state
  }

  #fail (error: unknown): void {
    if (this.#state.name !== 'gone') this.#onFailure(error)
  }
}

function byEndpoint (tracks: Track[]): ServerEvent[] {
  const endpoints = new Map<string, Track[]>()
  for (const track of tracks) endpoints.set(track.endpointId, [...endpoints.get(track.endpointId) ?? [], track])
  return [...endpoints].map(([endpointId, added]) => ({
    type: 'tracksAdded', endpointId, trackIdToTrack: Object.fromEntries(added.map((track) => [track.id, toWire(track)]))
  }))
}
