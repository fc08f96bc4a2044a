import { createHash } from 'node:crypto'
import type { Clock } from '../clock.js'
import { HookTimeoutError, IdentityError } from '../errors.js'
import { isId } from '../ids.js'
import { busy, notAuthenticated, refusalOf } from './refusal.js'
import type { Refusal } from './refusal.js'

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
   * Whose sessions count together where they are held without a link (`limits.detachedPeers`): a user's id, say. By default the
   * `peerId`, else the token. 1 to 128 bytes.
   */
  subject?: string
  /** When the peer is to end with 4401 "expired token": a date, or milliseconds (a JWT's `exp` is seconds). */
  expiresAt?: Date | number
}

/** An identity that was checked, with its defaults in place. */
export interface CheckedIdentity<Metadata> {
  /** Null: the app leaves it to us. */
  peerId: string | null
  subject: string
  roomId: string
  metadata: Metadata
  /** JSON text of the metadata. */
  metadataText: string
  expiresAt: Date | null
}

/** The app's function: it throws, or says who it is. */
export type Authenticate<Request, Metadata> = (request: Request, credentials: Credentials) => Identity<Metadata> | Promise<Identity<Metadata>>

export interface AdmissionLimits {
  /** Milliseconds for `authenticate` to answer. */
  hookMs: number
  /** How many may be asked about at once. */
  concurrentAuth: number
  /** How many may wait for their turn. */
  waitingAuth: number
}

/** Bytes of the metadata's JSON, for the hooks and for the media server. */
const METADATA_BYTES = 16 * 1024
const FIELDS = ['roomId', 'peerId', 'subject', 'metadata', 'expiresAt']
/** A moment before 1973 in milliseconds, or one of these days in seconds. */
const SURELY_SECONDS = 1e11

/** The door: runs the app's `authenticate`, so many at a time, and checks what it says. */
export class Admission<Request, Metadata> {
  readonly #authenticate: Authenticate<Request, Metadata>
  readonly #limits: AdmissionLimits
  readonly #clock: Clock
  readonly #waiting: Array<{ go: () => void, refuse: (refusal: Refusal) => void }> = []
  readonly #asked = new Set<(refusal: Refusal) => void>()
  #running = 0
  #closed: (() => Refusal) | null = null

  constructor (authenticate: Authenticate<Request, Metadata>, limits: AdmissionLimits, clock: Clock) {
    this.#authenticate = authenticate
    this.#limits = limits
    this.#clock = clock
  }

  /** @throws Refusal with the app's error as its cause */
  async admit (request: Request, credentials: Credentials): Promise<CheckedIdentity<Metadata>> {
    await this.#turn()
    try {
      if (this.#closed !== null) throw this.#closed()
      return check(await this.#inTime(request, credentials), credentials, this.#clock.now())
    } catch (error) {
      throw refusalOf(error)
    } finally {
      // The turn is handed on, so that nobody slips in between.
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next.go()
    }
  }

  /** Whether nobody is let in any more: what whoever comes is told. */
  get closed (): Refusal | null {
    return this.#closed?.() ?? null
  }

  /** Lets nobody in any more, whoever waits included. @param refusal made for each of them */
  close (refusal: () => Refusal): void {
    this.#closed = refusal
    for (const { refuse } of this.#waiting.splice(0)) refuse(refusal())
    for (const refuse of this.#asked) refuse(refusal())
  }

  async #turn (): Promise<void> {
    if (this.#closed !== null) throw this.#closed()
    if (this.#running >= this.#limits.concurrentAuth) {
      if (this.#waiting.length >= this.#limits.waitingAuth) throw busy('too many at once')
      await new Promise<void>((resolve, reject) => { this.#waiting.push({ go: resolve, refuse: reject }) })
    } else {
      this.#running++
    }
  }

  async #inTime (request: Request, credentials: Credentials): Promise<Identity<Metadata>> {
    const { hookMs } = this.#limits
    let giveUp = (_refusal: Refusal): void => {}
    const late = new Promise<never>((_resolve, reject) => { giveUp = reject })
    const timer = this.#clock.after(hookMs, () => giveUp(busy('try again later', new HookTimeoutError('authenticate', hookMs))))
    this.#asked.add(giveUp)
    try {
      // In a promise of its own, so that a synchronous throw is no different.
      return await Promise.race([late, Promise.resolve().then(() => this.#authenticate(request, credentials))])
    } finally {
      timer.cancel()
      this.#asked.delete(giveUp)
    }
  }
}

function check<Metadata> (identity: unknown, { token }: Credentials, now: number): CheckedIdentity<Metadata> {
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
    throw broken(`metadata is not JSON (${(error as Error).message})`)
  }
  if (metadataText === undefined) throw broken('metadata is not JSON')
  if (Buffer.byteLength(metadataText) > METADATA_BYTES) throw broken(`metadata is larger than ${METADATA_BYTES} bytes`)
  const expiry = expiresAt === undefined || expiresAt === null ? null : new Date(expiresAt as Date | number)
  if (expiry !== null) {
    if (Number.isNaN(expiry.getTime())) throw broken('expiresAt is no date')
    if (typeof expiresAt === 'number' && expiresAt < SURELY_SECONDS) throw broken('expiresAt is in milliseconds, and this looks like seconds')
    if (expiry.getTime() <= now) throw notAuthenticated('expired token')
  }
  return { peerId, subject: subject ?? peerId ?? digest(token), roomId, metadata: metadata as Metadata, metadataText, expiresAt: expiry }
}

/** The token itself is not kept. */
function digest (token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}

/** A mistake of the app, not of the client: a 5xx, with the explanation in the log. */
function broken (why: string): Error {
  return busy('try again later', new IdentityError(why))
}
