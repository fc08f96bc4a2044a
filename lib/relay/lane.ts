import { HookResultError } from '../errors.js'
import { isPromise } from './hooks.js'
import type { ForwardResult, Hooks, MediaEvent } from './hooks.js'
import type { Peer } from './peer.js'
import { unpinned } from '../unpinned.js'

/** What a queued event is taken to cost beside its bytes, so that a flood of tiny ones is bounded too. */
const EVENT_COST = 64

export interface LaneTarget {
  /** The event, as the hooks left it. */
  deliver (data: Buffer, binary: boolean): void
  /** A hook dropped the event that came here. */
  dropped (): void
  /** A hook threw or took too long: the peer is to end. */
  failed (error: Error): void
  /** The queue has passed its bound. */
  full (): void
  /** The queue is empty again after it was full. */
  drained (): void
}

/**
 * One direction of one peer: its events in the order in which they came, through the forwarding hooks. Other peers have
 * lanes of their own, so that nobody waits for another's hook.
 *
 * held: events queue up. open: they pass at once. busy: a hook has the last one, the others queue up. stalled: the same,
 * to be held afterwards. closed: the end.
 */
export class Lane<Metadata> {
  readonly #name: 'onUplink' | 'onDownlink'
  readonly #peer: Peer<Metadata>
  readonly #hooks: Hooks<Metadata>
  readonly #target: LaneTarget
  readonly #maxBytes: number
  #state: 'held' | 'open' | 'busy' | 'stalled' | 'closed' = 'held'
  #queue: Queued[] = []
  #bytes = 0
  #full = false
  #running: Promise<void> | null = null
  #flushed: Array<() => void> = []
  /** Grows with each `reset`: what a hook of an earlier one answers is of no use any more. */
  #generation = 0

  /** @param maxBytes of the queue, from which `full` is called */
  constructor (name: 'onUplink' | 'onDownlink', peer: Peer<Metadata>, hooks: Hooks<Metadata>, target: LaneTarget, maxBytes: number) {
    this.#name = name
    this.#peer = peer
    this.#hooks = hooks
    this.#target = target
    this.#maxBytes = maxBytes
  }

  /** Bytes that wait. */
  get bytes (): number {
    return this.#bytes
  }

