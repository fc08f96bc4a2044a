import { systemClock } from '../clock.js'
import type { Clock } from '../clock.js'
import { OptionError, TicketExpiredError, TicketStoreError, TicketVoidError } from '../errors.js'
import type { CheckedIdentity, Identity } from '../relay/admission.js'
import { sign, verify } from './format.js'
import type { Claims } from './format.js'
import type { Keys } from './keys.js'
import { MemoryTicketStore } from './store.js'
import type { TicketStore } from './store.js'

export interface DeskOptions {
  keys: Keys
  lifeMs: number
  audience: string
  store: TicketStore | undefined
  clock: Clock | undefined
}

/** What a ticket says of the client that it lets in: `admit()` takes it as it is. */
export interface TicketClaims<Metadata = unknown> {
  peerId: string
  roomId: string
  subject?: string
  metadata: Metadata
  /** When the peer is to end. */
  expiresAt?: Date
  /** Until when the ticket lets it in. */
  goodUntil: Date
}

type Read = Claims & { goodUntil: number }

/** Peers whose tickets this process has made void, and remembers it itself; beyond, only the store knows. */
const MAX_VOIDED = 10_000

/** Where tickets are issued and shown. */
export class TicketDesk<Metadata> {
  readonly #options: DeskOptions
  readonly #store: TicketStore
  #clock: Clock
  #isInUse = false
  /** The number of the ticket that was issued last, or has been seen with a larger one. */
  #last = 0
  /** By peer, the latest last: the store may have answered just before it heard of it, or not hear of it. */
  readonly #voided = new Map<string, number>()

  constructor (options: DeskOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#store = options.store ?? new MemoryTicketStore()
  }

  /**
   * Of one registration from now on, until the function that comes back is called.
   * @throws OptionError of another one already, whose tickets would be good here too
   */
  open (clock: Clock): () => void {
    if (this.#isInUse) throw new OptionError('authenticate', "holds tickets() that another registration uses: give each tickets() of its own, with an 'audience' of its own where they have one secret")
    this.#isInUse = true
    this.#clock = this.#options.clock ?? clock
    return () => { this.#isInUse = false }
  }

  /** @throws AdmitError its ticket would be too large */
  async issue ({ peerId, roomId, subject, metadata, metadataText, expiresAt }: CheckedIdentity<Metadata> & { peerId: string }): Promise<string> {
    const now = this.#clock.now()
    return await sign({
      peerId,
      roomId,
      ...(subject === null || subject === peerId ? {} : { subject }),
      ...(metadata === undefined ? {} : { metadata: JSON.parse(metadataText) as unknown }),
      ...(expiresAt === null ? {} : { expiresAt: expiresAt.getTime() }),
      issue: this.#next(now),
      exp: (now + this.#options.lifeMs) / 1_000,
      aud: this.#options.audience
    }, this.#options.keys)
  }

  /**
   * Whom a ticket lets in, which makes all void that its peer was given before.
   * @throws TicketError
   * @throws TicketExpiredError
   * @throws TicketVoidError
   * @throws TicketStoreError
   */
  async admit (token: string): Promise<Identity<unknown>> {
    const read = await this.#read(token)
    this.#checkLife(read, 0)
    await this.#claim(read)
    // The store may have taken its time.
    this.#checkLife(read, 0)
    const { peerId, roomId, subject, metadata, expiresAt } = read
    return { peerId, roomId, metadata, ...(subject === undefined ? {} : { subject }), ...(expiresAt === undefined ? {} : { expiresAt }) }
  }

  /**
   * What a ticket says, which stays as good as it is.
   * @param graceMs how long ago it may have expired; `lifeMs` at most
   * @throws the same
   */
  async check (token: string, graceMs: number): Promise<TicketClaims<Metadata>> {
    if (!(graceMs >= 0)) throw new OptionError('graceMs', 'must be a number of milliseconds')
    const read = await this.#read(token)
    this.#checkLife(read, Math.min(graceMs, this.#options.lifeMs))
    const { goodUntil, peerId, roomId, issue, subject, metadata, expiresAt } = read
    if (await this.#ask(peerId, 0, issue) > issue || this.#isVoided(read)) throw new TicketVoidError()
    return {
      peerId,
      roomId,
      ...(subject === undefined ? {} : { subject }),
      metadata: metadata as Metadata,
      ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt) }),
      goodUntil: new Date(goodUntil)
    }
  }

  /**
   * Makes all tickets void that were issued to a peer until now.
   * @throws TicketStoreError
   */
  async void (peerId: string): Promise<void> {
    // What another process has issued in this millisecond was issued before.
    const issue = this.#next(this.#clock.now(), 999)
    this.#voided.delete(peerId)
    this.#voided.set(peerId, issue)
    if (this.#voided.size > MAX_VOIDED) this.#voided.delete(this.#voided.keys().next().value!)
    this.#saw(await this.#ask(peerId, issue, issue))
  }

  async #read (token: string): Promise<Read> {
    const claims = await verify(token, this.#options.keys, this.#options.audience)
    // Whoever issued it may have a longer life, or a clock that is ahead: what is void must be remembered for as long as it is good.
    return { ...claims, goodUntil: Math.min(Math.round(claims.exp * 1_000), issuedMs(claims.issue) + this.#options.lifeMs) }
  }

  #checkLife ({ goodUntil, expiresAt = Infinity }: Read, graceMs: number): void {
    const now = this.#clock.now()
    if (now >= goodUntil + graceMs || now >= expiresAt) throw new TicketExpiredError()
  }

  async #claim ({ peerId, issue }: Claims): Promise<void> {
    this.#saw(issue)
    const largest = await this.#ask(peerId, issue, issue)
    this.#saw(largest)
    if (largest !== issue || this.#isVoided({ peerId, issue })) throw new TicketVoidError()
  }

  #isVoided ({ peerId, issue }: Pick<Claims, 'peerId' | 'issue'>): boolean {
    return (this.#voided.get(peerId) ?? 0) > issue
  }

  /**
   * All tickets with a smaller number than `ofIssue` are good, or can be checked, until twice their life after it at most: so long it
   * is remembered.
   */
  async #ask (peerId: string, issue: number, ofIssue: number): Promise<number> {
    let answer: unknown
    try {
      answer = await this.#store.claim(peerId, issue, issuedMs(ofIssue) + 2 * this.#options.lifeMs)
    } catch (error) {
      throw new TicketStoreError('does not answer', { cause: error })
    }
    if (!Number.isSafeInteger(answer) || (answer as number) < issue) throw new TicketStoreError('answers what is no number of a ticket, or a smaller one than it was told')
    return answer as number
  }

  /** Microseconds since 1970, but larger than all others, so that it tells as well when it was issued. */
  #next (now: number, more = 0): number {
    this.#last = Math.max(this.#last + 1, Math.floor(now) * 1_000 + more)
    return this.#last
  }

  /** Where the clock of another process is ahead: what is issued, or made void, from now on is later than what was seen. */
  #saw (issue: number): void {
    this.#last = Math.max(this.#last, issue)
  }
}

/** Milliseconds since 1970, not before the ticket was issued. */
function issuedMs (issue: number): number {
  return Math.ceil(issue / 1_000)
}
