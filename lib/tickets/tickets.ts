import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { Clock } from '../clock.js'
import { OptionError } from '../errors.js'
import { checkData } from '../options.js'
import type { Authenticate, Identity } from '../relay/admission.js'
import { TicketDesk } from './desk.js'
import type { TicketClaims } from './desk.js'
import { Keys } from './keys.js'
import type { TicketStore } from './store.js'

export type TicketSecret = string | Uint8Array

export interface TicketOptions {
  /**
   * Signs the tickets: at least 32 bytes, the same in every process that takes them. Of several the first signs, and all verify.
   * Default: random, so that a restart makes all tickets void.
   */
  secret?: TicketSecret | TicketSecret[] | undefined
  /** How long a ticket lets its client in, and come back, in milliseconds: 1 000 to a day. The same in every process. Default: 5 minutes. */
  lifeMs?: number | undefined
  /** Decides among several tickets of one peer. Default: in this process, for the latest 100 000 peers. */
  store?: TicketStore | undefined
  /** What tells tickets of one registration from those of another that has the same secret. Default: 'trunkline'. */
  audience?: string | undefined
  /** For tests: where all time comes from. Default: that of the registration. */
  clock?: Clock | undefined
}

/** For the option `authenticate`: lets in whoever shows a ticket that `admit()` has issued. */
export interface Tickets<Metadata> {
  (...args: Parameters<Authenticate<FastifyRequest, Metadata>>): Promise<Identity<Metadata>>
  /**
   * What a ticket says, for an app's route by which clients get another one; it stays as good as it is, and those of its peer too.
   * @param graceMs how long ago it may have expired, in milliseconds; `lifeMs` at most. Default: 0
   * @throws TicketError not one of ours
   * @throws TicketExpiredError
   * @throws TicketVoidError its peer was removed, or has been let in by a newer one
   * @throws TicketStoreError
   */
  check (token: string, graceMs?: number): Promise<TicketClaims<Metadata>>
}

const OptionsSchema = Type.Object({
  secret: Type.Optional(Type.Unknown()),
  lifeMs: Type.Optional(Type.Integer({ minimum: 1_000, maximum: 24 * 60 * 60 * 1_000 })),
  store: Type.Optional(Type.Unknown()),
  audience: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
  clock: Type.Optional(Type.Unknown())
}, { additionalProperties: false })

const LIFE_MS = 5 * 60_000

const desks = new WeakMap<object, unknown>()

/**
 * Tickets: what `admit()` gives a client and this function takes from it, with nothing to be kept in between. A ticket is a JWT (RFC 7519,
 * HS256) that says which peer its client is: of whoever else shows it, the newer link replaces the older one.
 * @throws OptionError
 * @throws UnknownOptionError
 */
export function tickets<Metadata> (options: TicketOptions = {}): Tickets<Metadata> {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as TicketOptions
  checkData({ ...given }, OptionsSchema, 'tickets.')
  const { secret, lifeMs = LIFE_MS, store, audience = 'trunkline', clock } = given
  if (store !== undefined && typeof (store as Partial<TicketStore> | null)?.claim !== 'function') throw new OptionError('tickets.store', 'must have the function claim')
  if (clock !== undefined && typeof (clock as Partial<Clock> | null)?.now !== 'function') throw new OptionError('tickets.clock', 'must have the functions now, after and every')
  const desk = new TicketDesk<Metadata>({ keys: new Keys(secret), lifeMs, audience, store, clock })
  const authenticate = async (_request: unknown, { token }: { token: string }): Promise<Identity<Metadata>> => await desk.admit(token) as Identity<Metadata>
  const made = Object.assign(authenticate, { check: async (token: string, graceMs = 0) => await desk.check(token, graceMs) })
  desks.set(made, desk)
  return made
}

/** The desk behind an `authenticate`; null: it is not `tickets()`. */
export function deskOf<Metadata> (authenticate: unknown): TicketDesk<Metadata> | null {
  return typeof authenticate === 'function' ? (desks.get(authenticate) as TicketDesk<Metadata> | undefined) ?? null : null
}
