import { randomBytes } from 'node:crypto'
import { CloseCode } from '../close-codes.js'
import type { Attachment, AttachmentReceiver, MediaServer, MediaServerObserver, MediaServerStats, OpenRequest, Status } from '../relay/media-server.js'
import type { MediaServerControl } from '../relay/control.js'
import type { Inlet } from '../relay/inlet.js'
import { Pins } from '../pins.js'
import { sameSecret } from '../secrets.js'
import { HeldSession, refusedLater } from './held-session.js'
import type { HoldOptions } from './held-session.js'

/** Bytes of reads that all sessions together may keep alive beside what is counted. */
const PINNED_BYTES = 16 * 1024 * 1024

/**
 * Holds sessions for a media server that keeps none itself: it never learns that a client lost its link and came back. They
 * live in this process and end with the trunk, unless what they stand for outlives it. Where the media server does keep sessions
 * this is not in the way.
 */
export class HeldSessions implements MediaServer {
  readonly #inner: MediaServer
  readonly #options: HoldOptions
  readonly #outlivesTrunk: boolean
  readonly #sessions = new Map<string, HeldSession>()

  /** @param options.outlivesTrunk whether the inner one's sessions do, and so those that are held for it */
  constructor (inner: MediaServer, options: Omit<HoldOptions, 'pins'> & { outlivesTrunk?: boolean }) {
    this.#inner = inner
    this.#outlivesTrunk = options.outlivesTrunk ?? false
    this.#options = { ...options, pins: new Pins(PINNED_BYTES) }
  }

  get address (): string {
    return this.#inner.address
  }

  get resumeMs (): number {
    return this.#inner.keepsSessions ? this.#inner.resumeMs : this.#options.windowMs
  }

  get keepsSessions (): boolean {
    return this.#outlivesTrunk || this.#inner.keepsSessions
  }

  get inlets (): readonly Inlet[] {
    return this.#inner.inlets ?? []
  }

  get control (): MediaServerControl | undefined {
    return this.#inner.control
  }

  /** Whether a peer has lost its link, and is expected back. */
  isAway (peerId: string): boolean {
    return this.#sessions.get(peerId)?.isAway ?? false
  }

  start (observer: MediaServerObserver): void {
    this.#inner.start({
      ...observer,
      state: (state) => {
        if (state.state === 'up') for (const session of this.#sessions.values()) session.trunkUp()
        else if (this.#outlivesTrunk) for (const session of this.#sessions.values()) session.trunkDown()
        else this.#forgetAll()
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
    // Of a client that cannot come back nothing need be kept, unless its trunk can.
    if (this.#inner.keepsSessions || (!resumable && !this.#outlivesTrunk) || this.#options.windowMs === 0) return this.#inner.open(request, receiver)
    const session = new HeldSession(request, randomBytes(18).toString('base64url'), this.#options, () => {
      if (this.#sessions.get(peerId) === session) this.#sessions.delete(peerId)
    })
    this.#sessions.set(peerId, session)
    return session.begin(this.#inner, receiver)
  }

  leave (session: { peerId: string, key: string }, status: Status): void {
    if (this.#inner.keepsSessions) this.#inner.leave(session, status)
    else this.#endIf(session, status)
  }

  stats (): MediaServerStats {
    return this.#inner.stats()
  }

  stop (): Promise<void> {
    return this.#inner.stop()
  }

  #endIf ({ peerId, key }: { peerId: string, key: string }, status: Status): void {
    const held = this.#sessions.get(peerId)
    if (held !== undefined && sameSecret(key, held.key)) held.end(status)
  }

  #forgetAll (): void {
    for (const session of this.#sessions.values()) session.forget()
    this.#sessions.clear()
  }
}
