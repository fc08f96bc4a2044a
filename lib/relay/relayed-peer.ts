import { isUtf8 } from 'node:buffer'
import type { Clock, Timer } from '../clock.js'
import { CloseCode, isSendable, mayReconnect } from '../close-codes.js'
import type { Logger } from '../logger.js'
import { sameSecret } from '../secrets.js'
import type { CheckedIdentity } from './admission.js'
import type { Hooks } from './hooks.js'
import { Lane } from './lane.js'
import type { Asking, Link } from './link.js'
import type { Attachment, AttachmentReceiver, MediaServer, OpenAnswer, OpenRequest, Status } from './media-server.js'
import type { LeaveCause, LeaveReason, Peer, PeerState } from './peer.js'
import { Seat } from './seat.js'
import type { Seated } from './seat.js'
import { TokenLife } from './token-life.js'
import type { TokenLifeOptions } from './token-life.js'

export interface PeerLimits {
  /** Bytes that wait for the app's hooks on the way up, from which the client is not read any more. */
  uplinkQueueBytes: number
  /** Bytes that wait for the app's hooks on the way down, at which the peer ends. */
  downlinkQueueBytes: number
  /** Milliseconds for the media server to answer `open`. */
  openMs: number
  /** Milliseconds that a peer outlives its trunk. */
  trunkDownMs: number
  /** Milliseconds that a peer outlives its link, unless the media server says less. */
  resumeMs: number
}

/** What a peer needs of the relay. */
export interface PeerServices<Metadata> {
  readonly hooks: Hooks<Metadata>
  readonly clock: Clock
  readonly limits: PeerLimits
  readonly token: TokenLifeOptions
  readonly mediaServer: MediaServer
  readonly counts: { uplink: number, downlink: number, resumed: number, reset: number }
  /** Those who wait for room on the trunk. */
  readonly pressed: Set<RelayedPeer<Metadata>>
  trunkIsUp (): boolean
  /** Resolves when the last hook has run of an earlier peer of this id. */
  predecessor (peer: RelayedPeer<Metadata>): Promise<void>
  /** The peer is over while the media server holds its session for another attachment: it is to be told. */
  orphaned (session: { peerId: string, key: string }, status: Status): void
  /** Called exactly once, at the end. `left` resolves when the last hook of the peer has run. */
  ended (peer: RelayedPeer<Metadata>, reason: LeaveReason, left: Promise<void>): void
}

/** Ends of a link that a session outlives, where its client can come back. */
const HELD = new Set<LeaveCause>(['link lost', 'too slow'])

/**
 * One session, from the client's link of the moment to the media server: the only room a media event passes between the
 * two. It keeps no event for later: the two ends do, and whatever is under way here when one side is lost comes again.
 */
export class RelayedPeer<Metadata> implements Peer<Metadata>, AttachmentReceiver, Seated {
  readonly id: string
  readonly roomId: string
  readonly log: Logger
  readonly #services: PeerServices<Metadata>
  readonly #up: Lane<Metadata>
  readonly #down: Lane<Metadata>
  readonly #life: TokenLife
  #identity: CheckedIdentity<Metadata>
  #seat: Seat<RelayedPeer<Metadata>> | null = null
  #state: PeerState = 'waiting'
  /** What the client's end has asked, until it is answered. */
  #asking: Asking | null = null
  /** The same, and kept: an earlier one of the same end may arrive later. */
  #last: Asking = { key: '', received: 0, asker: '', turn: 0 }
  #attachment: Attachment | null = null
  #key = ''
  /** What the client asked with when it was given `#key`: until we hear that it knows, it may ask with the old one again. */
  #oldKey = ''
  /** Whether the id is but what a client says: only the media server knows whether the key fits it. */
  #claimed: boolean
  /** Settles when `onPeerJoin` has; null while the media server has not accepted the peer. */
  #joining: Promise<void> | null = null
  /** Whether `onPeerJoin` was begun, or nobody asked for it: then the app is told of the end too. */
  #joinTold = false
  #deadline: Timer | null = null

