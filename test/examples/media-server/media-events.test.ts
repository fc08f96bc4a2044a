import fc from 'fast-check'
import t from 'tap'
import {
  decodePeerEvent, decodeServerEvent, encodePeerEvent, encodeServerEvent, MAX_EVENT_BYTES, MAX_METADATA_LENGTH,
  MediaEventError, type PeerEvent, type ServerEvent
} from '../../../examples/media-server/media-events.js'

const track = { metadataJson: '{"type":"camera"}', simulcastConfig: { enabled: false, enabledVariants: [], disabledVariants: [] } }

const peerEvents: PeerEvent[] = [
  { type: 'connect', metadataJson: '{"name":"ada"}' },
  { type: 'disconnect' },
  { type: 'updateEndpointMetadata', metadataJson: '{"name":"Ada"}' },
  { type: 'updateTrackMetadata', trackId: 'a:1', metadataJson: '' },
  { type: 'renegotiateTracks' },
  { type: 'candidate', candidate: 'candidate:1', sdpMLineIndex: 1, sdpMid: '1', usernameFragment: 'abcd' },
  { type: 'sdpOffer', sdp: 'v=0\r\n', trackIdToMetadataJson: { 'a:1': 'null' }, midToTrackId: { 0: 'a:1' } },
  { type: 'trackBitrates' },
  { type: 'enableTrackVariant' },
  { type: 'disableTrackVariant' },
  { type: 'setTargetTrackVariant' },
  { type: 'unmuteTrack' }
]

const serverEvents: ServerEvent[] = [
  {
    type: 'connected',
    endpointId: 'a',
    endpointIdToEndpoint: { b: { endpointType: 'exwebrtc', metadataJson: '{}', trackIdToTrack: { 'b:1': track } } }
  },
  { type: 'endpointAdded', endpointId: 'b', metadataJson: '{}' },
  { type: 'endpointUpdated', endpointId: 'b', metadataJson: '{}' },
  { type: 'endpointRemoved', endpointId: 'b' },
  { type: 'tracksAdded', endpointId: 'b', trackIdToTrack: { 'b:1': track } },
  { type: 'tracksRemoved', endpointId: 'b', trackIds: ['b:1', 'b:2'] },
  { type: 'trackUpdated', endpointId: 'b', trackId: 'b:1', metadataJson: '{}' },
  { type: 'offerData', tracksTypes: { audio: 2, video: 0 } },
  { type: 'sdpAnswer', sdp: 'v=0\r\n', midToTrackId: { 0: 'a:1', 1: 'b:1' } }
]

t.test('every event of a client comes back as it went', async (t) => {
  for (const event of peerEvents) t.same(decodePeerEvent(encodePeerEvent(event)), event, event.type)
})

t.test('every event to a client comes back as it went', async (t) => {
  for (const event of serverEvents) t.same(decodeServerEvent(encodeServerEvent(event)), event, event.type)
})

t.test('field numbers are those of the protocol', async (t) => {
  const tagOf = (bytes: Uint8Array): number => (bytes[0] ?? 0) >>> 3
  t.same(peerEvents.map((event) => tagOf(encodePeerEvent(event))), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
  t.same(serverEvents.map((event) => tagOf(encodeServerEvent(event))), [7, 5, 1, 6, 3, 4, 2, 9, 11])
  t.equal(Buffer.from(encodePeerEvent({ type: 'connect', metadataJson: '{}' })).toString('hex'), '0a040a027b7d')
  t.equal(Buffer.from(encodeServerEvent({ type: 'offerData', tracksTypes: { audio: 1, video: 2 } })).toString('hex'), '4a060a0408011002')
})

t.test('metadata that others could not parse is refused', async (t) => {
  const bad = ['{', 'undefined', `"${'x'.repeat(MAX_METADATA_LENGTH)}"`]
  for (const metadataJson of bad) {
    t.throws(() => decodePeerEvent(encodePeerEvent({ type: 'connect', metadataJson })), MediaEventError)
    t.throws(() => decodePeerEvent(encodePeerEvent({
      type: 'sdpOffer', sdp: '', trackIdToMetadataJson: { 'a:1': metadataJson }, midToTrackId: {}
    })), MediaEventError)
  }
})

t.test('nothing, too much and unknown content are refused', async (t) => {
  t.throws(() => decodePeerEvent(new Uint8Array(0)), MediaEventError)
  t.throws(() => decodePeerEvent(new Uint8Array(MAX_EVENT_BYTES + 1)), MediaEventError)
  t.throws(() => decodePeerEvent(Buffer.from([0xfa, 0x01, 0x00])), MediaEventError)
})

t.test('garbage never does more than that', async () => {
  const onlyRefused = (bytes: Uint8Array): void => {
    try {
      decodePeerEvent(bytes)
    } catch (error) {
      if (!(error instanceof MediaEventError)) throw error
    }
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), onlyRefused), { numRuns: 2000 })
  const damaged = fc.tuple(fc.constantFrom(...peerEvents), fc.nat(), fc.nat(255), fc.nat(40))
  fc.assert(fc.property(damaged, ([event, position, value, cut]) => {
    const bytes = Buffer.from(encodePeerEvent(event))
    bytes[position % bytes.length] = value
    onlyRefused(bytes.subarray(0, Math.max(0, bytes.length - cut)))
  }), { numRuns: 2000 })
})
