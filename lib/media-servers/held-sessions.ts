import { randomBytes } from 'node:crypto'
import { CloseCode } from '../close-codes.js'
import type { Attachment, AttachmentReceiver, MediaServer, MediaServerObserver, MediaServerStats, OpenRequest, Status } from '../relay/media-server.js'
import { Pins } from '../pins.js'
import { sameSecret } from '../secrets.js'
import { HeldSession, refusedLater } from './held-session.js'
import type { HoldOptions } from './held-session.js'

/** Bytes of reads that all sessions together may keep alive beside what is counted. */
const PINNED_BYTES = 16 * 1024 * 1024

/**
 * Holds sessions for a media server that keeps none itself: it never learns that a client lost its link and came back. They
 * live in this process and end with the trunk. Where the media server does keep sessions, this is not in the way.
 */
export class HeldSessions implements MediaServer {
  readonly #inner: MediaServer
  readonly #options: HoldOptions
  readonly #sessions = new Map<string, HeldSession>()

  constructor (inner: MediaServer, options: Omit<HoldOptions, 'pins'>) {
    this.#inner = inner
    this.#options = { ...options, pins: new Pins(PINNED_BYTES) }
  }

  get address (): string {
    return this.#inner.address
  }

  get resumeMs (): number {
    return this.#inner.keepsSessions ? this.#inner.resumeMs : this.#options.windowMs
  }

  get keepsSessions (): boolean {
    return this.#inner.keepsSessions
  }

  start (observer: MediaServerObserver): void {
    this.#inner.start({
      ...observer,
      state: (state) => {
        if (state.state !== 'up') this.#forgetAll()
        observer.state(state)
      }
    })
  }

  open (request: OpenRequest, receiver: AttachmentReceiver): Attachment {
    const { peerId, key, resumable, resumeOnly } = request
    const held = this.#sessions.get(peerId)
    if (held !== undefined && sameSecret(key, held.key)) return held.resume(request, receiver)
    if (resumeOnly && !this.#inner.keepsSessions) return refusedLater(receiver, { code: CloseCode.mediaServerReset, reason: 'the session is gone' })
    if (held !== undefined && key !== '') return refusedLater(receiver, { code: CloseCode.replaced, reason: 'a newer session has this peer' })
    held?.end({ code: CloseCode.replaced, reason: 'replaced by a newer session' })
    // Of a client that cannot come back nothing need be kept.
    if (this.#inner.keepsSessions || !resumable || this.#options.windowMs === 0) return this.#inner.open(request, receiver)
    const session = new HeldSession(request, randomBytes(18).toString('base64url'), this.#options, () => {
      if (this.#sessions.get(peerId) === session) this.#sessions.delete(peerId)
    })
    this.#sessions.set(peerId, session)
    return session.begin(this.#inner, receiver)
  }

  leave (session: { peerId: string, key: string }, status: Status): void {
    this.#inner.leave(session, status)
  }

  stats (): MediaServerStats {
    return this.#inner.stats()
  }

  stop (): Promise<void> {
    return this.#inner.stop()
  }

  #forgetAll (): void {
    for (const session of this.#sessions.values()) session.forget()
    this.#sessions.clear()
  }
}