  constructor (id: string, identity: CheckedIdentity<Metadata>, claimed: boolean, log: Logger, services: PeerServices<Metadata>) {
    const { hooks, limits } = services
    this.id = id
    this.roomId = identity.roomId
    this.log = log
    this.#identity = identity
    this.#claimed = claimed
    this.#services = services
    this.#up = new Lane('onUplink', this, hooks, {
      deliver: (data, binary) => this.#sendUp(data, binary),
      dropped: () => this.#attachment?.skip(),
      failed: (error) => this.#hookFailed(error),
      full: () => this.#seat?.brake.hold('queue full'),
      drained: () => this.#seat?.brake.release('queue full')
    }, limits.uplinkQueueBytes)
    this.#down = new Lane('onDownlink', this, hooks, {
      deliver: (data, binary) => this.#sendDown(data, binary),
      dropped: () => this.#seat?.link.skip(),
      failed: (error) => this.#hookFailed(error),
      full: () => this.unseated({ code: CloseCode.tooSlow, reason: 'too slow', cause: 'too slow' }),
      drained: () => {}
    }, limits.downlinkQueueBytes)
    this.#life = new TokenLife(services.token, services.clock, {
      refresh: () => this.#seat?.link.rejoin('token'),
      expired: () => this.end({ code: CloseCode.notAuthenticated, reason: 'expired token', cause: 'expired' })
    })
  }

  get state (): PeerState {
    return this.#state
  }

  get metadata (): Metadata {
    return this.#identity.metadata
  }

  /** Whether it is only claimed yet: nobody has shown that the id is theirs. */
  get isClaimed (): boolean {
    return this.#claimed
  }

  /** Whether whoever has this key may have the session. */
  isHeldBy (key: string): boolean {
    return sameSecret(key, this.#key) || sameSecret(key, this.#oldKey) || sameSecret(key, this.#asking?.key ?? '')
  }

  /** Whether the media server has it here, or is being asked for it: then it also says who has taken its place. */
  get isAttached (): boolean {
    return this.#attachment !== null
  }

  /** Whether it is what is left of an earlier session of the same end, which has been given another elsewhere. */
  isFormer ({ asker, key }: Asking): boolean {
    return asker !== '' && asker === this.#last.asker && !this.isHeldBy(key)
  }

  /** Whether the same end has asked for more since. */
  isLate ({ asker, turn }: Asking): boolean {
    return asker !== '' && asker === this.#last.asker && turn < this.#last.turn
  }

  // From the relay

  /** Gives the session to a link. Whoever had it is not heard any more, before anything else is done. */
  take (link: Link, asking: Asking, identity: CheckedIdentity<Metadata>): Seat<RelayedPeer<Metadata>> {
    this.#vacate({ code: CloseCode.replaced, reason: 'moved to a newer link' })
    const seat = new Seat(link, this)
    this.#seat = seat
    this.renew(identity, asking)
    return seat
  }

  /** The client has shown anew who it is, and asks. */
  renew (identity: CheckedIdentity<Metadata>, asking: Asking): void {
    this.#identity = identity
    this.#life.start(identity.expiresAt, this.#seat?.link.resumes ?? false)
    this.ask(asking)
  }

  trunkUp (): void {
    if (this.#state !== 'waiting') return
    if (this.#asking !== null) {
      this.#open(this.#asking)
      return
    }
    // It may take as long again to ask.
    this.#waitForTrunk()
    this.#seat?.link.rejoin('trunk')
  }

  trunkDown (): void {
    this.#attachment = null
    if (this.#state !== 'opening' && this.#state !== 'joined') return
    this.#transition('waiting')
    this.#waitForTrunk()
    if (this.#asking === null) this.#seat?.link.suspended()
    this.#forgetEvents()
  }

  trunkRelieved (): void {
    this.#seat?.brake.release('trunk full')
    if (this.#state === 'joined') this.#up.open()
  }

  // From the link

  ask (asking: Asking): void {
    if (this.#state === 'ended') return
    this.#transition('waiting')
    this.#attachment = null
    this.#asking = this.#last = asking
    this.#forgetEvents()
    if (this.#services.trunkIsUp()) this.#open(asking)
    else this.#waitForTrunk()
  }

  /** What comes while the peer is not joined is of an older attachment: its end keeps it, and sends it again. */
  uplink (data: Buffer, binary: boolean): void {
    if (this.#state !== 'joined') return
    this.#oldKey = ''
    this.#up.push(data, binary)
  }

  uplinkSkip (): void {
    if (this.#state === 'joined') this.#up.skip()
  }

  uplinkAck (received: number): void {
    if (this.#state !== 'joined') return
    this.#oldKey = ''
    this.#attachment?.ack(received)
  }

  unseated (reason: LeaveReason): void {
    const { mediaServer, limits, clock } = this.#services
    const holdMs = Math.min(mediaServer.resumeMs, limits.resumeMs)
    const canComeBack = this.#seat?.link.resumes === true && HELD.has(reason.cause) && holdMs > 0 && this.#hasKey
    if (!canComeBack || this.#state === 'ended') return this.end(reason)
    this.#transition('detached')
    this.#vacate(reason)
    this.#forgetEvents()
    this.#life.stop()
    this.#attachment?.detach()
    this.log.info({ reason: reason.reason, holdMs }, 'the link of a peer is lost: its session is held')
    this.#deadline?.cancel()
    this.#deadline = clock.after(holdMs, () => this.end(reason))
  }

  // From the media server

  opened (answer: OpenAnswer): void {
    if (this.#state === 'ended') this.#attachment?.detach()
    if ((this.#state !== 'opening' && this.#state !== 'detached') || this.#asking === null) return
    const asked = this.#asking.key
    if (this.#claimed && !answer.resumed) {
      // A client does not choose its id: it may come anew, and is given one.
      this.end({ code: CloseCode.mediaServerReset, reason: 'the session is gone', cause: 'media server reset' })
      return
    }
    this.#claimed = false
    this.#key = answer.key
    this.#oldKey = answer.resumed ? '' : asked
    this.#asking = null
    if (asked !== '') this.#services.counts[answer.resumed ? 'resumed' : 'reset']++
    if (this.#state === 'detached') {
      // Its link was lost while it was being opened.
      this.#attachment?.detach()
      return
    }
    this.#deadline?.cancel()
    this.#transition('joined')
    this.#seat?.link.joined({ ...answer, peerId: this.id, roomId: this.roomId, resumeMs: Math.min(this.#services.mediaServer.resumeMs, this.#services.limits.resumeMs) })
    if (this.#joining !== null) void this.#joining.then(() => this.#start())
    else if (this.state !== 'ended') this.#begin()
  }

  refused ({ code, reason }: Status): void {
    this.log.warn({ code, reason }, 'the media server refuses the peer')
    this.end({ code: forClient(code, CloseCode.forbidden), reason, cause: 'media server' })
  }

  event (data: Buffer, binary: boolean): void {
    if (this.#state !== 'joined') return
    if (!binary && !isUtf8(data)) {
      this.log.error({}, 'the media server sent text that is not UTF-8')
      this.end({ code: CloseCode.internalError, reason: 'the media server sent text that is not UTF-8', cause: 'bad message' })
      return
    }
    this.#down.push(data, binary)
  }

  skip (): void {
    if (this.#state === 'joined') this.#down.skip()
  }

  ack (received: number): void {
    if (this.#state === 'joined') this.#seat?.link.ack(received)
  }

  closed ({ code, reason }: Status): void {
    const cause = code === CloseCode.replaced ? 'replaced' : 'media server'
    this.end({ code: forClient(code, CloseCode.removed), reason, cause })
  }

  // The one exit

  /**
   * Ends the peer, whatever it is doing; the first reason counts.
   * @param keepSession the session itself may go on, in another process
   */
  end (reason: LeaveReason, keepSession = false): void {
    if (this.#state === 'ended') return
    this.#transition('ended')
    this.#deadline?.cancel()
    this.#life.stop()
    // One that is being opened still is detached by `opened`.
    if (keepSession && this.#hasKey && this.#seat?.link.resumes !== false) this.#attachment?.detach()
    else this.#leaveMediaServer(reason)
    this.#services.pressed.delete(this)
    this.#vacate(reason)
    const hooksDone = Promise.all([this.#up.close(), this.#down.close(), this.#joining])
    this.#services.ended(this, reason, this.#joining === null ? Promise.resolve() : this.#leave(hooksDone, reason))
  }

  #leaveMediaServer ({ code, reason, cause }: LeaveReason): void {
    const { mediaServer, orphaned } = this.#services
    const mayBeBack = this.#seat?.link.resumes !== false && (mayReconnect(code) || cause === 'expired')
    // Harmless when it was the media server who ended it, or the client: each side drops a close for what is over.
    if (this.#attachment !== null) this.#attachment.close(code, reason)
    // One that is back already, elsewhere, must not be ended from here.
    else if (this.#key !== '' && mediaServer.keepsSessions && !mayBeBack) orphaned({ peerId: this.id, key: this.#key }, { code, reason })
    this.#attachment = null
  }

  /** Whether the client can ask for its session. */
  get #hasKey (): boolean {
    return this.#key !== '' || (this.#asking !== null && this.#asking.key !== '')
  }

  /** Lets go of the link of the moment. */
  #vacate (status: Status): void {
    const seat = this.#seat
    this.#seat = null
    seat?.void()
    seat?.link.close(status)
  }

  /** What is under way here is of an attachment that is over: the ends send it again. Only once nothing comes in any more. */
  #forgetEvents (): void {
    this.#services.pressed.delete(this)
    this.#up.reset()
    this.#down.reset()
    this.#seat?.brake.release('trunk full')
  }

  #open (asking: Asking): void {
    const { mediaServer, limits } = this.#services
    this.#transition('opening')
    this.#expect(limits.openMs, { code: CloseCode.tryAgainLater, reason: 'the media server does not answer', cause: 'media server' }, true)
    this.#attachment = mediaServer.open(this.#request(asking), this)
  }

  #request (asking: Asking): OpenRequest {
    return { ...asking, peerId: this.id, roomId: this.roomId, metadata: this.#identity.metadataText, resumable: this.#seat?.link.resumes ?? false }
  }

  /** The media server has accepted the peer for the first time. */
  #begin (): void {
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
    if (this.#state !== 'joined') return
    this.#up.open()
    this.#down.open()
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
        this.#seat?.brake.hold('trunk full')
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
    this.#seat?.link.send(data, binary)
  }

  #hookFailed (error: Error): void {
    this.log.error({ err: error }, 'a hook failed: the peer ends')
    this.end({ code: CloseCode.internalError, reason: 'internal error', cause: 'hook failed' })
  }

  #transition (state: PeerState): void {
    this.#state = state
  }

  #expect (withinMs: number, orElse: LeaveReason, keepSession = false): void {
    this.#deadline?.cancel()
    this.#deadline = this.#services.clock.after(withinMs, () => this.end(orElse, keepSession))
  }
}

/** The media server's code where a client may see it, else one that says the same to every client. */
function forClient (code: number, otherwise: number): number {
  return isSendable(code) && code !== CloseCode.normal ? code : otherwise
}
