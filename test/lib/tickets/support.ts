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
  const store = new MemoryTicketStore(() => clock.now())
  return Array.from({ length: n }, () => office({ store, ...options, clock }))
}
