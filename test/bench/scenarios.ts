/** Under which load, and what one measured run comes to. */

export interface Scenario {
  readonly clients: number
  /** Bytes of one media event. */
  readonly bytes: number
  /** Events that each client has under way, as fast as it goes; or events per second of all clients together. */
  readonly pace: { window: number } | { perSecond: number }
}

export function title ({ clients, bytes }: Scenario): string {
  return `${clients.toLocaleString('en').replace(',', ' ')} clients x ${bytes < 1024 ? `${bytes} B` : `${bytes / 1024} KB`}`
}

/** What the relay says of itself; the difference of two is a measured window. */
export interface Meter {
  /** Milliseconds, of a clock that only runs forward. */
  wallMs: number
  /** User and system time of the whole process. */
  cpuMs: number
}

/** What the load says of itself, since it was told to begin. */
export interface Tally {
  wallMs: number
  roundTrips: number
  /** Milliseconds, of the round trips that were counted. */
  p50Ms: number
  p99Ms: number
  /** Milliseconds that the load was late by its own fault, where it sends at fixed times; else 0. */
  lateP50Ms: number
  lateP99Ms: number
}

/** One measured window of one relay. */
export interface Run {
  section: string
  scenario: string
  variant: string
  round: number
  /** CPU time of the relay for one event up and its echo down, in microseconds. */
  cpuMicros: number
  /** Per second. */
  rate: number
  p50Ms: number
  p99Ms: number
  lateP50Ms: number
  lateP99Ms: number
  /** CPU time of the relay by wall time. Below 1 it has waited: for the load, or for the machine. */
  utilisation: number
  /** All that were checked, before, while and after it was measured. */
  echoes: number
}

/** Below it, a run does not say what a busy relay costs: with less to do, it gathers less before it writes. */
export const SATURATED = 0.9

/** A load that is later than this by its own fault is kept from its work by others on the machine. Milliseconds, p99. */
export const CALM_MS = 2
