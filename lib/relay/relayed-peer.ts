import type { Timer } from '../clock.js'
import { CloseCode, isSendable, mayReconnect } from '../close-codes.js'
import type { Logger } from '../logger.js'
import type { CheckedIdentity } from './admission.js'
import type { Asking, Link } from './link.js'
import type { Attachment, AttachmentReceiver, OpenAnswer, OpenRequest, Status } from './media-server.js'
import type { Holder } from '../memory-budget.js'
import type { LeaveCause, LeaveReason, Peer, PeerState } from './peer.js'
import type { PeerServices } from './peer-services.js'
import { Presence } from './presence.js'
import type { PresenceObserver } from './presence.js'
import type { Recalled } from './recall.js'
import type { RoomRecordings } from './recordings.js'
import { Seat } from './seat.js'
import type { Seated } from './seat.js'
import { Title } from './title.js'
import { TokenLife } from './token-life.js'
import type { TokenLifeObserver } from './token-life.js'
import { Traffic } from './traffic.js'
import type { TrafficEnds } from './traffic.js'

/** Ends of a link that a session outlives, where its client can come back. */
const HELD = new Set<LeaveCause>(['link lost', 'too slow', 'restart'])

/**
 * One session, from the client's link of the moment to the media server: the only room a media event passes between the
 * two. It keeps no event for later: the two ends do, and whatever is under way here when one side is lost comes again.
 */
export class RelayedPeer<Metadata> implements Peer<Metadata>, AttachmentReceiver, Seated, TrafficEnds, PresenceObserver, TokenLifeObserver, Holder, Recalled {
  readonly id: string
  readonly roomId: string
  /** Who may have it. */
  readonly title: Title
  readonly #services: PeerServices<Metadata, RelayedPeer<Metadata>>
  readonly #presence: Presence<Metadata>
  readonly #traffic: Traffic<Metadata>
  /** Of the link; made into that of the peer when something is said of it: a logger is larger than a peer. */
  #log: Logger
  #isOwnLog = false
  /** Null while what the client has shown is good for ever. */
  #life: TokenLife | null = null
  #identity: CheckedIdentity<Metadata>
  #seat: Seat<RelayedPeer<Metadata>> | null = null
  #state: PeerState = 'waiting'
  #attachment: Attachment | null = null
  #deadline: Timer | null = null

  constructor (id: string, identity: CheckedIdentity<Metadata>, claimed: boolean, log: Logger, services: PeerServices<Metadata, RelayedPeer<Metadata>>) {
    const { hooks, limits, counts } = services
    this.id = id
    this.roomId = identity.roomId
    this.#log = log
    this.#identity = identity
    this.title = new Title(claimed)
    this.#services = services
    this.#traffic = new Traffic<Metadata>(this, this, hooks, limits, counts)
    this.#presence = new Presence<Metadata>(this, hooks, this)
  }

