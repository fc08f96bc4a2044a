import { Event, MediaStreamTrack, RtpHeader, RtpPacket, RTCRtpCodecParameters, useOPUS } from 'werift'
import { MediaRecorder } from 'werift/nonstandard'
import type { DiskFile } from './disk-file.js'
import type { Kind, Source } from './forwarder.js'
import './jitter-buffer.js'
import { retimed, SteadyTime } from './steady-time.js'
import type { Timing } from './timing.js'

/**
 * How long packets are held, in milliseconds, so that they are in the order of their times whichever track they are of: a key
 * frame begins a cluster, and what is from before it werift would leave out.
 */
const HOLD_MS = 500
/** Packets that are held at most. */
export const MAX_HELD_PACKETS = 2_000
/** How long werift may take for the end of a file, in milliseconds. */
const END_MS = 2_000
/** Where the duration and the size of the whole stand in what werift writes first. */
const DURATION_AT = 83

const CLOCK_RATES = { audio: 48_000, video: 90_000 } as const
/** Twenty milliseconds of silence, and a frame that is shown to nobody since no key frame is before it. */
const FIRST_PAYLOADS = { audio: Buffer.from([0xf8, 0xff, 0xfe]), video: Buffer.from([0x10, 0x01, 0x00, 0x00]) } as const

type Stream = NonNullable<ConstructorParameters<typeof MediaRecorder>[0]['stream']>

interface Input {
  readonly kind: Kind
  readonly track: MediaStreamTrack
  readonly time: SteadyTime
  readonly stop: () => void
  isBegun: boolean
}

interface Held {
  readonly input: Input
  readonly packet: RtpPacket
  readonly ms: number
}

/** What one peer publishes, at most one audio and one video, on its way into a WebM file. */
export class WebmTake {
  readonly #file: DiskFile
  readonly #timing: Timing
  readonly #beganAt: number
  readonly #inputs = new Map<Kind, Input>()
  /** In the order of their times. */
  readonly #held: Held[] = []
  #recorder: MediaRecorder | undefined
  #ended: ((end: { duration: number, durationElement: Uint8Array }) => void) | undefined
  #packets = 0

  constructor (file: DiskFile, timing: Timing) {
    this.#file = file
    this.#timing = timing
    this.#beganAt = timing.now()
  }

  get packets (): number {
    return this.#packets
  }

  /** Takes a track in. What comes of it is held until `begin`. */
  add (source: Source): void {
    const { kind } = source
    const codec = kind === 'audio' ? useOPUS() : new RTCRtpCodecParameters({ mimeType: 'video/VP8', clockRate: 90_000 })
    const input: Input = {
      kind,
      track: new MediaStreamTrack({ kind, codec }),
      time: new SteadyTime(CLOCK_RATES[kind]),
      stop: source.onPacket((packet) => { this.#take(input, packet) }),
      isBegun: false
    }
    this.#inputs.set(kind, input)
    if (kind === 'video') source.requestKeyFrame()
  }

  /** There are no more tracks to come. */
  begin (): void {
    if (this.#recorder !== undefined) return
    const stream: Stream = new Event()
    stream.subscribe(({ saveToFile, eol }) => {
      if (saveToFile !== undefined) this.#file.append(saveToFile)
      if (eol !== undefined) this.#ended?.(eol)
    })
    this.#recorder = new MediaRecorder({
      stream, tracks: [...this.#inputs.values()].map(({ track }) => track), width: 640, height: 480, disableLipSync: true, disableNtp: true
    })
    this.#release()
  }

  /** Takes nothing more. @returns how long it is, in milliseconds, and what the file needs at its beginning */
  async end (): Promise<{ durationMs: number, patches: Array<{ at: number, bytes: Uint8Array }> }> {
    this.cancel()
    // werift would never come to the end of no track.
    if (this.#packets === 0) return { durationMs: 0, patches: [] }
    this.begin()
    for (const held of this.#held.splice(0)) this.#record(held)
    const recorder = this.#recorder!
    const ended = new Promise<{ duration: number, durationElement: Uint8Array }>((resolve) => { this.#ended = resolve })
    // It would wait for five seconds for the file that it has been given none of.
    Object.assign(recorder.writer, { ended: true })
    await recorder.stop()
    let timer: { cancel (): void } | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = this.#timing.after(END_MS, () => { reject(new Error('the recording does not come to its end')) })
    })
    try {
      const { duration, durationElement } = await Promise.race([ended, late])
      return { durationMs: Math.round(duration), patches: [{ at: DURATION_AT, bytes: durationElement }] }
    } finally {
      timer?.cancel()
    }
  }

  /** Takes nothing more, and whatever there is need not be whole. */
  cancel (): void {
    for (const { stop } of this.#inputs.values()) stop()
  }

  #take (input: Input, packet: RtpPacket): void {
    this.#packets++
    const ms = input.time.at(packet.header.timestamp, this.#timing.now() - this.#beganAt)
    let place = this.#held.length
    while (place > 0 && this.#held[place - 1]!.ms > ms) place--
    this.#held.splice(place, 0, { input, packet, ms })
    if (this.#held.length >= MAX_HELD_PACKETS) this.begin()
    if (this.#recorder !== undefined) this.#release()
  }

  #release (): void {
    const until = this.#timing.now() - this.#beganAt - HOLD_MS
    let old = 0
    while (old < this.#held.length && (this.#held[old]!.ms < until || this.#held.length - old >= MAX_HELD_PACKETS)) old++
    for (const held of this.#held.splice(0, old)) this.#record(held)
  }

  #record ({ input, packet, ms }: Held): void {
    const { kind, track } = input
    if (!input.isBegun) {
      input.isBegun = true
      // werift counts a track's time from its first packet: this one is at the beginning of the file.
      const header = new RtpHeader({ sequenceNumber: (packet.header.sequenceNumber - 1) & 0xffff, payloadType: packet.header.payloadType, timestamp: 0, marker: true })
      track.onReceiveRtp.execute(new RtpPacket(header, FIRST_PAYLOADS[kind]))
    }
    track.onReceiveRtp.execute(retimed(packet, ms, CLOCK_RATES[kind]))
  }
}
