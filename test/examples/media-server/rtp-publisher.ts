import type { Test } from 'tap'
import { MediaStreamTrack, RTCPeerConnection, RTCRtpCodecParameters, RtpHeader, RtpPacket, useNACK, useOPUS, usePLI, useSdesMid } from 'werift'
import type { Kind } from '../../../examples/media-server/forwarder.js'
import { decodeServerEvent, encodePeerEvent, type PeerEvent, type ServerEvent } from '../../../examples/media-server/media-events.js'

/** How a publisher reaches the media server, and is reached. */
export interface Signaling {
  send (data: Buffer): void
  onEvent (listener: (data: Uint8Array) => void): void
}

/** A VP8 key frame of 16 x 16 (RFC 6386, 9.1), and one that changes nothing; nobody decodes them here. */
const KEY_FRAME = Buffer.from([0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 16, 0, 16, 0, 0, 0, 0, 0])
const FRAME = Buffer.from([0x11, 0x02, 0x00, 0, 0, 0, 0, 0])
const VIDEO_MS = 33
const AUDIO_MS = 20

/** A client that publishes real RTP over a real connection, as Fishjam's client would, but is no browser. */
export class RtpPublisher {
  readonly #id: string
  readonly #signaling: Signaling
  readonly #pc = new RTCPeerConnection({
    iceServers: [],
    iceUseIpv4: false,
    iceUseIpv6: false,
    iceAdditionalHostAddresses: ['127.0.0.1'],
    iceInterfaceAddresses: { udp4: '127.0.0.1' },
    bundlePolicy: 'max-bundle',
    codecs: { audio: [useOPUS()], video: [new RTCRtpCodecParameters({ mimeType: 'video/VP8', clockRate: 90_000, rtcpFeedback: [useNACK(), usePLI()] })] },
    headerExtensions: { audio: [useSdesMid()], video: [useSdesMid()] }
  })

  readonly #trackIds = new Map<string, string>()
  readonly #timers: NodeJS.Timeout[] = []
  readonly #events: ServerEvent[] = []
  #wanted: (() => void) | undefined
  #sent = 0
  #awaited: { sent: number, resolve: () => void } | undefined
  /** How many key frames the media server has asked for. */
  keyFrames = 0

  constructor (t: Test, id: string, signaling: Signaling) {
    this.#id = id
    this.#signaling = signaling
    signaling.onEvent((data) => {
      this.#events.push(decodeServerEvent(data))
      this.#wanted?.()
    })
    t.teardown(async () => { await this.close() })
  }

  async join (): Promise<void> {
    this.#say({ type: 'connect', metadataJson: '{}' })
    await this.#hear('connected')
  }

  /** Adds tracks, and sends on them from when they are negotiated. */
  async publish (...kinds: Kind[]): Promise<void> {
    const tracks = kinds.map((kind) => {
      const track = new MediaStreamTrack({ kind })
      const transceiver = this.#pc.addTransceiver(track, { direction: 'sendonly' })
      return { kind, track, transceiver }
    })
    this.#say({ type: 'renegotiateTracks' })
    await this.#hear('offerData')
    await this.#pc.setLocalDescription(await this.#pc.createOffer())
    for (const { kind, transceiver } of tracks) this.#trackIds.set(transceiver.mid!, `${this.#id}:${kind}${transceiver.mid}`)
    this.#say({
      type: 'sdpOffer',
      sdp: this.#pc.localDescription!.sdp,
      trackIdToMetadataJson: Object.fromEntries([...this.#trackIds.values()].map((trackId) => [trackId, '{}'])),
      midToTrackId: Object.fromEntries(this.#trackIds)
    })
    const answer = await this.#hear('sdpAnswer')
    await this.#pc.setRemoteDescription({ type: 'answer', sdp: (answer as { sdp: string }).sdp })
    if (this.#pc.connectionState !== 'connected') await this.#pc.connectionStateChange.watch((state) => state === 'connected')
    for (const { kind, track, transceiver } of tracks) {
      transceiver.sender.onPictureLossIndication.subscribe(() => { this.keyFrames++ })
      this.#send(kind, track)
    }
  }

  /** Resolves when so many more packets have gone out: media takes its time. */
  async sends (packets: number): Promise<void> {
    await new Promise<void>((resolve) => { this.#awaited = { sent: this.#sent + packets, resolve } })
  }

  /** Its process is gone: nobody is told. */
  async close (): Promise<void> {
    for (const timer of this.#timers.splice(0)) clearInterval(timer)
    await this.#pc.close()
  }

  /** As an encoder does: by the clock, and not one after the other. */
  #send (kind: Kind, track: MediaStreamTrack): void {
    const stepMs = kind === 'audio' ? AUDIO_MS : VIDEO_MS
    const ticksPerMs = kind === 'audio' ? 48 : 90
    const since = performance.now()
    const first = Math.floor(Math.random() * 2 ** 32)
    let frames = 0
    let shown = -1
    this.#timers.push(setInterval(() => {
      for (; frames * stepMs <= performance.now() - since; frames++) {
        const isKey = kind === 'video' && (frames === 0 || this.keyFrames !== shown)
        shown = this.keyFrames
        const header = new RtpHeader({ sequenceNumber: (65_500 + frames) & 0xffff, timestamp: (first + frames * stepMs * ticksPerMs) % 2 ** 32, payloadType: 96, ssrc: 1, marker: kind === 'video' })
        track.writeRtp(new RtpPacket(header, kind === 'audio' ? Buffer.from([0xf8, 0xff, 0xfe]) : isKey ? KEY_FRAME : FRAME))
        this.#sent++
      }
      if (this.#awaited !== undefined && this.#sent >= this.#awaited.sent) this.#awaited.resolve()
    }, 10))
  }

  #say (event: PeerEvent): void {
    this.#signaling.send(Buffer.from(encodePeerEvent(event)))
  }

  /** The next event of a type; those before it are lost. */
  async #hear (type: ServerEvent['type']): Promise<ServerEvent> {
    for (;;) {
      const event = this.#events.shift()
      if (event === undefined) await new Promise<void>((resolve) => { this.#wanted = resolve })
      else if (event.type === type) return event
    }
  }
}
