import { fullJitter } from '../backoff.js'
import { systemClock } from '../clock.js'
import type { Clock } from '../clock.js'
import { CloseCode, mayReconnect } from '../close-codes.js'
import { DEFAULT_END_LIMITS } from '../session/end.js'
import { ACK, BINARY_EVENT, CONTROL, SKIP, controlMessage } from '../session/messages.js'
import type { Joined, RecordingState } from '../session/messages.js'
import { toAppMessage } from './app-message.js'
import { NO_STATUS } from './attempt.js'
import type { Attempt, AttemptObserver } from './attempt.js'
import { Comeback } from './comeback.js'
import { Emitter } from './emitter.js'
import { over } from './errors.js'
import type { Incoming } from './incoming.js'
import { pageNetwork } from './network.js'
import { openerOf } from './opener.js'
import type { LinkEvents, LinkOptions, LinkState, Network } from './options.js'
import { Recordings } from './recording-light.js'
import type { RecordingLight } from './recording-light.js'
import { Session } from './session.js'
import { follow } from './states.js'
import { Tokens } from './tokens.js'

/**
 * A client's link to the backend, which outlives its sockets: each media event is delivered once and in order, whatever is
 * lost in between, for as long as the backend holds the session. After that `reset` says so.
 *
 * Nothing of the network is ever thrown: it is told by events (`LinkEvents`). Listeners run when the link is done with what
 * made it tell them, and may call anything.
 */
