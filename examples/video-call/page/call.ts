import { WebRTCEndpoint } from '@fishjam-cloud/ts-client'
import type { Endpoint, TrackMetadata } from '@fishjam-cloud/ts-client'
import { CloseCode, Link } from 'trunkline/client'
import { Admission } from './admission.js'
import type { Mode } from './admission.js'

/** What each of us tells the others of itself. */
export interface Profile {
  peerId: string
  name: string
}

/** Somebody else in the room, as a tile shows it. */
export interface RemotePeer extends Profile {
  video: MediaStreamTrack | null
  audio: MediaStreamTrack | null
  cameraOn: boolean
  microphoneOn: boolean
}

export type CallState = 'connecting' | 'joined' | 'reconnecting' | 'over'

export interface CallObserver {
  /** `reason` says why a call is over, unless the user has left. */
  state (state: CallState, reason?: string): void
  peers (peers: RemotePeer[]): void
}

/** Media goes on while the signaling is interrupted: nobody need hear of what is over before they would have noticed. */
const WORTH_TELLING_MS = 1_500
/** For the backend to hear that one leaves, if it cannot be reached at the moment. */
const LEAVE_MS = 10_000

const REASONS: Partial<Record<number, string>> = {
  [CloseCode.notAuthenticated]: 'Your access to the room has expired.',
  [CloseCode.noSuchRoom]: 'There is no such room any more.',
  [CloseCode.replaced]: 'You have joined this call from somewhere else.',
  [CloseCode.removed]: 'You were removed from the room.'
}

/**
 * One stay in one room. Fishjam's endpoint does the media, and what it has to say travels on a link: when the signaling is
 * interrupted, the link makes up for it, and the endpoint does not even notice. Only when the media server has lost the
 * session does it all begin anew.
 */
export class Call {
  readonly admission: Admission
  readonly link: Link
  readonly profile: Profile
  readonly #observer: CallObserver
  readonly #enabled = { audio: true, video: true }
  #endpoint = new WebRTCEndpoint()
  #tracks: readonly MediaStreamTrack[]
  #state: CallState = 'connecting'
  #trunkUp = true
  /** Whether the media server has let the endpoint of the moment into the room. */
  #inRoom = false
  #interruption: ReturnType<typeof setTimeout> | undefined

  private constructor (name: string, admission: Admission, tracks: readonly MediaStreamTrack[], observer: CallObserver) {
    const { peerId, url, token } = this.admission = admission
    this.profile = { peerId, name }
    // Whether that is at the backend or at the media server makes no difference here, nor anywhere below.
    this.link = new Link({ url, token })
    this.#tracks = tracks
    this.#observer = observer
    this.#listen()
  }

  /** @throws when the backend does not let this person in, or cannot be reached */
  static async join (room: string, name: string, mode: Mode, tracks: readonly MediaStreamTrack[], observer: CallObserver): Promise<Call> {
    const call = new Call(name, await Admission.ask(room, name, mode), tracks, observer)
    call.link.join()
    // It is kept until the link is joined.
    call.#begin()
    return call
  }

  get state (): CallState {
    return this.#state
  }

  /** That of the media session of the moment. */
  get endpoint (): WebRTCEndpoint {
    return this.#endpoint
  }

