import type { RtpPacket } from 'werift'

export type Kind = 'audio' | 'video'

/** Where the RTP of a track comes from: one m-line of its publisher. */
export interface Source {
  readonly kind: Kind
  /** @returns how to stop listening */
  onPacket (listener: (packet: RtpPacket) => void): () => void
  /** Asks the publisher's encoder for a key frame. */
  requestKeyFrame (): void
}

/** Where the RTP of a track goes: one m-line of a subscriber. */
export interface Sink {
  /** Whether packets can go out yet. */
  readonly ready: boolean
  /** A new track starts here with this packet; sequence numbers and timestamps go on from the track before. */
  start (first: RtpPacket): void
  send (packet: RtpPacket): void
  /** @returns how to stop listening */
  onKeyFrameRequest (listener: () => void): () => void
}

/** A browser's encoder answers one request within a few frames; asking more often only makes its stream bigger. */
export const KEY_FRAME_INTERVAL_MS = 500

interface Subscriber {
  readonly sink: Sink
  started: boolean
}

/**
 * RTP from one publisher's track to its subscribers, and their key frame requests back.
 *
 * A subscriber's video starts with a key frame, as nothing before it can be decoded. While one waits, each packet of the
 * publisher is an occasion to ask again, so a lost request needs no timer, and a paused publisher is left in peace.
 */
export class Forwarder {
  readonly #source: Source
  readonly #now: () => number
  readonly #subscribers = new Set<Subscriber>()
  readonly #stopListening: () => void
  #askedAt = -Infinity

  constructor (source: Source, now: () => number = () => performance.now()) {
    this.#source = source
    this.#now = now
    this.#stopListening = source.onPacket((packet) => { this.#forward(packet) })
  }

  /** Sends the track to a subscriber from now on. @returns how to stop */
  subscribe (sink: Sink): () => void {
    const subscriber: Subscriber = { sink, started: false }
    this.#subscribers.add(subscriber)
    const stopListening = sink.onKeyFrameRequest(() => { this.#requestKeyFrame() })
    this.#requestKeyFrame()
    return () => {
      this.#subscribers.delete(subscriber)
      stopListening()
    }
  }

  /** The track has ended. */
  close (): void {
    this.#stopListening()
    this.#subscribers.clear()
  }

  #forward (packet: RtpPacket): void {
    let keyFrame: boolean | undefined
    for (const subscriber of this.#subscribers) {
      const { sink } = subscriber
      if (!sink.ready) continue
      if (!subscriber.started) {
        keyFrame ??= this.#source.kind === 'audio' || startsKeyFrame(packet.payload)
        if (!keyFrame) {
          this.#requestKeyFrame()
          continue
        }
        subscriber.started = true
        sink.start(packet)
      }
      sink.send(packet)
    }
  }

  #requestKeyFrame (): void {
    if (this.#source.kind === 'audio') return
    const now = this.#now()
    if (now - this.#askedAt < KEY_FRAME_INTERVAL_MS) return
    this.#askedAt = now
    this.#source.requestKeyFrame()
  }
}

/** Whether a VP8 RTP payload begins a key frame (RFC 7741, section 4.2 and 4.3). */
export function startsKeyFrame (payload: Uint8Array): boolean {
  const first = payload[0]
  if (first === undefined) return false
  const startOfPartition = (first & 0x10) !== 0
  const partition = first & 0x07
  if (!startOfPartition || partition !== 0) return false

  let offset = 1
  if ((first & 0x80) !== 0) {
    const extensions = payload[offset] ?? 0
    offset++
    if ((extensions & 0x80) !== 0) offset += ((payload[offset] ?? 0) & 0x80) !== 0 ? 2 : 1
    if ((extensions & 0x40) !== 0) offset++
    if ((extensions & 0x30) !== 0) offset++
  }
  const header = payload[offset]
  return header !== undefined && (header & 0x01) === 0
}
