/** What the page on scale calculates with: as little as says how much a process, a machine and several of them carry. */

/** What was measured. */
export interface Costs {
  /** CPU time of one event up and one down, in microseconds: at a fixed rate far from the most, with so many clients. */
  roundTripMicros: number
  clients: number
  /** The same with the relay busy: the least that it can be. */
  busyMicros: number
  /** Bytes of a client that says nothing. */
  idleBytes: number
  /** CPU time of one join, in microseconds. */
  joinMicros: number
}

/** How much of a core may be used in the long run: what comes all at once has to fit into the rest. */
export const USED = 0.7

/**
 * How long an event waits for others, on average, in a relay that is so busy: one server, arrivals that know nothing of each other,
 * and the same work for each (M/D/1; Pollaczek and Khinchine). In the unit of `cost`.
 */
export function waitOf (cost: number, utilisation: number): number {
  return utilisation * cost / (2 * (1 - utilisation))
}

/** Bytes per second that go over a trunk at most: as many as may be under way, once in each round trip. */
export function trunkBytesPerSecond (windowBytes: number, roundTripMs: number): number {
  return windowBytes / roundTripMs * 1_000
}

/** Events per second, in and out together, of so many processes with a core each. */
export function eventsPerSecond ({ roundTripMicros }: Costs, processes: number): number {
  return USED * 2e6 / roundTripMicros * processes
}

/** Clients of so many processes, of which each says and hears so many events per second in all. */
export function clientsBy (costs: Costs, eventsOfEach: number, processes: number): number {
  return eventsPerSecond(costs, processes) / eventsOfEach
}

/** Joins per second. */
export function joinsPerSecond ({ joinMicros }: Costs, processes: number): number {
  return USED * 1e6 / joinMicros * processes
}
