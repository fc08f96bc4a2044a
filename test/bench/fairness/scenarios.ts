/** Who is set against whom, under which load, and what one run comes to. */

/** How the clients of a run are: with an end of the session of their own, or without. */
export type ClientKind = 'plain' | 'session'

export interface Contender {
  readonly name: string
  /** Relay and media server, which go together. */
  readonly stack: 'trunkline' | 'fifo'
  readonly clients: ClientKind
  /** Whether the media server keeps sessions, each of which has a window of its own. */
  readonly sessions: boolean
}

/** As it comes. Of one peer no more is under way than its session's window, so not everything here is the trunk's merit. */
export const TRUNKLINE: Contender = { name: 'trunkline', stack: 'trunkline', clients: 'plain', sessions: true }
/** Whoever floods has an end of its own, and does not heed the window: from a client, only the trunk bounds it. */
export const SESSION_CLIENTS: Contender = { name: 'trunkline, clients with a session', stack: 'trunkline', clients: 'session', sessions: true }
/** There is no such window: from the media server, only the trunk bounds a flood. */
export const NO_SESSIONS: Contender = { name: 'trunkline, no sessions', stack: 'trunkline', clients: 'plain', sessions: false }
/** What everybody writes first. */
export const FIFO: Contender = { name: 'plain FIFO', stack: 'fifo', clients: 'plain', sessions: false }

/** Towards the media server, or from it. */
export type Direction = 'up' | 'down'

/** What the trunk lets through in the direction of the flood, in bytes per second. */
export const TRUNK_BYTES_PER_SECOND = 5_000_000
export const FLOOD_EVENT_BYTES = 2_048

/** What the well-behaved clients do: each sends events at fixed times, and the media server says them back. */
export interface Steady {
  clients: number
  /** Bytes of one event. */
  bytes: number
  /** Events of all of them together. */
  perSecond: number
}

export const BESIDE_FLOOD: Steady = { clients: 49, bytes: 200, perSecond: 300 }
export const BESIDE_SLOW: Steady = { clients: 100, bytes: 200, perSecond: 500 }

/**
 * Who falls behind: one that reads nothing at all and is sent nothing, and many that read slowly and are sent a lot. Of those
 * with a session the media server finds out by their bounds. Of the others only their sockets tell, and the kernel takes some
 * 4 MB for each of these first: so they are few, and are sent more. All of it has to stay far below what a trunk carries, a
 * window per round trip, also where each round trip waits for a busy processor: else that is what is measured.
 */
export const SLOW = { clients: 100, plain: 2, readBytesPerSecond: 4_000, eventBytes: 8 * 1024, eventsPerSecond: 7, plainTimes: 16 }
/** What of the endpoint is smaller beside slow clients, for the same reason. */
export const SLOW_BOUNDS = { windowBytes: 64 * 1024, sessionBytes: 256 * 1024 }

/** So often a relay looks for clients that are gone, where one of them is frozen. Milliseconds. */
export const HEARTBEAT_MS = 1_000

/** Peers by what they are: the ids of the others begin with the same word. */
export const STEADY_ID = 'steady'
export const FLOOD_ID = 'flood'
export const SLOW_ID = 'slow'
export const FROZEN_ID = 'frozen'

/** The first event of each client, which every one of them hears back. */
export const HELLO = 'hello'

/** How long the phases of a run take, in milliseconds. */
export interface Times {
  warmUpMs: number
  /** Longer: code that is still being compiled while it is measured without slow clients makes these look cheap. */
  slowWarmUpMs: number
  /** Before there is a flood, and before and after there are slow clients. */
  quietMs: number
  /** For the flood to fill what it can. */
  risingMs: number
  floodMs: number
  slowMs: number
  /** For the answers to what was sent last. */
  graceMs: number
}

/** What the well-behaved clients have seen. Milliseconds, from the moment when an event should have been sent. */
export interface Latencies {
  sent: number
  /** Before the wait for them was over. */
  answered: number
  p50Ms: number
  p99Ms: number
  /** What has no answer is taken to have got it at the end of the wait: so this is less than the truth. */
  p50IsBound: boolean
  p99IsBound: boolean
  /** How late the load itself was, at the 99th percentile: nothing that is less can be read out of the others. */
  lateMs: number
}

/** With nothing else going on, and with a flood or clients that are slow. */
export interface Seen {
  quiet: Latencies
  busy: Latencies
}

/** Peak resident memory of the two processes that could have queued something. */
export interface Memory {
  relayMb: number
  mediaServerMb: number
}

export interface FloodRun extends Seen, Memory {
  scenario: `flood ${Direction}`
  contender: string
  round: number
  /** Events of the flood that came through, per second. */
  floodRate: number
}

/** How a client that fell behind was ended. */
export interface Ended {
  peerId: string
  code: number
  cause: string
}

export interface SlowRun extends Seen, Memory {
  scenario: 'slow and frozen'
  contender: string
  round: number
  /** How many of those that fell behind were ended in which way. */
  ended: Record<string, number>
  /** How many were ended as they are to be, and how long that took, in milliseconds. */
  asMeant: number
  endedMs: number
}
