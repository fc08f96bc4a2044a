import type { Clock } from '../clock.js'
import type { EndLimits } from '../session/end.js'
import type { RecordingState } from '../session/messages.js'
import type { RecordingLight } from './recording-light.js'

/** Written as a method, so that a handler of a richer event, as each implementation has it, fits too. */
type Handler<Event> = { handle (event: Event): void }['handle'] | null

/** Bytes that no other thread shares: a browser sends no others. */
export type OwnBytes = Uint8Array & { readonly buffer: ArrayBuffer }

/** How a browser's socket is used here: also what `ws` and Node's own WebSocket offer. */
export interface SocketLike {
  binaryType: string
  readonly readyState: number
  /** The subprotocol that the server has picked; '' for none. */
  readonly protocol: string
  send (data: string | OwnBytes): void
  close (code?: number, reason?: string): void
  onopen: Handler<unknown>
  onmessage: Handler<{ data: unknown }>
  onclose: Handler<{ code: number, reason: string }>
  onerror: Handler<unknown>
}

export type SocketConstructor = new (url: string, protocols: string[]) => SocketLike

/** When to try again; `attempt` counts from 0 and starts anew after each success. */
export interface ReconnectPolicy {
  /** Milliseconds to wait before this attempt; null: give up. */
  delayMs (attempt: number): number | null
}

/** What the surroundings tell: by default the window's `online`, `offline` and `visibilitychange`. */
export interface Network {
  /** Whether it is worth trying. */
  readonly online: boolean
  /** Calls back at each change, and when the page is visible again; returns a function that ends it. */
  watch (observer: { online (): void, offline (): void, visible (): void }): () => void
}

export interface LinkOptions {
  /** `ws://`, `wss://`, `http://`, `https://`, or a path of the page's own host. */
  url: string
  /** What `authenticate` of the backend gets; a function is asked when there is none yet, or the last one is too old. */
  token?: string | (() => string | Promise<string>)
  /** Default: full jitter from 300 ms to 5 s, without an end. */
  reconnect?: ReconnectPolicy
  /** Milliseconds for one attempt, from the connection to the backend's answer. Default 10 000. */
  answerMs?: number
  /** Milliseconds for `token`, when it is a function. Default 10 000. */
  tokenMs?: number
  /** What is kept of unacknowledged and unsent events. Default: 1 MiB and 4 096 events. */
  limits?: Partial<EndLimits>
  /** Default: the global one. On Node 20 there is none: give that of `ws`. */
  WebSocket?: SocketConstructor
  network?: Network
  /** For tests: where all time comes from. */
  clock?: Clock
}

export type LinkState = 'idle' | 'initializing' | 'joined' | 'leaved' | 'reinitializing' | 'waitingNetwork' | 'failed'

export interface LinkEvents {
  /** One media event of the media server: a string for text, bytes for binary. */
  mediaEvent: [event: string | Uint8Array]
  state: [state: LinkState, previous: LinkState]
  /** The media server has the client. `resumed`: it had it before, and nothing was lost. */
  joined: [session: { peerId: string, roomId: string, resumed: boolean }]
  /** The session could not go on: what was sent and not delivered is lost, and a new session follows with `joined`. */
  reset: []
  /** The room's recording light, or what is known of its recordings, is another than before. */
  recordings: [light: RecordingLight, recordings: readonly RecordingState[]]
  /** What the app says to this client: JSON, at most once. */
  message: [message: unknown]
  /** Whether what is sent now arrives at once. */
  trunk: [state: 'up' | 'down']
  /** The end: the codes are those of `CloseCode`. */
  failed: [status: { code: number, reason: string }]
}
