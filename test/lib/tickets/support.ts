import { ManualClock } from '../../../lib/testing/index.js'
import { MemoryTicketStore } from '../../../lib/tickets/store.js'
import { deskOf, tickets } from '../../../lib/tickets/tickets.js'
import type { TicketOptions, Tickets } from '../../../lib/tickets/tickets.js'
import { checkIdentity } from '../../../lib/relay/admission.js'
import type { Identity } from '../../../lib/relay/admission.js'
import type { TicketDesk } from '../../../lib/tickets/desk.js'

export const SECRET = 'a secret of at least 32 bytes, for tests'

/** `tickets()` as one process has it. */
export interface Office {
  clock: ManualClock
  auth: Tickets<unknown>
  desk: TicketDesk<unknown>
  issue (who: Identity<unknown> & { peerId: string }): Promise<string>
  show (token: string): Promise<Identity<unknown>>
}

export function office (options: TicketOptions & { clock?: ManualClock } = {}): Office {
  const clock = options.clock ?? new ManualClock()
  const auth = tickets<unknown>({ secret: SECRET, ...options, clock })
  const desk = deskOf<unknown>(auth)!
  const complaint = { broken: (why: string) => new Error(why), expired: () => new Error('expired') }
  return {
    clock,
    auth,
    desk,
    issue: async (who) => await desk.issue({ ...checkIdentity<unknown>(who, clock.now(), complaint), peerId: who.peerId }),
    show: async (token) => await auth(undefined as never, { token, from: 'message' })
  }
}

/** As many processes, with one store. */
export function offices (n: number, options: TicketOptions = {}): Office[] {
  const clock = new ManualClock()
  const store = new MemoryTicketStore()
  return Array.from({ length: n }, () => office({ store, ...options, clock }))
}

export const TICKETS = 10_000
export const ROOMS = 100
/** Of those ten thousand, in milliseconds. */
export const LIFE_MS = 300_000

export interface Issued {
  token: string
  peerId: string
  roomId: string
}

export async function issueAll (at: Office): Promise<Issued[]> {
  const all: Issued[] = []
  for (let i = 0; i < TICKETS; i++) {
    const who = { peerId: `peer-${i}`, roomId: `room-${i % ROOMS}` }
    all.push({ ...who, token: await at.issue({ ...who, metadata: { userId: i, name: `user ${i}` } }) })
  }
  return all
}

/** Whom a ticket lets in, or the code of the error. */
export async function shown (at: Office, token: string): Promise<{ peerId: string, roomId: string } | string> {
  return await at.show(token).then(({ peerId, roomId }) => ({ peerId: peerId!, roomId }), (error: { code: string }) => error.code)
}

/** So many at once. */
const AT_ONCE = 100

export async function showAll<Item> (items: Item[], show: (item: Item) => Promise<void>): Promise<void> {
  for (let i = 0; i < items.length; i += AT_ONCE) await Promise.all(items.slice(i, i + AT_ONCE).map(show))
}
