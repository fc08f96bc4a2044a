import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.js'
import { CloseCode, fitReason } from '../close-codes.js'
import { isId } from '../ids.js'
import { logThrown } from '../logger.js'
import type { Logger } from '../logger.js'
import { MemoryBudget } from '../memory-budget.js'
import { PINNED_PART, Pins } from '../pins.js'
import { sameSecret } from '../secrets.js'
import type { Channel } from './channel.js'
import { EndpointPeer } from './endpoint-peer.js'
import { EndpointRefusal } from './endpoint-refusal.js'
import type { SessionOptions } from './endpoint-peer-owner.js'
import { frame } from './schema.js'
import type { Bodies, Recording } from './schema.js'

export interface SessionsOptions<Metadata> {
  onPeer: (peer: EndpointPeer<Metadata>) => void | Promise<void>
  session: SessionOptions
  /** Of a room, as they stand. */
  recordings: (roomId: string) => Recording[]
  /** Milliseconds for `onPeer`. */
  openMs: number
  /** Peers at once at most. */
  maxPeers: number
  /** Bytes kept for all of them together at most. */
  bufferedBytes: number
  log: Logger
  clock: Clock
}

/** Who is asked for on a trunk is let in, or back in: the media server's half of PROTOCOL.md, "Attach, resume, take over". */
export class Sessions<Metadata> {
  readonly #options: SessionsOptions<Metadata>
  readonly #peers = new Map<string, EndpointPeer<Metadata>>()
  readonly budget: MemoryBudget
  readonly #pins: Pins
  #lastEpoch = 0

