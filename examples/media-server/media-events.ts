import protobuf from 'protobufjs'

/**
 * The two protobuf messages of a Fishjam client: what it sends (`fishjam.media_events.peer.MediaEvent`) and what it is
 * sent (`fishjam.media_events.server.MediaEvent`). Fields that this media server has no use for are not described;
 * protobuf skips them.
 */

/** The largest media event that is looked at, in bytes. An offer with a hundred m-lines stays below it. */
export const MAX_EVENT_BYTES = 512 * 1024

/** The longest metadata that a client may attach to itself or to a track, in characters. */
export const MAX_METADATA_LENGTH = 16 * 1024

/** What a client sent is no media event. */
export class MediaEventError extends Error {
  override readonly name = 'MediaEventError'
}

/** What a client may send. `metadataJson` is '' or valid JSON. */
export type PeerEvent =
  | { type: 'connect', metadataJson: string }
  | { type: 'disconnect' }
  | { type: 'updateEndpointMetadata', metadataJson: string }
  | { type: 'updateTrackMetadata', trackId: string, metadataJson: string }
  | { type: 'renegotiateTracks' }
  | { type: 'candidate', candidate: string, sdpMLineIndex: number, sdpMid: string, usernameFragment: string }
  | { type: 'sdpOffer', sdp: string, trackIdToMetadataJson: Record<string, string>, midToTrackId: Record<string, string> }
  | { type: 'trackBitrates' | 'enableTrackVariant' | 'disableTrackVariant' | 'setTargetTrackVariant' | 'unmuteTrack' }

/** A track, as a client is told of it. */
export interface WireTrack {
  metadataJson: string
  simulcastConfig: { enabled: boolean, enabledVariants: number[], disabledVariants: number[] }
}

/** An endpoint of the room, as a client is told of it. */
export interface WireEndpoint {
  endpointType: string
  metadataJson: string
  trackIdToTrack: Record<string, WireTrack>
}

/** What a client may be sent. */
export type ServerEvent =
  | { type: 'connected', endpointId: string, endpointIdToEndpoint: Record<string, WireEndpoint> }
  | { type: 'endpointAdded', endpointId: string, metadataJson: string }
  | { type: 'endpointUpdated', endpointId: string, metadataJson: string }
  | { type: 'endpointRemoved', endpointId: string }
  | { type: 'tracksAdded', endpointId: string, trackIdToTrack: Record<string, WireTrack> }
  | { type: 'tracksRemoved', endpointId: string, trackIds: string[] }
  | { type: 'trackUpdated', endpointId: string, trackId: string, metadataJson: string }
  | { type: 'offerData', tracksTypes: { audio: number, video: number } }
  | { type: 'sdpAnswer', sdp: string, midToTrackId: Record<string, string> }

/** An event of one kind. */
export type EventOf<Event extends { type: string }, Type extends Event['type']> = Extract<Event, { type: Type }>

const string = (id: number) => ({ type: 'string', id })
const int32 = (id: number) => ({ type: 'int32', id })
const message = (type: string, id: number) => ({ type, id })
const repeated = (type: string, id: number) => ({ rule: 'repeated', type, id })
const map = (type: string, id: number) => ({ keyType: 'string', type, id })

const content = (fields: Record<string, { type: string, id: number }>) =>
  ({ oneofs: { content: { oneof: Object.keys(fields) } }, fields })

