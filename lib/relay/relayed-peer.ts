import { isUtf8 } from 'node:buffer'
import type { Clock, Timer } from '../clock.js'
import { CloseCode, isSendable } from '../close-codes.js'
import type { Logger } from '../logger.js'
import type { CheckedIdentity } from './admission.js'
import { Brake } from './brake.js'
import type { Hooks } from './hooks.js'
import { Lane } from './lane.js'
import type { Link } from './link.js'
import type { Attachment, AttachmentReceiver, MediaServer, OpenAnswer, Status } from './media-server.js'
import type { LeaveReason, Peer, PeerState } from './peer.js'

export interface PeerLimits {
  /** Bytes that wait for the app's hooks on the way up, from which the client is not read any more. */
  uplinkQueueBytes: number
  /** Bytes that wait for the app's hooks on the way down, at which the peer ends. */
  downlinkQueueBytes: number
  /** Milliseconds for the media server to answer `open`. */
  openMs: number
  /** Milliseconds that a peer outlives its trunk. */
  trunkDownMs: number
}

/** What a peer needs of the relay. */
export interface PeerServices<Metadata> {
  readonly hooks: Hooks<Metadata>
  readonly clock: Clock
  readonly limits: PeerLimits
  readonly mediaServer: MediaServer
  readonly counts: { uplink: number, downlink: number }
  /** Those who wait for room on the trunk. */
  readonly pressed: Set<RelayedPeer<Metadata>>
  /** Resolves when the last hook has run of an earlier peer of this id. */
  predecessor (peer: RelayedPeer<Metadata>): Promise<void>
  /** Called exactly once, at the end. `left` resolves when the last hook of the peer has run. */
  ended (peer: RelayedPeer<Metadata>, reason: LeaveReason, left: Promise<void>): void
}

/** The longest that one timer of Node holds, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** One session, from the client's link to the media server: the only room a media event passes between the two. */
export class RelayedPeer<Metadata> implements Peer<Metadata>, AttachmentReceiver {
  readonly id: string
  readonly roomId: string
  readonly metadata: Metadata
  readonly log: Logger
  readonly #metadataText: string
  readonly #link: Link
  readonly #brake: Brake
  readonly #services: PeerServices<Metadata>
  readonly #up: Lane<Metadata>
  readonly #down: Lane<Metadata>
  #state: PeerState = 'waiting'
  #attachment: Attachment | null = null
  #key = ''
  /** Whether a media event has moved: then a media server that forgot the session has lost something. */
  #moved = false
  /** Settles when `onPeerJoin` has; null while the media server has not accepted the peer. */
  #joining: Promise<void> | null = null
  /** Whether `onPeerJoin` was begun, or nobody asked for it: then the app is told of the end too. */
  #joinTold = false
  #deadline: Timer | null = null
  #expiry: Timer | null = null

