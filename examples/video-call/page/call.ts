import { FishjamClient } from '@fishjam-cloud/ts-client'
import type { Peer, TrackMetadata } from '@fishjam-cloud/ts-client'

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

/** What the backend answers to who wants to join. */
interface Ticket {
  peerId: string
  url: string
  token: string
}

/** Some minutes in all: the delay grows with each attempt. */
const RECONNECT = { maxAttempts: 40, initialDelay: 300, delay: 300, addTracksOnReconnect: true }

const REASONS: Record<string, string> = {
  'peer not found': 'You were removed from the room, or have joined it from somewhere else.',
  'expired token': 'Your access to the room has expired.',
  'invalid token': 'Your access to the room is not valid any more.',
  'room not found': 'There is no such room any more.'
}

/** One stay in one room, reconnections included. */
export class Call {
  readonly client = new FishjamClient<Profile>({ reconnect: RECONNECT })
  readonly profile: Profile
  readonly #observer: CallObserver
  readonly #enabled = { audio: true, video: true }
  #tracks: readonly MediaStreamTrack[]
  #state: CallState = 'connecting'

  private constructor (profile: Profile, tracks: readonly MediaStreamTrack[], observer: CallObserver) {
    this.profile = profile
    this.#tracks = tracks
    this.#observer = observer
    this.#listen()
  }

  /** @throws when the backend does not let this person in, or cannot be reached */
  static async join (room: string, name: string, tracks: readonly MediaStreamTrack[], observer: CallObserver): Promise<Call> {
    const { peerId, url, token } = await askToJoin(room, name)
    const profile = { peerId, name }
    const call = new Call(profile, tracks, observer)
    // How it comes out is told by events, as with every later attempt.
    call.client.connect({ url, token, peerMetadata: profile }).catch(() => {})
    return call
  }

  get state (): CallState {
    return this.#state
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
    for (const [trackId, { metadata }] of this.client.getLocalPeer()?.tracks ?? []) {
      if (metadata !== undefined && isVideo(metadata) === (track.kind === 'video')) await this.client.replaceTrack(trackId, track)
    }
  }

  leave (): void {
    if (this.#state === 'over') return
    try {
      this.client.leave()
    } catch {
      // Not connected at the moment: nobody is to be told.
    }
    this.#end()
  }

  #listen (): void {
    const { client } = this
    client.on('joined', () => {
      this.#to('joined')
      void this.#publish()
    })
    client.on('reconnectionStarted', () => { if (this.#state === 'joined') this.#to('reconnecting') })
    client.on('reconnectionRetriesLimitReached', () => this.#end('The connection was lost and did not come back.'))
    client.on('authError', (reason) => this.#end(REASONS[reason] ?? `You were not let in: ${reason}.`))
    client.on('joinError', (error) => this.#end(`You could not join: ${typeof error === 'string' ? error : 'the media server refused'}.`))
    client.on('disconnected', () => {
      // The client also says this of itself, before each attempt to come back.
      if (!client.isReconnecting()) this.#end('The media server has removed you from the room.')
    })
    // An attempt to come back that was under way when the call ended.
    client.on('socketOpen', () => { if (this.#state === 'over') client.disconnect() })

    const tell = (): void => { if (this.#state !== 'over') this.#observer.peers(this.#peers()) }
    for (const event of ['joined', 'peerJoined', 'peerLeft', 'peerUpdated', 'trackAdded', 'trackReady', 'trackRemoved', 'trackUpdated'] as const) {
      client.on(event, tell)
    }
  }

  #to (state: CallState, reason?: string): void {
    if (this.#state === 'over') return
    this.#state = state
    this.#observer.state(state, reason)
  }

  #end (reason?: string): void {
    if (this.#state === 'over') return
    this.#to('over', reason)
    this.client.cleanup()
    this.client.disconnect()
  }

  /** Adds what is not published yet: everything at first, and what a lost connection kept from being added. */
  async #publish (): Promise<void> {
    const published = new Set(this.#published().map(([, { track }]) => track))
    try {
      for (const track of this.#tracks) if (!published.has(track)) await this.client.addTrack(track, this.#describe(track))
    } catch (error) {
      // The connection has gone meanwhile; the next `joined` adds the rest.
      console.warn('a track could not be added', error)
    }
    this.#tellEnabled()
  }

  #tellEnabled (): void {
    if (this.#state !== 'joined') return
    for (const [trackId, { track, metadata }] of this.#published()) {
      if (track !== null && metadata !== undefined && metadata.paused === this.#enabled[kindOf(track)]) {
        this.client.updateTrackMetadata(trackId, { ...metadata, paused: !metadata.paused })
      }
    }
  }

  #describe (track: MediaStreamTrack): TrackMetadata {
    const kind = kindOf(track)
    return { type: kind === 'video' ? 'camera' : 'microphone', paused: !this.#enabled[kind] }
  }

  #published (): Array<[string, { track: MediaStreamTrack | null, metadata?: TrackMetadata }]> {
    return [...this.client.getLocalPeer()?.tracks ?? []]
  }

  #peers (): RemotePeer[] {
    return Object.values(this.client.getRemotePeers()).map((peer) => {
      const remote: RemotePeer = { ...profileOf(peer), video: null, audio: null, cameraOn: false, microphoneOn: false }
      for (const { track, metadata } of peer.tracks.values()) {
        if (metadata === undefined) continue
        if (isVideo(metadata)) Object.assign(remote, { video: track, cameraOn: track !== null && !metadata.paused })
        else Object.assign(remote, { audio: track, microphoneOn: !metadata.paused })
      }
      return remote
    })
  }
}

async function askToJoin (room: string, name: string): Promise<Ticket> {
  const response = await fetch(`/rooms/${encodeURIComponent(room)}/peers`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name })
  }).catch(() => { throw new Error('The server cannot be reached.') })
  if (!response.ok) {
    const { message = response.statusText } = await response.json().catch(() => ({})) as { message?: string }
    throw new Error(`The server says: ${message}`)
  }
  return await response.json() as Ticket
}

/** Fishjam's own servers put what a client says of itself under `peer`; others pass it on as it is. */
function profileOf ({ id, metadata }: Peer<Profile>): Profile {
  const { peerId = id, name = 'Somebody' } = metadata?.peer ?? (metadata as unknown as Partial<Profile> | undefined) ?? {}
  return { peerId: String(peerId), name: String(name) }
}

function isVideo ({ type }: TrackMetadata): boolean {
  return type === 'camera' || type === 'customVideo' || type === 'screenShareVideo'
}

function kindOf ({ kind }: MediaStreamTrack): 'audio' | 'video' {
  return kind === 'video' ? 'video' : 'audio'
}
