import type { Clock } from '../clock.js'
import { HookFunctionError, HookNameError, HookTimeoutError } from '../errors.js'
import { nearest } from '../nearest.js'
import type { Notification, Recording, TrunkState } from './media-server.js'
import type { LeaveReason, Peer } from './peer.js'

/** One media event, as a forwarding hook sees it. */
export interface MediaEvent {
  /** The event's bytes. A view: copy them to keep them. */
  readonly data: Buffer
  /** Whether it travels as a binary message. */
  readonly binary: boolean
  /** The bytes as UTF-8. */
  text (): string
}

/**
 * What a forwarding hook answers: nothing to pass the event on, `false` to drop it, a string to replace it with a text
 * event, a Buffer to replace its bytes and keep its kind.
 */
export type ForwardResult = void | undefined | false | string | Buffer

/** The hooks of an app, by name. Several functions of one name run in the order in which they were added. */
export interface HookFunctions<Metadata> {
  /** The media server has accepted the peer. No media event of it moves until this has settled. */
  onPeerJoin: (peer: Peer<Metadata>) => void | Promise<void>
  /** The peer is over: exactly once for each peer that joined, after its last forwarding hook. */
  onPeerLeave: (peer: Peer<Metadata>, reason: LeaveReason) => void | Promise<void>
  /** Each media event from the client. */
  onUplink: (event: MediaEvent, peer: Peer<Metadata>) => ForwardResult | Promise<ForwardResult>
  /** Each media event from the media server. */
  onDownlink: (event: MediaEvent, peer: Peer<Metadata>) => ForwardResult | Promise<ForwardResult>
  /** A recording changed state. In order for each recording; at least once: when it throws it is told again, after 1 s and then less and less often. */
  onRecording: (recording: RecordingChange, room: RoomOfRecording<Metadata>) => void | Promise<void>
  /** What a client has said to the app itself, on its signaling link: JSON. In order; at most once. */
  onMessage: (message: unknown, peer: Peer<Metadata>) => void | Promise<void>
  /** Whatever else the media server told. In order within a room; at least once. */
  onNotification: (notification: Notification) => void | Promise<void>
  /** The trunk changed state. */
  onTrunk: (state: TrunkState) => void | Promise<void>
}

/** A recording, as it stands after one change. */
export interface RecordingChange extends Recording {
  /** Names this change, whenever and to whichever process it is told: to know it again by. */
  readonly id: string
}

/** Where a recording is being made, and who is there now: perhaps nobody any more. */
export interface RoomOfRecording<Metadata> {
  readonly id: string
  readonly peers: ReadonlyArray<Peer<Metadata>>
}

export type HookName = keyof HookFunctions<unknown>

type HookLists<Metadata> = { [Name in HookName]: Array<HookFunctions<Metadata>[Name]> | null }

const NAMES: HookName[] = ['onPeerJoin', 'onPeerLeave', 'onUplink', 'onDownlink', 'onMessage', 'onRecording', 'onNotification', 'onTrunk']

/** The app's hooks. A list is null while nobody added to it, so that the hot path tests one pointer. */
export class Hooks<Metadata> {
  readonly lists: HookLists<Metadata> = {
    onPeerJoin: null, onPeerLeave: null, onUplink: null, onDownlink: null, onMessage: null, onRecording: null, onNotification: null, onTrunk: null
  }

  readonly #timeoutMs: number
  readonly #clock: Clock

  /** @param timeoutMs how long each function may take, in milliseconds */
  constructor (timeoutMs: number, clock: Clock) {
    this.#timeoutMs = timeoutMs
    this.#clock = clock
  }

  /**
   * @throws HookNameError there is no such hook
   * @throws HookFunctionError `fn` is no function
   */
  add<Name extends HookName> (name: Name, fn: HookFunctions<Metadata>[Name]): void {
    if (!NAMES.includes(name)) throw new HookNameError(name, hint(name))
    if (typeof fn !== 'function') throw new HookFunctionError(name, typeof fn)
    // A new array each time: whoever is running the old one finishes with what it began with.
    const lists: Record<string, unknown> = this.lists
    lists[name] = [...this.lists[name] ?? [], fn]
  }

  /** Runs all functions of a hook, one after the other; rejects with the first that throws or takes too long. */
  async run<Name extends 'onPeerJoin' | 'onMessage' | 'onRecording' | 'onNotification'> (name: Name, ...given: Parameters<HookFunctions<Metadata>[Name]>): Promise<void> {
    const list = this.lists[name] as Array<(...args: typeof given) => unknown> | null
    if (list === null) return
    for (const fn of list) await this.#inTime(name, fn(...given))
  }

  /** The same for what has happened already: each function runs, whatever became of the one before. Never rejects. */
  async tell<Name extends 'onPeerLeave' | 'onTrunk'> (name: Name, failed: (error: unknown) => void, ...given: Parameters<HookFunctions<Metadata>[Name]>): Promise<void> {
    const list = this.lists[name] as Array<(...args: typeof given) => unknown> | null
    for (const fn of list ?? []) {
      try {
        await this.#inTime(name, fn(...given))
      } catch (error) {
        failed(error)
      }
    }
  }

  /** Calls `late` unless the answer is there in time; returns a function that says it is. */
  watch (name: HookName, late: (error: Error) => void): () => void {
    const timer = this.#clock.after(this.#timeoutMs, () => late(new HookTimeoutError(name, this.#timeoutMs)))
    return () => timer.cancel()
  }

  async #inTime (name: HookName, answer: unknown): Promise<void> {
    if (!isPromise(answer)) return
    await new Promise<void>((resolve, reject) => {
      const inTime = this.watch(name, reject)
      Promise.resolve(answer).then(() => { inTime(); resolve() }, (error: Error) => { inTime(); reject(error) })
    })
  }
}

export function isPromise (value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as Promise<unknown>).then === 'function'
}

function hint (name: string): string {
  if (name === 'authenticate') return 'it is an option of its own: register with { authenticate }'
  const close = nearest(name, NAMES)
  return close === null ? `the hooks are ${NAMES.join(', ')}` : `did you mean '${close}'?`
}