  constructor (options: SessionsOptions<Metadata>) {
    this.#options = options
    this.budget = new MemoryBudget(options.bufferedBytes, () => this.#peers.values())
    this.#pins = new Pins(options.bufferedBytes / PINNED_PART)
  }

  get size (): number {
    return this.#peers.size
  }

  get (id: string): EndpointPeer<Metadata> | undefined {
    return this.#peers.get(id)
  }

  /** Those whose latest attachment is to this trunk, detached ones included. */
  * on (trunk: Channel): Iterable<EndpointPeer<Metadata>> {
    for (const peer of this.#peers.values()) if (peer.trunk === trunk) yield peer
  }

  /** The trunk is lost, and with it the links of all who came over it. */
  lost (trunk: Channel): void {
    for (const peer of [...this.on(trunk)]) peer.trunkLost()
  }

  /** The client of a session that is attached to nothing any more has gone for good. */
  leave (peerId: string, { key, code, reason }: Bodies['leave']): void {
    const peer = this.#peers.get(peerId)
    if (peer !== undefined && !peer.isAttached && peer.isAskedFor(key, sameSecret) === 'session') peer.over({ code, reason }, false)
  }

  /** There is nothing to come back to. */
  endDetached (): void {
    for (const peer of [...this.#peers.values()]) if (!peer.isAttached) peer.over({ code: CloseCode.trunkLost, reason: 'the media server is closing' }, false)
  }

  async open (trunk: Channel, peerId: string, asked: Bodies['open']): Promise<void> {
    const refuse = (code: number, reason: string): void => {
      trunk.send(frame('refused', { id: asked.id, code, reason: fitReason(reason) }, peerId))
    }
    if (!isId(peerId) || !isId(asked.roomId)) return refuse(CloseCode.protocolError, 'peer_id and room_id are strings of 1 to 128 bytes')
    let metadata: Metadata
    try {
      metadata = (asked.metadata === '' ? null : JSON.parse(asked.metadata)) as Metadata
    } catch {
      return refuse(CloseCode.protocolError, 'metadata is not JSON')
    }
    const present = this.#peers.get(peerId)
    if (present?.isLate(asked) === true) return refuse(CloseCode.replaced, 'a newer link has this session')
    if (present !== undefined && asked.key !== '') {
      const wanted = present.isAskedFor(asked.key, sameSecret)
      // Another key while a newer session lives: who comes late must not push out who came after it.
      // Nor does who only says that it is its learn that there is one.
      if (wanted === null) return asked.resumeOnly ? refuse(CloseCode.mediaServerReset, 'the session is gone') : refuse(CloseCode.replaced, 'a newer session has this peer')
      if (wanted === 'session') {
        if (present.roomId !== asked.roomId) return refuse(CloseCode.forbidden, 'the session is of another room')
        const judged = present.resume(asked, trunk, this.#nextEpoch(), metadata)
        if (judged === 'old') refuse(CloseCode.replaced, 'a newer link has this session')
        else if (judged === 'beyond') refuse(CloseCode.protocolError, 'received what was never sent')
        return
      }
    }
    if (asked.resumeOnly) return refuse(CloseCode.mediaServerReset, 'the session is gone')
    if (present === undefined && this.#peers.size >= this.#options.maxPeers) return refuse(CloseCode.tryAgainLater, 'too many peers')
    present?.over({ code: CloseCode.replaced, reason: 'replaced by a newer session' }, true)
    await this.#begin(this.#make(trunk, peerId, asked, metadata), asked.id, refuse)
  }

  #make (trunk: Channel, id: string, asked: Bodies['open'], metadata: Metadata): EndpointPeer<Metadata> {
    const { clock, session, recordings, log } = this.#options
    const { roomId } = asked
    const peer = new EndpointPeer<Metadata>({
      id, roomId, metadata, key: randomBytes(18).toString('base64url'), asked
    }, trunk, this.#nextEpoch(), {
      clock,
      session,
      pins: this.#pins,
      recordings: () => recordings(roomId),
      gone: () => { if (this.#peers.get(id) === peer) this.#peers.delete(id) },
      received: (bytes) => this.budget.received(bytes),
      failed: (error) => logThrown(log, error, 'a listener of a peer failed', { peerId: id })
    })
    this.#peers.set(id, peer)
    return peer
  }

  async #begin (peer: EndpointPeer<Metadata>, id: number, refuse: (code: number, reason: string) => void): Promise<void> {
    const { onPeer, log } = this.#options
    try {
      const accepted: unknown = onPeer(peer)
      if (typeof (accepted as Promise<void> | undefined)?.then === 'function') await this.#inTime(peer, accepted)
    } catch (error) {
      const { code, message } = error instanceof EndpointRefusal ? error : { code: CloseCode.internalError, message: 'internal error' }
      if (!(error instanceof EndpointRefusal)) logThrown(log, error, 'onPeer failed: the peer is refused', { peerId: peer.id })
      refuse(code, message)
      peer.over({ code, reason: message }, false)
      return
    }
    // Ended while it was being opened: that is the answer.
    if (peer.end !== null) refuse(peer.end.code, peer.end.reason)
    else peer.opened(id)
  }

  /** Waits for `onPeer`, but not beyond its time, nor for a peer that is over. */
  async #inTime (peer: EndpointPeer<Metadata>, accepted: unknown): Promise<void> {
    const { clock, openMs } = this.#options
    let giveUp = (_error?: Error): void => {}
    const vain = new Promise<void>((resolve, reject) => { giveUp = (error) => error === undefined ? resolve() : reject(error) })
    const timer = clock.after(openMs, () => giveUp(new EndpointRefusal(CloseCode.tryAgainLater, 'the media server does not answer')))
    peer.once('close', () => giveUp())
    try {
      await Promise.race([vain, accepted])
    } finally {
      timer.cancel()
    }
  }

  /** Larger than any before it, also than those of a process that ran here earlier: 1 024 for each millisecond of the clock. */
  #nextEpoch (): number {
    this.#lastEpoch = Math.max(this.#lastEpoch + 1, this.#options.clock.now() * 1024)
    return this.#lastEpoch
  }
}
