import { randomUUID } from 'node:crypto'
import {
  MediaStream, PictureLossIndication, RTCPeerConnection, RTCRtpCodecParameters, RtcpPayloadSpecificFeedback, useFIR,
  useNACK, useOPUS, usePLI, useSdesMid, type RTCDtlsTransport, type RTCRtpTransceiver, type RtcpPacket,
  type RtpPacket
} from 'werift'
import type { Heard } from './absentees.js'
import type { Sink, Source } from './forwarder.js'
import { iceOptions, StunWatch } from './ice.js'
import type { Answer, Connection, ConnectionEnd, Plan } from './participant.js'
import type { MLine } from './slots.js'

/** How long a negotiation may wait for the media transport of the one before. */
const SETTLE_MS = 10_000
/** A browser sends STUN every 2.7 s; after this long without any it is gone, whatever its signaling says. */
const SILENCE_MS = 10_000
/** How long a browser may take until its first STUN request: it tries as long itself before it gives up. */
const FIRST_STUN_MS = 30_000
const SILENCE_CHECK_MS = 1_000
/** Where a browser's encoder starts, in kbit/s. */
const START_BITRATE = 1200

/** Where media is reachable: one IPv4 address, or by default each of this machine's. */
export interface MediaConnectionOptions {
  readonly address?: string | undefined
  /** The media transport is over; told at most once, and never after `close`. */
  readonly onEnd: (end: ConnectionEnd) => void
}

/** The media transport of one client: a werift peer connection, and everything that it needs help with. */
export class MediaConnection implements Connection {
  readonly #onEnd: (end: ConnectionEnd) => void
  readonly #stun = new StunWatch()
  readonly #pc: RTCPeerConnection
  readonly #keyFrameListeners = new Map<number, Set<() => void>>()
  readonly #carried = new Map<string, string>()
  readonly #published = new Set<string>()
  readonly #silenceCheck: NodeJS.Timeout
  #dtls: RTCDtlsTransport | undefined
  #answering = Promise.resolve()
  #stopSettling: (() => void) | undefined
  #mediaAt = -Infinity
  #ended = false

