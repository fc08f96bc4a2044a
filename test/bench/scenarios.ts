/** What is compared, under which load, and what one measured run comes to. */

export const VARIANTS = ['trunkline', 'http-proxy', 'net'] as const

export type Variant = typeof VARIANTS[number]

export interface Scenario {
  readonly clients: number
  /** Bytes of one media event. */
  readonly bytes: number
  /** Events that each client has under way at once. */
  readonly window: number
}

/** The first is the one of a quick look. */
export const SCENARIOS: [Scenario, ...Scenario[]] = [
  { clients: 200, bytes: 200, window: 4 },
  { clients: 200, bytes: 2048, window: 4 }
]

export function title ({ clients, bytes }: Scenario): string {
  return `${clients} clients x ${bytes < 1024 ? `${bytes} B` : `${bytes / 1024} KB`}`
}

/** What the relay says of itself; the difference of two is a measured window. */
export interface Meter {
  /** Milliseconds, of a clock that only runs forward. */
  wallMs: number
  /** User and system time of the whole process. */
  cpuMs: number
}

/** What the load says of itself, since it was last asked. */
export interface Tally {
  wallMs: number
  roundTrips: number
  /** Milliseconds, of the round trips that were counted. */
  p50Ms: number
  p99Ms: number
}

/** One measured window of one relay. */
export interface Run {
  variant: Variant
  scenario: string
  round: number
  /** CPU time of the relay for one event up and its echo down, in microseconds. */
  cpuMicros: number
  /** Per second. */
  rate: number
  p50Ms: number
  p99Ms: number
  /** CPU time of the relay by wall time. Below 1 it has waited: for the load, or for the machine. */
  utilisation: number
}

/** Below it, a run does not say what a busy relay costs: with less to do, it gathers less before it writes. */
export const SATURATED = 0.9
