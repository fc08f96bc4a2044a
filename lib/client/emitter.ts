type Listener<Args extends unknown[]> = (...args: Args) => void

/**
 * Listeners by name. They are told of what was emitted when the step that emitted it is done, so that they may call anything,
 * and so that all of them hear everything in the order in which it came about, whatever one of them does.
 */
export class Emitter<Events extends { [Name in keyof Events]: unknown[] }> {
  readonly #listeners: { [Name in keyof Events]?: Set<Listener<Events[Name]>> } = {}
  #queue: Array<() => void> = []
  #stepping = false

  /** The returned function takes the listener off again. */
  on<Name extends keyof Events> (name: Name, listener: Listener<Events[Name]>): () => void {
    (this.#listeners[name] ??= new Set()).add(listener)
    return () => this.off(name, listener)
  }

  off<Name extends keyof Events> (name: Name, listener: Listener<Events[Name]>): void {
    this.#listeners[name]?.delete(listener)
  }

  emit<Name extends keyof Events> (name: Name, ...args: Events[Name]): void {
    const queue = this.#queue
    queue.push(() => {
      const listeners = this.#listeners[name] ?? new Set()
      for (const listener of [...listeners]) {
        if (queue === this.#queue && listeners.has(listener)) call(listener, args)
      }
    })
  }

  /** Runs `step`, and then tells the listeners; within another step, or a listener, they are told after that one. */
  after (step: () => void): void {
    if (this.#stepping) {
      step()
      return
    }
    this.#stepping = true
    try {
      step()
      for (let tell; (tell = this.#queue.shift()) !== undefined;) tell()
    } finally {
      this.#stepping = false
    }
  }

  /** Nothing of what was emitted so far is told any more. */
  clear (): void {
    this.#queue = []
  }
}

/** A listener that throws does so on its own account: whoever emits, and the other listeners, go on. */
function call<Args extends unknown[]> (listener: Listener<Args>, args: Args): void {
  try {
    listener(...args)
  } catch (error) {
    queueMicrotask(() => { throw error })
  }
}
