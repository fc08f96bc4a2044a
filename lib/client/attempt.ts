import type { Clock, Timer } from '../clock.js'
import { CloseCode, fitReason } from '../close-codes.js'
import { LINK_SUBPROTOCOL } from '../session/messages.js'
import { readIncoming } from './incoming.js'
import type { Incoming } from './incoming.js'
import type { OwnBytes, SocketConstructor, SocketLike } from './options.js'

export interface AttemptObserver {
  heard (message: Incoming): void
  /** It is of no use any more, for the reason that this close code has; called once at most. */
  lost (code: number, reason: string): void
}

const OPEN = 1
/** Beats of silence after which a link is dead: two, and the time that the third may take to arrive. */
const SILENT_BEATS = 2.5
/** Beyond it the timers of browsers wrap around, and fire at once. */
const LONGEST_MS = 2 ** 31 - 1

export const NO_STATUS = 1006

/** One socket, from its opening on: it asks, waits for the answer, and finds out when the other side is gone. */
export class Attempt {
  readonly #socket: SocketLike
  readonly #observer: AttemptObserver
  readonly #clock: Clock
  readonly #answerMs: number
  #asking: Uint8Array | null = null
  #deadline: Timer | null = null
  #watch: Timer | null = null
  #heardAt: number
  #silenceMs = Infinity
  #inUse = false

  /** @throws whatever the constructor of the socket does */
  constructor (Socket: SocketConstructor, url: string, clock: Clock, answerMs: number, observer: AttemptObserver) {
    this.#clock = clock
    this.#answerMs = answerMs
    this.#observer = observer
    this.#heardAt = clock.now()
    const socket = this.#socket = new Socket(url, [LINK_SUBPROTOCOL])
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => this.#opened()
    socket.onmessage = ({ data }) => this.#message(data)
    socket.onclose = ({ code, reason }) => this.#lost(code, reason)
    // That of ws throws where nobody listens. The close that follows says as much as a page is told.
    socket.onerror = () => {}
  }

  get open (): boolean {
    return this.#socket.readyState === OPEN
  }

  /** Whether the backend has let the client in on it. */
  get inUse (): boolean {
    return this.#inUse
  }

  /** Whether the other side has been silent for too long. */
  get dead (): boolean {
    // A clock that was set back must not blind it until the time has come again.
    return Math.abs(this.#clock.now() - this.#heardAt) >= this.#silenceMs
  }

  /** Asks the backend, as soon as the socket is open, and again at each further call. */
  ask (join: Uint8Array): void {
    this.#asking = join
    this.#deadline?.cancel()
    this.#deadline = this.#clock.after(this.#answerMs, () => this.#lost(NO_STATUS, 'no answer in time'))
    if (this.open) this.send(join)
  }

  /** The backend has answered, and speaks every so many milliseconds from now on; 0: only when it has something to say. */
  answered (heartbeatMs: number): void {
    this.#inUse = true
    this.#deadline?.cancel()
    this.#watch?.cancel()
    this.#silenceMs = heartbeatMs > 0 ? Math.min(heartbeatMs * SILENT_BEATS, LONGEST_MS) : Infinity
    if (heartbeatMs > 0) this.#wait(this.#silenceMs)
  }

  send (data: string | Uint8Array): void {
    // Whatever comes here was put together by this package.
    this.#socket.send(data as string | OwnBytes)
  }

  /** Closes the socket. Nothing that it still brings is heard. */
  letGo (code: number, reason = ''): void {
    const socket = this.#socket
    const fitting = fitReason(reason)
    this.#hush()
    try {
      socket.close(code, fitting)
    } catch {
      // A page may say 1000 and 3000 to 4999 only, and nobody may say 1006.
      socket.close(CloseCode.normal, fitting)
    }
  }

  #opened (): void {
    if (this.#socket.protocol !== LINK_SUBPROTOCOL) this.#lost(CloseCode.protocolError, `the server does not speak ${LINK_SUBPROTOCOL}`)
    else if (this.#asking !== null) this.send(this.#asking)
  }

  #message (data: unknown): void {
    this.#heardAt = this.#clock.now()
    let message
    try {
      message = readIncoming(data)
    } catch (error) {
      this.#lost(CloseCode.protocolError, (error as Error).message)
      return
    }
    if (message !== null) this.#observer.heard(message)
  }

  /** A timer for each message would cost more than all that messages need otherwise, so there is one, which looks back. */
  #wait (ms: number): void {
    this.#watch = this.#clock.after(ms, () => {
      if (this.dead) this.#lost(NO_STATUS, 'silent for too long')
      else this.#wait(this.#silenceMs - Math.abs(this.#clock.now() - this.#heardAt))
    })
  }

  #lost (code: number, reason: string): void {
    this.#hush()
    this.#observer.lost(code, reason)
  }

  #hush (): void {
    this.#deadline?.cancel()
    this.#watch?.cancel()
    const socket = this.#socket
    socket.onopen = socket.onmessage = socket.onclose = null
  }
}