export class Link {
  readonly #options: LinkOptions
  readonly #clock: Clock
  readonly #network: Network
  readonly #comeback: Comeback
  readonly #tokens: Tokens
  readonly #session: Session
  readonly #recordings = new Recordings()
  readonly #emitter = new Emitter<LinkEvents>()
  #state: LinkState = 'idle'
  #destroyed = false
  #open: ReturnType<typeof openerOf> | null = null
  #attempt: Attempt | null = null
  #forgetToken = (): void => {}
  #unwatch = (): void => {}
  #trunkDown = false
  readonly #observer: AttemptObserver = {
    heard: (message) => this.#turn(() => this.#receive(message)),
    lost: (code, reason) => this.#turn(() => this.#lost(code, reason))
  }

  #leaving: { left: Promise<void>, resolve: () => void } | null = null

  constructor (options: LinkOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#network = options.network ?? pageNetwork
    this.#comeback = new Comeback(options.reconnect ?? fullJitter(300, 5_000), this.#clock)
    this.#tokens = new Tokens(options.token, this.#clock, options.tokenMs ?? 10_000)
    this.#session = new Session({ ...DEFAULT_END_LIMITS, ...options.limits }, this.#clock)
  }

  get state (): LinkState {
    return this.#state
  }

  /** That of the session; null: there is none, or not yet. */
  get peerId (): string | null {
    return this.#session.peerId
  }

  get roomId (): string | null {
    return this.#session.roomId
  }

  /** Whether the room is being recorded. */
  get recordingLight (): RecordingLight {
    return this.#recordings.light
  }

  /** Those of the room, and of those that are over the latest; while the light is `unknown`: as they were. */
  get recordings (): readonly RecordingState[] {
    return this.#recordings.list
  }

  /** The returned function takes the listener off again. One that throws disturbs nobody: its error is thrown outside. */
  on<Name extends keyof LinkEvents> (name: Name, listener: (...args: LinkEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener)
  }

  off<Name extends keyof LinkEvents> (name: Name, listener: (...args: LinkEvents[Name]) => void): void {
    this.#emitter.off(name, listener)
  }

  /**
   * Begins, from `idle` or `leaved`; anywhere else it is under way already.
   * @throws LinkError TRK_LINK_OVER, TRK_LINK_NO_WEBSOCKET
   * @throws TypeError `url` is none, or a path where there is no page
   */
  join (): void {
    if (this.#destroyed || this.#state === 'failed') throw over()
    if (this.#state !== 'idle' && this.#state !== 'leaved') return
    this.#open = openerOf(this.#options, this.#clock)
    this.#turn(() => {
      this.#comeback.succeeded()
      this.#transition('initializing')
      this.#unwatch = this.#network.watch({
        online: () => this.#turn(() => this.#online()),
        offline: () => this.#turn(() => this.#offline()),
        visible: () => this.#turn(() => this.#wake())
      })
      this.#try()
    })
  }

  /**
   * Ends the session, for both sides, as soon as the link is joined. Resolves when it has, or when there is nothing to end:
   * it has failed, was destroyed, or was never joined.
   */
  leave (): Promise<void> {
    if (this.#destroyed || this.#state === 'idle' || this.#state === 'leaved' || this.#state === 'failed') return Promise.resolve()
    if (this.#leaving === null) {
      let resolve = (): void => {}
      const left = new Promise<void>((_resolve) => { resolve = _resolve })
      this.#leaving = { left, resolve }
    }
    const { left } = this.#leaving
    this.#turn(() => {})
    return left
  }

  /** Closes the link at once and for good, in whatever state. Nothing is told after it. */
  destroy (): void {
    if (this.#destroyed) return
    this.#destroyed = true
    this.#emitter.clear()
    this.#stop(CloseCode.normal)
  }

  /**
   * Sends a media event: a string as text, bytes as binary, copied. Until it is acknowledged it is kept, in any state.
   * @throws LinkError TRK_LINK_FULL: it was not taken; TRK_LINK_OVER; TRK_LINK_TEXT
   */
  send (event: string | Uint8Array): void {
    if (this.#destroyed || this.#state === 'failed') throw over()
    this.#session.send(event)
  }

  /**
   * Says something to the app itself: JSON, at most once. False: it was not sent, since the client is not joined.
   * @throws LinkError TRK_LINK_MESSAGE it is not JSON, or too large; TRK_LINK_OVER
   */
  sendMessage (message: unknown): boolean {
    if (this.#destroyed || this.#state === 'failed') throw over()
    const bytes = toAppMessage(message)
    if (this.#state !== 'joined') return false
    this.#attempt?.send(bytes)
    return true
  }

  /** Whatever happens to a link happens in here: listeners are told when it is done, and only then it leaves. */
  #turn (step: () => void): void {
    if (this.#destroyed) return
    const steps = [step, () => { if (this.#leaving !== null && this.#state === 'joined') this.#leave() }]
    for (const each of steps) {
      this.#emitter.after(() => {
        each()
        if (this.#recordings.hasChanged()) this.#emitter.emit('recordings', this.#recordings.light, this.#recordings.list)
      })
    }
  }

  #transition (next: LinkState): void {
    const previous = this.#state
    this.#state = follow(previous, next)
    this.#emitter.emit('state', next, previous)
  }

  /** Begins an attempt, as soon as there is a network. */
  #try (): void {
    this.#comeback.begin(this.#network.online)
    if (!this.#comeback.waits) this.#ask()
  }

  /** Asks the backend to take the client in: on the socket that there is, or else on a new one. */
  #ask (): void {
    this.#session.detach()
    this.#forgetToken()
    this.#forgetToken = this.#tokens.get(
      (token) => this.#turn(() => {
        try {
          this.#attempt ??= this.#open!(this.#observer)
        } catch (error) {
          this.#lost(NO_STATUS, String(error))
          return
        }
        this.#attempt.ask(this.#session.join(token))
      }),
      (why) => this.#turn(() => {
        // The link is as good as the token of before: the backend asks again in a while.
        if (this.#attempt?.inUse === true) this.#attempt.ask(this.#session.join(this.#tokens.previous))
        else this.#lost(CloseCode.tryAgainLater, why)
      }))
  }

  #receive (message: Incoming): void {
    switch (message.kind) {
      case BINARY_EVENT:
        if (this.#session.take(message.data)) this.#emitter.emit('mediaEvent', message.data)
        return
      case SKIP:
        this.#session.take()
        return
      case ACK:
        if (!this.#session.acked(message.received)) this.#lost(CloseCode.protocolError, 'an acknowledgement of what was never sent')
        return
      case CONTROL:
        this.#control(message.control)
    }
  }

  #control (control: Extract<Incoming, { kind: typeof CONTROL }>['control']): void {
    switch (control.type) {
      case 'joined':
        this.#answered(control)
        break
      case 'rejoin':
        if (control.reason === 'token') this.#tokens.renew()
        if (this.#state === 'joined') this.#transition('reinitializing')
        this.#ask()
        break
      case 'trunk':
        if (control.state !== 'down' || this.#trunkDown) return
        this.#trunkDown = true
        this.#recordings.lost()
        this.#session.pause()
        this.#emitter.emit('trunk', 'down')
        break
      case 'recordings':
        this.#recordings.are(control.recordings)
        break
      case 'message':
        this.#emitter.emit('message', control.message)
        break
      case 'draining':
        this.#comeback.invited(control.afterMs)
    }
  }

  #answered (answer: Joined): void {
    const attempt = this.#attempt!
    const entered = this.#session.enter(answer, attempt)
    if (entered === null) return
    const { resumed, reset, possible } = entered
    if (reset) this.#emitter.emit('reset')
    if (!possible) {
      this.#lost(CloseCode.mediaServerReset, 'an answer that counts what cannot be')
      return
    }
    const { peerId, roomId, heartbeatMs, recordings } = answer
    this.#recordings.are(recordings)
    this.#comeback.succeeded()
    this.#tokens.accepted()
    attempt.answered(heartbeatMs)
    this.#transition('joined')
    this.#emitter.emit('joined', { peerId, roomId, resumed })
    if (this.#trunkDown) this.#emitter.emit('trunk', 'up')
    this.#trunkDown = false
    this.#session.flush()
  }

  /** The socket is gone or of no use, or never came to be. */
  #lost (code: number, reason: string): void {
    if (code === CloseCode.mediaServerReset) this.#session.forget()
    const again = mayReconnect(code) || (code === CloseCode.notAuthenticated && this.#tokens.renew(this.#attempt?.inUse))
    const delayMs = again ? this.#comeback.failed() : null
    if (delayMs === null) {
      this.#stop(code, reason)
      this.#transition('failed')
      this.#emitter.emit('failed', { code, reason })
      return
    }
    this.#letGo(CloseCode.relinking, reason)
    if (this.#state === 'joined') this.#transition(this.#network.online ? 'reinitializing' : 'waitingNetwork')
    if (this.#state !== 'waitingNetwork') this.#comeback.plan(delayMs, () => this.#turn(() => this.#try()))
  }

  #online (): void {
    if (this.#state === 'waitingNetwork') {
      this.#transition('reinitializing')
      this.#try()
    } else this.#wake()
  }

  #offline (): void {
    if (this.#state !== 'joined') return
    this.#letGo(CloseCode.relinking, 'offline')
    this.#transition('waitingNetwork')
  }

  /** The page or the network is back: nothing that was waited for by the clock is worth waiting for. */
  #wake (): void {
    if (this.#attempt?.dead === true) this.#lost(NO_STATUS, 'silent for too long')
    if (this.#comeback.waits && this.#comeback.isWelcome) this.#try()
  }

  #leave (): void {
    this.#attempt?.send(controlMessage({ type: 'leave' }))
    this.#stop(CloseCode.normal)
    this.#transition('leaved')
  }

  /** The session is over, and nothing goes on by itself. */
  #stop (code: number, reason?: string): void {
    this.#letGo(code, reason)
    this.#unwatch()
    this.#session.reset()
    this.#recordings.reset()
    this.#leaving?.resolve()
    this.#leaving = null
  }

  /** Whatever is under way towards the backend is given up: before anything new begins, and so that nothing late is heard. */
  #letGo (code: number, reason?: string): void {
    this.#comeback.cancel()
    this.#forgetToken()
    this.#attempt?.letGo(code, reason)
    this.#attempt = null
    this.#session.detach()
    this.#recordings.lost()
  }
}