  constructor ({ address, onEnd }: MediaConnectionOptions) {
    this.#onEnd = onEnd
    this.#pc = new RTCPeerConnection({
      ...iceOptions(address),
      iceFilterStunResponse: (message, remote, protocol) => this.#stun.accept(message, remote, protocol),
      bundlePolicy: 'max-bundle',
      // One codec a kind: a packet then fits every subscriber, whatever payload type its browser gave the codec. The
      // feedback has to be named here, or werift's receivers silently refuse to ask for key frames.
      codecs: {
        audio: [useOPUS()],
        video: [
          new RTCRtpCodecParameters({
            mimeType: 'video/VP8', clockRate: 90_000, rtcpFeedback: [useNACK(), usePLI(), useFIR()]
          }),
          new RTCRtpCodecParameters({ mimeType: 'video/rtx', clockRate: 90_000 })
        ]
      },
      headerExtensions: { audio: [useSdesMid()], video: [useSdesMid()] }
    })
    // werift gives an inactive transceiver to the next m-line that comes, and then misses it under its old mid. One that
    // has been "used for sending" is exempt.
    this.#pc.onTransceiverAdded.subscribe((transceiver) => { transceiver.usedForSender = true })
    this.#silenceCheck = setInterval(() => { this.#checkSilence() }, SILENCE_CHECK_MS)
  }

  get heard (): Heard {
    return { media: this.#mediaAt, stun: this.#stun.heardAt }
  }

  answer (offer: string, plan: (mLines: MLine[]) => Plan): Promise<Answer> {
    const answer = this.#answer(offer, plan)
    this.#answering = answer.then(() => {}, () => {})
    return answer
  }

  async #answer (offer: string, plan: (mLines: MLine[]) => Plan): Promise<Answer> {
    if (this.#ended) throw new Error('the media connection is closed')
    await this.#pc.setRemoteDescription({ type: 'offer', sdp: cleanOffer(offer) })
    this.#watchTransport()

    const transceivers = this.#transceivers(offer)
    const { receive, send } = plan([...transceivers.values()].map(toMLine))
    const answer: Answer = { sdp: '', sources: new Map(), sinks: new Map() }
    for (const [mid, transceiver] of transceivers) {
      const trackId = send.get(mid)
      if (trackId !== undefined) {
        transceiver.direction = 'sendonly'
        this.#label(transceiver, mid, trackId)
        answer.sinks.set(mid, this.#sink(transceiver))
      } else if (receive.has(mid)) {
        transceiver.direction = 'recvonly'
        this.#published.add(mid)
        answer.sources.set(mid, source(transceiver))
      } else {
        transceiver.direction = 'inactive'
        this.#carried.delete(mid)
      }
    }
    await this.#pc.setLocalDescription(await this.#pc.createAnswer())
    this.#stun.expect(this.#dtls?.iceTransport.connection)
    answer.sdp = dressAnswer(this.#pc.localDescription?.sdp ?? '', (mid) =>
      this.#published.has(mid) && !receive.has(mid) && transceivers.get(mid)?.mLineIndex !== 0)
    return answer
  }

  /** werift fails the whole connection when it is negotiated anew during the handshake of the negotiation before. */
  async settled (): Promise<void> {
    const dtls = this.#dtls
    if (this.#ended || dtls === undefined || dtls.state === 'connected') return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        subscription.unSubscribe()
        this.#stopSettling = undefined
        resolve()
      }
      const timer = setTimeout(done, SETTLE_MS)
      const subscription = dtls.onStateChange.subscribe((state) => { if (state === 'connected') done() })
      this.#stopSettling = done
    })
  }

  close (): void {
    if (this.#ended) return
    this.#ended = true
    clearInterval(this.#silenceCheck)
    this.#stopSettling?.()
    this.#keyFrameListeners.clear()
    // A connection that is closed while it gathers addresses would keep their sockets for ever.
    this.#answering.then(() => this.#pc.close()).catch(() => {})
  }

  #end (end: ConnectionEnd): void {
    if (this.#ended) return
    this.close()
    this.#onEnd(end)
  }

  /** The transceivers of an offer, by their mid. */
  #transceivers (offer: string): Map<string, RTCRtpTransceiver> {
    const mids = new Set([...offer.matchAll(/^a=mid:(\S+)/gm)].map(([, mid]) => mid))
    const transceivers = new Map<string, RTCRtpTransceiver>()
    for (const transceiver of this.#pc.getTransceivers()) {
      // A browser gives the place of a rejected m-line to a new one, of another mid. werift goes by the place, and would
      // find the transceiver that was there before.
      if (transceiver.mid === null || !mids.has(transceiver.mid)) {
        delete transceiver.mLineIndex
        transceiver.forceStop()
      } else transceivers.set(transceiver.mid, transceiver)
    }
    return transceivers
  }

  #watchTransport (): void {
    const dtls = this.#pc.dtlsTransports[0]
    if (dtls === undefined || this.#dtls !== undefined) return
    this.#dtls = dtls
    // The connection's own state does not follow when a browser closes the DTLS session, so that is watched itself.
    dtls.onStateChange.subscribe((state) => {
      if (state === 'closed') this.#end('closed')
      else if (state === 'failed') this.#end('failed')
    })
    dtls.onRtp.subscribe(() => { this.#mediaAt = performance.now() })
    // werift looks for the sender of a key frame request among its own senders before it looks whom the request is for,
    // so the requests of a browser which also publishes never arrive there.
    dtls.onRtcp.subscribe((packet) => {
      for (const ssrc of keyFramesRequested(packet)) {
        this.#keyFrameListeners.get(ssrc)?.forEach((listener) => { listener() })
      }
    })
  }

  #checkSilence (): void {
    const silence = this.#stun.silence
    if (silence > (this.#stun.heardAt > -Infinity ? SILENCE_MS : FIRST_STUN_MS)) this.#end('silent')
  }

  /** A browser sorts tracks into streams by this label; each track gets a stream of its own. */
  #label (transceiver: RTCRtpTransceiver, mid: string, trackId: string): void {
    if (this.#carried.get(mid) === trackId) return
    this.#carried.set(mid, trackId)
    transceiver.sender.setStreams([new MediaStream({ id: randomUUID(), tracks: [] })])
  }

  #sink (transceiver: RTCRtpTransceiver): Sink {
    const { sender, kind } = transceiver
    const listeners = this.#keyFrameListeners
    return {
      get ready () { return sender.dtlsTransport.state === 'connected' },
      start ({ header }) {
        // Not with werift's `discontinuity`: it cuts the 32-bit timestamp offset down to 16 bits.
        const step = kind === 'video' ? 3000 : 960
        sender.replaceRTP({
          sequenceNumber: (header.sequenceNumber - 1) & 0xffff, timestamp: (header.timestamp - step) >>> 0
        })
      },
      send (packet) {
        // werift writes into the packet that it sends, and lets the publisher's header extensions win over its own: the
        // subscriber would get the publisher's mid.
        const copy = packet.clone()
        copy.header.extensions = []
        sender.sendRtp(copy).catch(() => {})
      },
      onKeyFrameRequest (listener) {
        const own = listeners.get(sender.ssrc) ?? new Set()
        listeners.set(sender.ssrc, own.add(listener))
        return () => { own.delete(listener) }
      }
    }
  }
}

function source ({ receiver, kind }: RTCRtpTransceiver): Source {
  const track = receiver.track
  return {
    kind: kind === 'audio' ? 'audio' : 'video',
    onPacket (listener: (packet: RtpPacket) => void) {
      return track.onReceiveRtp.subscribe((packet) => { listener(packet) }).unSubscribe
    },
    requestKeyFrame () {
      if (track.ssrc !== undefined) receiver.sendRtcpPLI(track.ssrc).catch(() => {})
    }
  }
}

function toMLine ({ mid, kind, offerDirection }: RTCRtpTransceiver): MLine {
  // werift keeps the offered direction turned around, as the answerer sees it.
  const offered = { sendonly: 'recvonly', recvonly: 'sendonly', sendrecv: 'sendrecv', inactive: 'inactive' } as const
  return {
    mid: mid ?? '', kind: kind === 'audio' ? 'audio' : 'video', direction: offered[offerDirection ?? 'inactive']
  }
}

function keyFramesRequested (packet: RtcpPacket): number[] {
  if (!(packet instanceof RtcpPayloadSpecificFeedback)) return []
  const { feedback } = packet
  if (feedback instanceof PictureLossIndication) return [feedback.mediaSsrc]
  if ('fir' in feedback) return feedback.fir.map(({ ssrc }) => ssrc)
  return []
}

/**
 * werift answers with the feedback that it was offered. With transport-wide or REMB congestion control the bandwidth
 * estimate of Chromium falls to some 100 kbit/s behind it, so neither is let in. Candidates are not needed: this side is
 * ICE-lite, and learns the browser's address from its checks.
 */
function cleanOffer (sdp: string): string {
  return sdp.replace(/^a=(?:candidate:.*|end-of-candidates|rtcp-fb:\S+ (?:transport-cc|goog-remb).*)\r?\n/gm, '')
}

/**
 * werift writes port 0 for an inactive m-line, which means "rejected": the browser stops its transceiver for good. That is
 * right only for one whose track the client has removed: it never uses it again, but another in its place, and its offers
 * stay as short as they are. The first m-line is spared, as it stands for the transport of all.
 *
 * And without a start bitrate Chromium's encoder begins at 300 kbit/s, at a quarter of the resolution.
 */
function dressAnswer (sdp: string, isRejected: (mid: string) => boolean): string {
  const rejected = new Set<string>()
  const sections = sdp.split(/^(?=m=)/m).map((section) => {
    const mid = /^a=mid:(\S+)/m.exec(section)?.[1]
    if (!/^m=(?:audio|video) 0 /.test(section) || mid === undefined) return section
    if (!isRejected(mid)) return section.replace(' 0 ', ' 9 ')
    rejected.add(mid)
    return section
  })
  return sections.join('')
    .replace(/^a=group:BUNDLE.*/m, (line) => line.split(' ').filter((mid) => !rejected.has(mid)).join(' '))
    .replace(/^a=rtpmap:(\d+) VP8\/90000(\r?\n)/gm,
      (line, payloadType: string, end: string) =>
        `${line}a=fmtp:${payloadType} x-google-start-bitrate=${START_BITRATE}${end}`)
}