  get log (): Logger {
    if (!this.#isOwnLog) this.#log = this.#log.child({ peerId: this.id, roomId: this.roomId })
    this.#isOwnLog = true
    return this.#log
  }

  get state (): PeerState {
    return this.#state
  }

  get metadata (): Metadata {
    return this.#identity.metadata
  }

  /** Whether the media server has it here: then it also says who has taken its place. While it is asked, it may yet refuse. */
  get isAttached (): boolean {
    return this.#attachment !== null && this.title.asking === null
  }

  get seat (): Seat<RelayedPeer<Metadata>> | null {
    return this.#seat
  }

  get attachment (): Attachment | null {
    return this.#attachment
  }

  get bufferedBytes (): number {
    return this.#traffic.bufferedBytes + (this.#seat?.link.bufferedBytes ?? 0) + (this.#attachment?.bufferedBytes ?? 0)
  }

  get isDetached (): boolean {
    return this.#state === 'detached'
  }

  /** Whether its client waits for its turn to ask, since the trunk is back: no deadline ends it meanwhile. */
  get awaitsRecall (): boolean {
    return this.#state === 'waiting' && this.#deadline === null
  }

  // From the relay

  /** There is too much in memory: what is kept for one whose link is lost is given up, and so is the link of one that is slow. */
  shed (): void {
    const reason: LeaveReason = { code: CloseCode.tooSlow, reason: 'too much is buffered', cause: 'too slow' }
    if (this.#state === 'detached') this.end(reason)
    else this.unseated(reason)
  }

  /** Gives the session to a link. Whoever had it is not heard any more, before anything else is done. */
  take (link: Link, asking: Asking, identity: CheckedIdentity<Metadata>): Seat<RelayedPeer<Metadata>> {
    this.#vacate({ code: CloseCode.replaced, reason: 'moved to a newer link' })
    const seat = new Seat(link, this)
    this.#seat = seat
    this.#traffic.seated()
    this.renew(identity, asking)
    return seat
  }

  /** The client has shown anew who it is, and asks. */
  renew (identity: CheckedIdentity<Metadata>, asking: Asking): void {
    this.#identity = identity
    if (identity.expiresAt !== null) this.#life ??= new TokenLife(this.#services.token, this.#services.clock, this)
    this.#life?.start(identity.expiresAt, this.#seat?.link.endIsHere === false)
    this.ask(asking)
  }

  trunkUp (): void {
    if (this.#state !== 'waiting') return
    const { asking } = this.title
    if (asking !== null) {
      this.#open(asking)
    } else if (this.#seat?.link.endIsHere === true) {
      // It does not show who it is, and so need not wait for a turn.
      this.recall()
    } else {
      this.#deadline?.cancel()
      this.#deadline = null
    }
  }

  /** It is its turn to ask: it may take as long as it might have to wait for the trunk. */
  recall (): void {
    this.#waitForTrunk()
    this.#seat?.link.rejoin('trunk')
  }

  trunkDown (): void {
    this.#attachment = null
    if (this.awaitsRecall) this.#waitForTrunk()
    if (this.#state !== 'opening' && this.#state !== 'joined') return
    this.#transition('waiting')
    this.#waitForTrunk()
    if (this.title.asking === null) this.#seat?.link.suspended()
    // It waits for an answer, and has nothing to be told but that what it knows of its room may be so no more.
    else if (this.#presence.joined) this.#seat?.link.recordings(this.#services.recordingsOf(this.roomId))
    this.#traffic.forget()
  }

  /** What the app says to the client; whether it is on its way: it is said once, and to nobody whose link is lost. */
  tell (json: string): boolean {
    return this.#state !== 'ended' && this.#presence.joined && this.#seat?.link.say(json) === true
  }

  recordingsChanged (recordings: RoomRecordings): void {
    if (this.#state === 'joined') this.#seat?.link.recordings(recordings)
  }

  // From what tells the app of it

  told (): void {
    if (this.#state === 'joined') this.#traffic.open()
  }

  failed (error: Error): void {
    this.#traffic.failed(error)
  }

  // From what the client has shown

  refresh (): void {
    this.#seat?.link.rejoin('token')
  }

  expired (): void {
    this.end({ code: CloseCode.notAuthenticated, reason: 'expired token', cause: 'expired' })
  }

  // From what moves its events

  tooSlow (): void {
    this.unseated({ code: CloseCode.tooSlow, reason: 'too slow', cause: 'too slow' })
  }

  // From the link

  ask (asking: Asking): void {
    if (this.#state === 'ended') return
    this.#transition('waiting')
    // Should the asking be refused, nobody would be left to whom the media server still has it attached.
    this.#attachment?.detach()
    this.#attachment = null
    this.title.ask(asking)
    this.#traffic.forget()
    if (this.#services.trunkIsUp()) this.#open(asking)
    else this.#waitForTrunk()
  }

  /** What comes while the peer is not joined is of an older attachment: its end keeps it, and sends it again. */
  uplink (data: Buffer, binary: boolean): void {
    if (this.#state !== 'joined') return
    this.title.heard()
    this.#traffic.uplink(data, binary)
  }

  uplinkSkip (): void {
    if (this.#state === 'joined') this.#traffic.uplinkSkip()
  }

  uplinkAck (received: number): void {
    if (this.#state !== 'joined') return
    this.title.heard()
    this.#attachment?.ack(received)
  }

  message (message: unknown, bytes: number): void {
    if (this.#state !== 'ended' && this.#presence.joined) this.#traffic.message(message, bytes)
  }

  unseated (reason: LeaveReason): void {
    const { mediaServer, limits, clock } = this.#services
    const holdMs = Math.min(mediaServer.resumeMs, limits.resumeMs)
    const canComeBack = this.#seat?.link.resumes === true && HELD.has(reason.cause) && holdMs > 0 && this.title.canBeAskedFor
    if (!canComeBack || this.#state === 'ended') return this.end(reason)
    this.#transition('detached')
    this.#vacate(reason)
    this.#traffic.forget()
    this.#life?.stop()
    this.#attachment?.detach()
    this.log.info({ reason: reason.reason, holdMs }, 'the link of a peer is lost: its session is held')
    this.#deadline?.cancel()
    this.#deadline = clock.after(holdMs, () => this.end(reason))
    // With a code that advises to stay away, though nobody hears it: so the media server is told even if its trunk is down now.
    this.#services.detached.add(this, this.#identity.subject)?.end({ code: CloseCode.removed, reason: 'too many sessions without a link', cause: 'too many' })
  }

  /**
   * The client is not read any more, and what has come is delivered, up and then down; then the link is closed.
   * @param forGood whether the peer ends here, while its session may go on elsewhere; else it may come back
   */
  async retire (reason: LeaveReason, forGood: boolean): Promise<void> {
    const seat = this.#seat
    await this.#traffic.flush()
    if (this.#seat !== seat) return
    if (forGood) this.end(reason, this.#services.mediaServer.keepsSessions)
    else this.unseated(reason)
  }

  // From the media server

  opened (answer: OpenAnswer): void {
    if (this.#state === 'ended') this.#attachment?.detach()
    if ((this.#state !== 'opening' && this.#state !== 'detached') || this.title.asking === null) return
    const { asking: { key: asked }, isClaimed } = this.title
    if (isClaimed && !answer.resumed) {
      // A client does not choose its id: it may come anew, and is given one.
      this.end({ code: CloseCode.mediaServerReset, reason: 'the session is gone', cause: 'media server reset' })
      return
    }
    this.title.answered(answer)
    if (answer.windowBytes > this.#services.limits.downlinkQueueBytes) {
      this.log.warn({ windowBytes: answer.windowBytes }, "the media server's window is larger than limits.downlinkQueueBytes: a client that falls behind would be sent away, and again when it is back")
    }
    if (isClaimed) this.#services.proven(this)
    if (asked !== '') this.#services.counts[answer.resumed ? 'resumed' : 'reset']++
    if (this.#state === 'detached') {
      // Its link was lost while it was being opened.
      this.#attachment?.detach()
      return
    }
    this.#deadline?.cancel()
    this.#deadline = null
    this.#transition('joined')
    const { mediaServer, limits, recordingsOf } = this.#services
    this.#seat?.link.joined({ ...answer, peerId: this.id, roomId: this.roomId, resumeMs: Math.min(mediaServer.resumeMs, limits.resumeMs), recordings: recordingsOf(this.roomId) })
    if (this.state !== 'ended') this.#presence.join(this.#services.predecessor(this))
  }

  refused ({ code, reason }: Status): void {
    this.log.warn({ code, reason }, 'the media server refuses the peer')
    this.end({ code: forClient(code, CloseCode.forbidden), reason, cause: 'media server' })
  }

  event (data: Buffer, binary: boolean): void {
    if (this.#state === 'joined') this.#traffic.downlink(data, binary)
  }

  skip (): void {
    if (this.#state === 'joined') this.#traffic.downlinkSkip()
  }

  ack (received: number): void {
    if (this.#state === 'joined') this.#seat?.link.ack(received)
  }

  relieved (): void {
    this.#traffic.relieved()
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
    this.#life?.stop()
    // One that is being opened still is detached by `opened`.
    if (keepSession && this.title.canBeAskedFor && this.#seat?.link.resumes !== false) this.#attachment?.detach()
    else this.#leaveMediaServer(reason)
    this.#vacate(reason)
    this.#services.ended(this, reason, this.#presence.leave(reason, this.#traffic.close()))
  }

  #leaveMediaServer ({ code, reason, cause }: LeaveReason): void {
    const { mediaServer, orphaned } = this.#services
    const key = this.title.key === '' ? this.title.asking?.key ?? '' : this.title.key
    const mayBeBack = this.#seat?.link.resumes !== false && (mayReconnect(code) || cause === 'expired')
    // Harmless when it was the media server who ended it, or the client: each side drops a close for what is over.
    if (this.#attachment !== null) this.#attachment.close(code, reason)
    // One that is back already, elsewhere, must not be ended from here.
    else if (key !== '' && mediaServer.keepsSessions && !mayBeBack) orphaned({ peerId: this.id, key }, { code, reason })
    this.#attachment = null
  }

  /** Lets go of the link of the moment. */
  #vacate (status: Status): void {
    const seat = this.#seat
    this.#seat = null
    seat?.void()
    seat?.link.close(status)
  }

  #open (asking: Asking): void {
    const { mediaServer, limits } = this.#services
    this.#transition('opening')
    this.#expect(limits.openMs, { code: CloseCode.tryAgainLater, reason: 'the media server does not answer', cause: 'media server' }, true)
    this.#attachment = mediaServer.open(this.#request(asking), this)
  }

  #request (asking: Asking): OpenRequest {
    return { ...asking, peerId: this.id, roomId: this.roomId, metadata: this.#identity.metadataText, resumable: this.#seat?.link.resumes ?? false, resumeOnly: this.title.isClaimed }
  }

  #waitForTrunk (): void {
    this.#expect(this.#services.limits.trunkDownMs, !this.#presence.joined
      ? { code: CloseCode.tryAgainLater, reason: 'the media server cannot be reached', cause: 'trunk lost' }
      : { code: CloseCode.trunkLost, reason: 'the trunk was lost', cause: 'trunk lost' })
  }

  #transition (state: PeerState): void {
    if (this.#state === 'detached') this.#services.detached.delete(this)
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
