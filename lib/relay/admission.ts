import type { Clock, Timer } from '../clock.js'
import { CloseCode } from '../close-codes.js'
import { HookTimeoutError, IdentityError } from '../errors.js'
import { isId } from '../ids.js'
import { EXPIRED, Refusal, busy, notAuthenticated, refusalOf } from './refusal.js'
import { Turnstile } from './turnstile.js'
import type { TurnstileLimits, TurnstileStats, Visitor } from './turnstile.js'

/** What a client brought to show who it is. */
export interface Credentials {
  /** From the query, the `Authorization` header, the cookie, or the client's first message. */
  token: string
  /** Which of these it was. */
  from: 'query' | 'authorization' | 'cookie' | 'message'
}

/** Who the app says that the client is. `metadata` is required where its type has been declared. */
export type Identity<Metadata> = PlainIdentity & (undefined extends Metadata ? { metadata?: Metadata } : { metadata: Metadata })

interface PlainIdentity {
  /** 1 to 128 bytes. */
  roomId: string
  /** Only to have a second link under the same id replace the first; a UUID is minted otherwise. 1 to 128 bytes. */
  peerId?: string
  /**
   * Whose sessions count together where they are held without a link (`limits.detachedPeers`): a user's id, say. Where the app
   * says neither this nor a `peerId`, nobody's do: a token may be shared by all of a room. 1 to 128 bytes.
   */
  subject?: string
  /** When the peer is to end with 4401 "expired token": a date, or milliseconds (a JWT's `exp` is seconds). */
  expiresAt?: Date | number
}

/** An identity that was checked, with its defaults in place. */
export interface CheckedIdentity<Metadata> {
  /** Null: the app leaves it to us. */
  peerId: string | null
  /** Null: the app does not say who it is. */
  subject: string | null
  roomId: string
  metadata: Metadata
  /** JSON text of the metadata. */
  metadataText: string
  expiresAt: Date | null
}

/** The app's function: it throws, or says who it is. */
export type Authenticate<Request, Metadata> = (request: Request, credentials: Credentials) => Identity<Metadata> | Promise<Identity<Metadata>>

export interface AdmissionLimits extends TurnstileLimits {
  /** Milliseconds for `authenticate` to answer. */
  hookMs: number
}

export interface AdmissionStats extends TurnstileStats {
  /** Calls of `authenticate` that have taken longer than `hookMs`, and still run. */
  overdue: number
  /** Calls of `authenticate` that were not waited for any more, since the start: they may run for ever. */
  abandoned: number
}

/** Bytes of the metadata's JSON, for the hooks and for the media server. */
const METADATA_BYTES = 16 * 1024
const FIELDS = ['roomId', 'peerId', 'subject', 'metadata', 'expiresAt']
/** A moment before 1973 in milliseconds, or one of these days in seconds. */
const SURELY_SECONDS = 1e11

/**
 * A call of `authenticate` that is too late keeps its turn until it ends, as it may go on asking whatever could not answer in
 * time; but no longer than so many times `hookMs`, since one that never ends would take the turn for ever.
 */
const ABANDONED_HOOKS = 2

/** The longest that one timer of Node holds, in milliseconds. */
const LONGEST_MS = 2 ** 31 - 1

/** One call of `authenticate`. */
interface Call {
  /** Answers in its place. */
  giveUp: (refusal: Refusal) => void
  isOverdue: boolean
  timer: Timer
}

/** The door: runs the app's `authenticate`, so many at a time and in a second, and checks what it says. */
export class Admission<Request, Metadata> {
  readonly #authenticate: Authenticate<Request, Metadata>
  readonly #limits: AdmissionLimits
  readonly #clock: Clock
  readonly turnstile: Turnstile
  readonly #calls = new Set<Call>()
  #abandoned = 0
  #closed: (() => Refusal) | null = null

  constructor (authenticate: Authenticate<Request, Metadata>, limits: AdmissionLimits, clock: Clock) {
    this.#authenticate = authenticate
    this.#limits = limits
    this.#clock = clock
    this.turnstile = new Turnstile(limits, clock)
  }