const schema = protobuf.Root.fromJSON({
  nested: {
    Nothing: { fields: {} },
    Metadata: { fields: { metadataJson: string(1) } },
    TrackMetadata: { fields: { trackId: string(1), metadataJson: string(2) } },
    Candidate: {
      fields: { candidate: string(1), sdpMLineIndex: int32(2), sdpMid: string(3), usernameFragment: string(4) }
    },
    SdpOffer: {
      fields: { sdp: string(1), trackIdToMetadataJson: map('string', 2), midToTrackId: map('string', 4) }
    },
    PeerMediaEvent: content({
      connect: message('Metadata', 1),
      disconnect: message('Nothing', 2),
      updateEndpointMetadata: message('Metadata', 3),
      updateTrackMetadata: message('TrackMetadata', 4),
      renegotiateTracks: message('Nothing', 5),
      candidate: message('Candidate', 6),
      sdpOffer: message('SdpOffer', 7),
      trackBitrates: message('Nothing', 8),
      enableTrackVariant: message('Nothing', 9),
      disableTrackVariant: message('Nothing', 10),
      setTargetTrackVariant: message('Nothing', 11),
      unmuteTrack: message('Nothing', 12)
    }),

    SimulcastConfig: {
      fields: {
        enabled: { type: 'bool', id: 1 }, enabledVariants: repeated('int32', 2), disabledVariants: repeated('int32', 3)
      }
    },
    Track: { fields: { metadataJson: string(1), simulcastConfig: message('SimulcastConfig', 2) } },
    Endpoint: { fields: { endpointType: string(2), metadataJson: string(3), trackIdToTrack: map('Track', 4) } },
    EndpointId: { fields: { endpointId: string(1) } },
    EndpointMetadata: { fields: { endpointId: string(1), metadataJson: string(2) } },
    TrackUpdated: { fields: { endpointId: string(1), trackId: string(2), metadataJson: string(3) } },
    TracksAdded: { fields: { endpointId: string(1), trackIdToTrack: map('Track', 2) } },
    TracksRemoved: { fields: { endpointId: string(1), trackIds: repeated('string', 2) } },
    Connected: { fields: { endpointId: string(1), endpointIdToEndpoint: map('Endpoint', 2) } },
    TracksTypes: { fields: { audio: int32(1), video: int32(2) } },
    OfferData: { fields: { tracksTypes: message('TracksTypes', 1) } },
    SdpAnswer: { fields: { sdp: string(1), midToTrackId: map('string', 2) } },
    ServerMediaEvent: content({
      endpointUpdated: message('EndpointMetadata', 1),
      trackUpdated: message('TrackUpdated', 2),
      tracksAdded: message('TracksAdded', 3),
      tracksRemoved: message('TracksRemoved', 4),
      endpointAdded: message('EndpointMetadata', 5),
      endpointRemoved: message('EndpointId', 6),
      connected: message('Connected', 7),
      offerData: message('OfferData', 9),
      sdpAnswer: message('SdpAnswer', 11)
    })
  }
}).resolveAll()

const peerMediaEvent = schema.lookupType('PeerMediaEvent')
const serverMediaEvent = schema.lookupType('ServerMediaEvent')

function encode (type: protobuf.Type, event: PeerEvent | ServerEvent): Uint8Array {
  const { type: name, ...fields } = event
  return type.encode(type.fromObject({ [name]: fields })).finish()
}

function decode (type: protobuf.Type, bytes: Uint8Array): { type: string } {
  if (bytes.length > MAX_EVENT_BYTES) {
    throw new MediaEventError(`a media event of ${bytes.length} bytes is larger than ${MAX_EVENT_BYTES}`)
  }
  let object: Record<string, unknown>
  try {
    object = type.toObject(type.decode(bytes), { defaults: true, arrays: true, objects: true, oneofs: true })
  } catch (cause) {
    throw new MediaEventError('not a protobuf message', { cause })
  }
  const name = object['content']
  if (typeof name !== 'string') throw new MediaEventError('a media event without known content')
  return { type: name, ...object[name] as object }
}

function checkMetadata (json: string): void {
  if (json === '') return
  if (json.length > MAX_METADATA_LENGTH) throw new MediaEventError('metadata is too long')
  // The other clients of the room parse what this one says; what they cannot parse breaks them, not its author.
  try {
    JSON.parse(json)
  } catch (cause) {
    throw new MediaEventError('metadata is not JSON', { cause })
  }
}

/**
 * Reads what a client sent.
 * @throws {MediaEventError} for anything that is not a media event of a client
 */
export function decodePeerEvent (bytes: Uint8Array): PeerEvent {
  const event = decode(peerMediaEvent, bytes) as PeerEvent
  if ('metadataJson' in event) checkMetadata(event.metadataJson)
  if (event.type === 'sdpOffer') Object.values(event.trackIdToMetadataJson).forEach(checkMetadata)
  return event
}

/** Writes what a client is sent. */
export function encodeServerEvent (event: ServerEvent): Uint8Array {
  return encode(serverMediaEvent, event)
}

/** Writes what a client would send: for tests and for clients that are programs. */
export function encodePeerEvent (event: PeerEvent): Uint8Array {
  return encode(peerMediaEvent, event)
}

/**
 * Reads what a client was sent: for tests and for clients that are programs.
 * @throws {MediaEventError} for anything that is not a media event of a server
 */
export function decodeServerEvent (bytes: Uint8Array): ServerEvent {
  return decode(serverMediaEvent, bytes) as ServerEvent
}