  constructor (identity: CheckedIdentity<Metadata>, link: Link, log: Logger, services: PeerServices<Metadata>) {
    const { hooks, limits } = services
    this.id = identity.peerId
    this.roomId = identity.roomId
    this.metadata = identity.metadata
    this.#metadataText = identity.metadataText
    this.log = log
    this.#link = link
    this.#services = services
    this.#brake = new Brake(link)
    this.#up = new Lane('onUplink', this, hooks, {
      deliver: (data, binary) => this.#sendUp(data, binary),
      dropped: () => this.#attachment?.skip(),
      failed: (error) => this.#hookFailed(error),
      full: () => this.#brake.hold('queue full'),
      drained: () => this.#brake.release('queue full')
    }, limits.uplinkQueueBytes)
    this.#down = new Lane('onDownlink', this, hooks, {
      deliver: (data, binary) => this.#sendDown(data, binary),
      dropped: () => {},
      failed: (error) => this.#hookFailed(error),
      full: () => this.end({ code: CloseCode.tooSlow, reason: 'too slow', cause: 'too slow' }),
      drained: () => {}
    }, limits.downlinkQueueBytes)
    this.#brake.hold('joining')
    if (identity.expiresAt !== null) this.#expireAt(identity.expiresAt.getTime())
    this.#waitForTrunk()
  }

  get state (): PeerState {
    return this.#state
  }

  // From the relay

  trunkUp (): void {
    if (this.#state !== 'waiting') return
    this.#transition('opening')
    const { mediaServer, limits } = this.#services
    this.#expect(limits.openMs, { code: CloseCode.tryAgainLater, reason: 'the media server does not answer', cause: 'media server' })
    this.#attachment = mediaServer.open({ peerId: this.id, roomId: this.roomId, metadata: this.#metadataText, key: this.#key }, this)
  }

  trunkDown (): void {
    if (this.#state !== 'opening' && this.#state !== 'joined') return
    this.#brake.hold('trunk down')
    // The outbox that was full is gone, and with it the one who would have said that there is room again.
    this.#services.pressed.delete(this)
    this.#brake.release('trunk full')
    this.#up.hold()
    this.#attachment = null
    this.#transition('waiting')
    this.#waitForTrunk()
  }

  trunkRelieved (): void {
    this.#brake.release('trunk full')
    if (this.#state === 'joined') this.#up.open()
  }

  // From the link

  /** One media event from the client. */
  uplink (data: Buffer, binary: boolean): void {
    if (this.#state === 'ended') return
    this.#moved = true
    this.#up.push(data, binary)
  }

  // From the media server

  opened ({ key, resumed }: OpenAnswer): void {
    if (this.#state !== 'opening') return
    this.#key = key
    if (this.#joining !== null && !resumed && this.#moved) {
      this.end({ code: CloseCode.mediaServerReset, reason: 'the media server has forgotten the session', cause: 'media server reset' })
      return
    }
    this.#deadline?.cancel()
    this.#transition('joined')
    this.#brake.release('trunk down')
    if (this.#joining !== null) {
      void this.#joining.then(() => this.#start())
      return
    }
    this.#link.joined()
    if (this.state === 'ended') return
    if (this.#services.hooks.lists.onPeerJoin === null) {
      this.#joining = Promise.resolve()
      this.#joinTold = true
      this.#start()
    } else {
      // After the end of whoever had this id before; and in any case a turn later, so that a hook which ends the peer finds
      // it joined, and is followed by onPeerLeave.
      this.#joining = this.#services.predecessor(this).then(() => this.#join())
    }
  }

  refused ({ code, reason }: Status): void {
    this.log.warn({ code, reason }, 'the media server refuses the peer')
    this.end({ code: forClient(code, CloseCode.forbidden), reason, cause: 'media server' })
  }

  event (data: Buffer, binary: boolean): void {
    if (!binary && !isUtf8(data)) {
      this.log.error({}, 'the media server sent text that is not UTF-8')
      this.end({ code: CloseCode.internalError, reason: 'the media server sent text that is not UTF-8', cause: 'bad message' })
      return
    }
    this.#moved = true
    this.#down.push(data, binary)
  }

  closed ({ code, reason }: Status): void {
    this.end({ code: forClient(code, CloseCode.removed), reason, cause: 'media server' })
  }

  // The one exit

  /** Ends the session, whatever it is doing; the first reason counts. */
  end (reason: LeaveReason): void {
    if (this.#state === 'ended') return
    this.#transition('ended')
    this.#deadline?.cancel()
    this.#expiry?.cancel()
    // Harmless when it was the media server who ended it, or the client: each side drops a close for what is over.
    this.#attachment?.close(reason.code, reason.reason)
    this.#attachment = null
    this.#services.pressed.delete(this)
    this.#link.close(reason)
    const hooksDone = Promise.all([this.#up.close(), this.#down.close(), this.#joining])
    this.#services.ended(this, reason, this.#joining === null ? Promise.resolve() : this.#leave(hooksDone, reason))
  }

  async #join (): Promise<void> {
    // Whoever is over by now never was, for the app: who comes and goes faster than its hooks run does not pile them up.
    if (this.#state === 'ended') return
    this.#joinTold = true
    try {
      await this.#services.hooks.run('onPeerJoin', this)
      this.#start()
    } catch (error) {
      this.#hookFailed(error as Error)
    }
  }

  async #leave (hooksDone: Promise<unknown>, reason: LeaveReason): Promise<void> {
    await hooksDone
    if (!this.#joinTold) return
    await this.#services.hooks.tell('onPeerLeave', (error) => this.log.error({ err: error }, 'a hook onPeerLeave failed'), this, reason)
  }

  #start (): void {
    if (this.#state === 'joined') this.#up.open()
    this.#down.open()
    this.#brake.release('joining')
  }

  #waitForTrunk (): void {
    this.#expect(this.#services.limits.trunkDownMs, this.#joining === null
      ? { code: CloseCode.tryAgainLater, reason: 'the media server cannot be reached', cause: 'trunk lost' }
      : { code: CloseCode.trunkLost, reason: 'the trunk was lost', cause: 'trunk lost' })
  }

  #sendUp (data: Buffer, binary: boolean): void {
    const accepted = this.#attachment?.send(data, binary)
    switch (accepted) {
      case 'pressed':
        this.#brake.hold('trunk full')
        this.#up.hold()
        this.#services.pressed.add(this)
        this.#services.counts.uplink++
        break
      case 'taken':
        this.#services.counts.uplink++
        break
      case 'too big':
        this.end({ code: CloseCode.messageTooBig, reason: 'the media server takes no message of this size', cause: 'bad message' })
        break
      default:
        this.end({ code: CloseCode.tryAgainLater, reason: 'the trunk is full', cause: 'trunk lost' })
    }
  }

  #sendDown (data: Buffer, binary: boolean): void {
    this.#services.counts.downlink++
    this.#link.send(data, binary)
  }

  #hookFailed (error: Error): void {
    this.log.error({ err: error }, 'a hook failed: the peer ends')
    this.end({ code: CloseCode.internalError, reason: 'internal error', cause: 'hook failed' })
  }

  #transition (state: PeerState): void {
    this.#state = state
  }

  #expect (withinMs: number, orElse: LeaveReason): void {
    this.#deadline?.cancel()
    this.#deadline = this.#services.clock.after(withinMs, () => this.end(orElse))
  }

  #expireAt (time: number): void {
    const left = time - this.#services.clock.now()
    this.#expiry = this.#services.clock.after(Math.max(0, Math.min(left, MAX_TIMER_MS)), () => {
      if (left > MAX_TIMER_MS) this.#expireAt(time)
      else this.end({ code: CloseCode.notAuthenticated, reason: 'expired token', cause: 'expired' })
    })
  }
}

/** The media server's code where a client may see it, else one that says the same to every client. */
function forClient (code: number, otherwise: number): number {
  return isSendable(code) && code !== CloseCode.normal ? code : otherwise
}