  /**
   * A visitor that is gone while it waits gives up its place, and `authenticate` does not hear of it.
   * @throws Refusal with the app's error as its cause; for want of room, with `afterMs`
   */
  async admit (request: Request, credentials: Credentials, visitor: Visitor = {}): Promise<CheckedIdentity<Metadata>> {
    try {
      await this.turnstile.enter(visitor)
    } catch (error) {
      throw error instanceof Refusal ? error : leftAlone(error)
    }
    try {
      return checkIdentity<Metadata>(await this.#ask(request, credentials, visitor), this.#clock.now(), BY_AUTHENTICATE)
    } catch (error) {
      throw refusalOf(error)
    }
  }

  stats (): AdmissionStats {
    return { ...this.turnstile.stats(), overdue: [...this.#calls].filter(({ isOverdue }) => isOverdue).length, abandoned: this.#abandoned }
  }

  /** Whether nobody is let in any more: what whoever comes is told. */
  get closed (): Refusal | null {
    return this.#closed?.() ?? null
  }

  /** Lets nobody in any more, whoever waits included. @param refusal made for each of them */
  close (refusal: () => Refusal): void {
    this.#closed = refusal
    this.turnstile.close(refusal)
    for (const { giveUp, timer } of this.#calls) {
      giveUp(refusal())
      timer.cancel()
    }
  }

  async #ask (request: Request, credentials: Credentials, { gone }: Visitor): Promise<Identity<Metadata>> {
    // Between its turn and here there is a promise.
    const refusal = this.#closed?.() ?? (gone?.aborted === true ? leftAlone() : null)
    if (refusal !== null) {
      this.turnstile.leave()
      throw refusal
    }
    const { hookMs } = this.#limits
    let giveUp = (_refusal: Refusal): void => {}
    const late = new Promise<never>((_resolve, reject) => { giveUp = reject })
    const call: Call = { giveUp, isOverdue: false, timer: this.#clock.after(hookMs, () => this.#late(call)) }
    this.#calls.add(call)
    // In a promise of its own, so that a synchronous throw is no different.
    const answer = Promise.resolve().then(() => this.#authenticate(request, credentials))
    const over = (): void => this.#over(call)
    answer.then(over, over)
    return await Promise.race([late, answer])
  }

  #late (call: Call): void {
    const { hookMs } = this.#limits
    call.isOverdue = true
    call.giveUp(busy('try again later', new HookTimeoutError('authenticate', hookMs)))
    call.timer = this.#clock.after(Math.min(hookMs * (ABANDONED_HOOKS - 1), LONGEST_MS), () => {
      this.#abandoned++
      this.#over(call)
    })
  }

  /** The turn ends with the function, or when that is not waited for any more; not twice. */
  #over (call: Call): void {
    if (!this.#calls.delete(call)) return
    call.timer.cancel()
    this.turnstile.leave()
  }
}

/** Said to nobody. */
function leftAlone (cause?: unknown): Refusal {
  return new Refusal(CloseCode.goingAway, 503, 'the client is gone', cause)
}

/** What to throw where an identity is not one that can be used. */
export interface Complaints {
  broken (why: string): Error
  expired (): Error
}

const BY_AUTHENTICATE: Complaints = {
  // A mistake of the app, not of the client: a 5xx, with the explanation in the log.
  broken: (why) => busy('try again later', new IdentityError(why)),
  expired: () => notAuthenticated(EXPIRED)
}

/** An identity that the app has given, with its defaults in place; what is wrong with it is thrown as `complaints` says. */
export function checkIdentity<Metadata> (identity: unknown, now: number, { broken, expired }: Complaints): CheckedIdentity<Metadata> {
  if (typeof identity !== 'object' || identity === null) throw broken(`it is ${identity === null ? 'null' : typeof identity}, not an object; throw to refuse`)
  const { roomId, peerId = null, subject = null, metadata, expiresAt } = identity as Record<string, unknown>
  for (const name of Object.keys(identity)) {
    const meant = FIELDS.find((field) => field !== name && field.toLowerCase() === name.toLowerCase().replaceAll('_', ''))
    if (meant !== undefined) throw broken(`'${name}' is spelled '${meant}'`)
  }
  if (!isId(roomId)) throw broken('roomId must be a string of 1 to 128 bytes')
  if (peerId !== null && !isId(peerId)) throw broken('peerId must be a string of 1 to 128 bytes')
  if (subject !== null && !isId(subject)) throw broken('subject must be a string of 1 to 128 bytes')
  let metadataText: string | undefined
  try {
    metadataText = JSON.stringify(metadata ?? null)
  } catch (error) {
    // Whatever a toJSON of the app has thrown.
    throw broken(`metadata is not JSON (${String((Object(error) as { message?: unknown }).message)})`)
  }
  if (metadataText === undefined) throw broken('metadata is not JSON')
  if (Buffer.byteLength(metadataText) > METADATA_BYTES) throw broken(`metadata is larger than ${METADATA_BYTES} bytes`)
  const expiry = expiresAt === undefined || expiresAt === null ? null : dateOf(expiresAt)
  if (expiry !== null) {
    if (Number.isNaN(expiry.getTime())) throw broken('expiresAt is no date')
    if (typeof expiresAt === 'number' && expiresAt < SURELY_SECONDS) throw broken('expiresAt is in milliseconds, and this looks like seconds')
    if (expiry.getTime() <= now) throw expired()
  }
  return { peerId, subject: subject ?? peerId, roomId, metadata: metadata as Metadata, metadataText, expiresAt: expiry }
}

/** Invalid where it is nothing that could be one. */
function dateOf (value: unknown): Date {
  try {
    return new Date(value as Date | number)
  } catch {
    return new Date(NaN)
  }
}