  /** Mutes or unmutes: what is off goes out as silence, or as black pictures. */
  enable (kind: 'audio' | 'video', on: boolean): void {
    this.#enabled[kind] = on
    for (const track of this.#tracks) if (track.kind === kind) track.enabled = on
    this.#tellEnabled()
  }

  /** Sends `track` from now on in place of the one of its kind. */
  async replace (track: MediaStreamTrack): Promise<void> {
    track.enabled = this.#enabled[kindOf(track)]
    this.#tracks = this.#tracks.map((each) => each.kind === track.kind ? track : each)
    for (const [trackId, { metadata }] of this.#published()) {
      if (metadata !== undefined && isVideo(metadata) === (track.kind === 'video')) await this.#endpoint.replaceTrack(trackId, track)
    }
  }

  leave (): void {
    if (this.#state === 'over') return
    this.#endpoint.disconnect()
    this.#end()
  }

  #listen (): void {
    const { link } = this
    link.on('mediaEvent', (event) => {
      // It would begin to negotiate anew.
      if (typeof event === 'string' || this.#state === 'over') return
      this.#endpoint.receiveMediaEvent(event).catch((error: unknown) => console.warn('a media event could not be handled', error))
    })
    // The media server has another session for us now, and knows nothing of the one before.
    link.on('reset', () => this.#begin())
    link.on('state', () => this.#look())
    link.on('trunk', (state) => {
      this.#trunkUp = state === 'up'
      this.#look()
    })
    link.on('failed', ({ code, reason }) => {
      const said = reason === '' ? code : reason
      this.#end(REASONS[code] ?? (code === CloseCode.forbidden ? `You may not be in this room: ${said}.` : `The connection was refused: ${said}.`))
    })
  }

  /** The media, from the beginning. */
  #begin (): void {
    if (this.#state === 'over') return
    this.#discard()
    if (this.#state === 'joined') this.#to('reconnecting')
    const endpoint = this.#endpoint = new WebRTCEndpoint()
    endpoint.on('sendMediaEvent', (event) => this.#send(event))
    endpoint.on('connected', () => {
      this.#inRoom = true
      this.#look()
      void this.#publish(endpoint)
    })
    // Its media connection has failed, and it does not repair it: the media server takes a new one in its place.
    endpoint.on('connectionError', () => this.#begin())
    endpoint.on('signalingError', ({ message }) => this.#end(`The media server says: ${message}.`))
    endpoint.on('disconnected', () => this.#end('The media server has removed you from the room.'))

    const tell = (): void => this.#observer.peers(this.#peers())
    for (const event of ['connected', 'endpointAdded', 'endpointRemoved', 'endpointUpdated', 'trackAdded', 'trackReady', 'trackRemoved', 'trackUpdated'] as const) {
      endpoint.on(event, tell)
    }
    endpoint.connect(this.profile)
  }

  #send (event: Uint8Array): void {
    try {
      this.link.send(event)
    } catch (error) {
      // So much waits that this would be lost, and with it the thread of the negotiation.
      console.warn(error)
      this.#end('The connection was lost for too long.')
    }
  }

  #look (): void {
    if (this.link.state === 'joined' && this.#trunkUp && this.#inRoom) this.#to('joined')
    else if (this.#state === 'joined') this.#interruption ??= setTimeout(() => this.#to('reconnecting'), WORTH_TELLING_MS)
  }

  #to (state: CallState, reason?: string): void {
    clearTimeout(this.#interruption)
    this.#interruption = undefined
    if (this.#state === 'over' || this.#state === state) return
    this.#state = state
    this.#observer.state(state, reason)
  }

  #end (reason?: string): void {
    if (this.#state === 'over') return
    const { link } = this
    this.#discard()
    const giveUp = setTimeout(() => link.destroy(), LEAVE_MS)
    void link.leave().then(() => {
      clearTimeout(giveUp)
      link.destroy()
    })
    this.#to('over', reason)
  }

  #discard (): void {
    this.#endpoint.removeAllListeners()
    this.#endpoint.cleanUp()
    this.#inRoom = false
  }

  async #publish (endpoint: WebRTCEndpoint): Promise<void> {
    try {
      for (const track of this.#tracks) await endpoint.addTrack(track, this.#describe(track))
    } catch (error) {
      // Discarded meanwhile: the next one adds them all.
      if (endpoint === this.#endpoint) console.warn('a track could not be added', error)
    }
    if (endpoint === this.#endpoint) this.#tellEnabled()
  }

  #tellEnabled (): void {
    for (const [trackId, { track, metadata }] of this.#published()) {
      if (track !== null && metadata !== undefined && metadata.paused === this.#enabled[kindOf(track)]) {
        this.#endpoint.updateTrackMetadata(trackId, { ...metadata, paused: !metadata.paused })
      }
    }
  }

  #describe (track: MediaStreamTrack): TrackMetadata {
    const kind = kindOf(track)
    return { type: kind === 'video' ? 'camera' : 'microphone', paused: !this.#enabled[kind] }
  }

  #published (): PublishedTracks {
    return tracksOf(this.#endpoint.getLocalEndpoint())
  }

  #peers (): RemotePeer[] {
    return Object.values(this.#endpoint.getRemoteEndpoints()).map((endpoint) => {
      const remote: RemotePeer = { ...profileOf(endpoint), video: null, audio: null, cameraOn: false, microphoneOn: false }
      for (const [, { track, metadata }] of tracksOf(endpoint)) {
        if (metadata === undefined) continue
        if (isVideo(metadata)) Object.assign(remote, { video: track, cameraOn: track !== null && !metadata.paused })
        else Object.assign(remote, { audio: track, microphoneOn: !metadata.paused })
      }
      return remote
    })
  }
}

type PublishedTracks = Array<[string, { track: MediaStreamTrack | null, metadata?: TrackMetadata }]>

/** What a track's metadata says is agreed upon among the clients; nobody on the way looks at it. */
function tracksOf ({ tracks }: Pick<Endpoint, 'tracks'>): PublishedTracks {
  return [...tracks] as PublishedTracks
}

/** Fishjam's own servers put what a client says of itself under `peer`; others pass it on as it is. */
function profileOf ({ id, metadata }: Pick<Endpoint, 'id' | 'metadata'>): Profile {
  const said = metadata as { peer?: Partial<Profile> } & Partial<Profile> | undefined
  const { peerId = id, name = 'Somebody' } = said?.peer ?? said ?? {}
  return { peerId: String(peerId), name: String(name) }
}

function isVideo ({ type }: TrackMetadata): boolean {
  return type === 'camera' || type === 'customVideo' || type === 'screenShareVideo'
}

function kindOf ({ kind }: MediaStreamTrack): 'audio' | 'video' {
  return kind === 'video' ? 'video' : 'audio'
}