  push (data: Buffer, binary: boolean): void {
    if (this.#state === 'open') this.#handle(data, binary)
    else if (this.#state !== 'closed') this.#enqueue(data, binary)
  }

  /** An event that was dropped before it came here: it has a place in the order, and no hook sees it. */
  skip (): void {
    if (this.#state === 'open') this.#target.dropped()
    else if (this.#state !== 'closed') this.#enqueue(null, false)
  }

  /** Lets the events pass, those that waited first. */
  open (): void {
    if (this.#state === 'stalled') this.#state = 'busy'
    if (this.#state !== 'held') return
    this.#state = 'open'
    this.#drain()
  }

  /** Keeps everything from now on, in order, also an event that a hook is busy with. */
  hold (): void {
    if (this.#state === 'open') this.#state = 'held'
    else if (this.#state === 'busy') this.#state = 'stalled'
  }

  /** Forgets what waits, and what a running hook will answer; held from now on. */
  reset (): void {
    if (this.#state === 'closed') return
    this.hold()
    this.#generation++
    this.#queue = []
    this.#bytes = 0
    if (this.#full) this.#target.drained()
    this.#full = false
    this.#tellFlushed()
  }

  /** Resolves as soon as nothing waits and no hook is busy: what came until then is delivered, or forgotten. */
  async flushed (): Promise<void> {
    if (this.#isBusy) await new Promise<void>((resolve) => { this.#flushed.push(resolve) })
  }

  /** Forgets what waits; resolves when no hook is running any more. */
  close (): Promise<void> {
    this.#state = 'closed'
    this.#queue = []
    this.#bytes = 0
    this.#tellFlushed()
    return this.#running ?? Promise.resolve()
  }

  get #isBusy (): boolean {
    return this.#queue.length > 0 || this.#state === 'busy' || this.#state === 'stalled'
  }

  #tellFlushed (): void {
    if (this.#flushed.length === 0 || this.#isBusy) return
    for (const resolve of this.#flushed.splice(0)) resolve()
  }

  #enqueue (data: Buffer | null, binary: boolean): void {
    this.#queue.push({ data: data === null ? null : unpinned(data), binary, hooked: false })
    this.#bytes += (data?.length ?? 0) + EVENT_COST
    if (this.#bytes > this.#maxBytes && !this.#full) {
      this.#full = true
      this.#target.full()
    }
  }

  #drain (): void {
    while (this.#state === 'open' && this.#queue.length > 0) {
      const { data, binary, hooked } = this.#queue.shift()!
      this.#bytes -= (data?.length ?? 0) + EVENT_COST
      if (data === null) this.#target.dropped()
      else if (hooked) this.#target.deliver(data, binary)
      else this.#handle(data, binary)
    }
    if (this.#full && this.#state === 'open') {
      this.#full = false
      this.#target.drained()
    }
    this.#tellFlushed()
  }

  #handle (data: Buffer, binary: boolean): void {
    const hooks = this.#hooks.lists[this.#name]
    if (hooks === null) this.#target.deliver(data, binary)
    else this.#run(hooks, 0, new HookedEvent(data, binary))
  }

  /** Runs the hooks from `index` on, without a turn of the event loop for those that answer at once. */
  #run (hooks: Array<(event: MediaEvent, peer: Peer<Metadata>) => ForwardResult | Promise<ForwardResult>>, index: number, event: HookedEvent): void {
    for (let i = index; i < hooks.length; i++) {
      let answer: ForwardResult | Promise<ForwardResult>
      try {
        answer = hooks[i]!(event, this.#peer)
        if (isPromise(answer)) {
          this.#await(answer, (result) => {
            const next = this.#apply(event, result)
            if (next !== null) this.#run(hooks, i + 1, next)
          })
          return
        }
        const next = this.#apply(event, answer)
        if (next === null) return
        event = next
      } catch (error) {
        this.#target.failed(error as Error)
        return
      }
    }
    this.#deliver(event)
  }

  #deliver ({ data, binary }: HookedEvent): void {
    if (this.#state === 'held') {
      // The lane was stopped while a hook had this one: it keeps its place, and its hooks are not run again.
      this.#queue.unshift({ data: unpinned(data), binary, hooked: true })
      this.#bytes += data.length + EVENT_COST
    } else if (this.#state !== 'closed') {
      this.#target.deliver(data, binary)
    }
  }

  /** The event for the next hook; null when this one dropped it. */
  #apply (event: HookedEvent, result: unknown): HookedEvent | null {
    if (result === undefined) return event
    if (result === false) {
      if (this.#state !== 'closed') this.#target.dropped()
      return null
    }
    if (typeof result === 'string') return new HookedEvent(Buffer.from(result), false)
    if (Buffer.isBuffer(result)) return new HookedEvent(result, event.binary)
    throw new HookResultError(this.#name, result === null ? 'null' : typeof result)
  }

  #await (answer: Promise<ForwardResult>, then: (result: ForwardResult) => void): void {
    if (this.#state === 'open') this.#state = 'busy'
    else if (this.#state === 'held') this.#state = 'stalled'
    const generation = this.#generation
    this.#running = new Promise((resolve) => {
      let settled = false
      const settle = (act: () => void): void => {
        // Only the first of answer and deadline counts.
        if (settled) return
        settled = true
        inTime()
        this.#running = null
        if (this.#state === 'busy') this.#state = 'open'
        else if (this.#state === 'stalled') this.#state = 'held'
        if (this.#state !== 'closed') {
          if (generation === this.#generation) act()
          else this.#drain()
          this.#tellFlushed()
        }
        // Another asynchronous hook may have followed on this one.
        resolve(this.#running ?? undefined)
      }
      const fail = (error: Error): void => {
        if (settled) return
        // Whichever attachment the event was of: a hook that fails ends the peer.
        if (this.#state !== 'closed') this.#target.failed(error)
        settle(() => {})
      }
      const inTime = this.#hooks.watch(this.#name, fail)
      // A thenable of another kind may do anything; of a real promise this is the same one.
      Promise.resolve(answer).then((result) => settle(() => this.#continue(() => then(result))), fail)
    })
  }

  #continue (act: () => void): void {
    try {
      act()
    } catch (error) {
      this.#target.failed(error as Error)
      return
    }
    this.#drain()
  }
}

interface Queued {
  /** Null stands for one that was dropped on its way here. */
  data: Buffer | null
  binary: boolean
  /** Whether the hooks have had it already. */
  hooked: boolean
}

class HookedEvent implements MediaEvent {
  readonly data: Buffer
  readonly binary: boolean

  constructor (data: Buffer, binary: boolean) {
    this.data = data
    this.binary = binary
  }

  text (): string {
    return this.data.toString('utf8')
  }
}
