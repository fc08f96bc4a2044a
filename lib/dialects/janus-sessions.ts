import type { Clock, Timer } from '../clock.js'
import type { Estate } from './estate.js'

/** The link that has a session. */
export interface SessionHolder {
  readonly isOpen: boolean
}

/** A session that has an id of Janus, by which its client asks for it on another link. */
export interface JanusSession {
  readonly id: number
  readonly estate: Estate
  /** Whose it is; null: the app does not say. */
  readonly subject: string | null
  /** For how long it outlives its link, in milliseconds. */
  resumeMs: number
}

export interface JanusSessionsOptions {
  /** Sessions without a link at most; beyond, the one that is without for longest is forgotten. */
  max: number
  /** Bytes that are kept of all of them at most; beyond, the same. */
  maxBytes: number
  clock: Clock
}

interface Entry {
  readonly session: JanusSession
  /** Null: its link is lost. */
  holder: SessionHolder | null
  /** Of one without a link. */
  bytes: number
  timer: Timer | null
}

/** The sessions of janus.js clients by id: those that have a link, and, for as long as the relay holds them, those that have lost it. */
export class JanusSessions {
  readonly #options: JanusSessionsOptions
  readonly #entries = new Map<number, Entry>()
  /** Those without a link, the oldest first. */
  readonly #away = new Set<Entry>()
  #awayBytes = 0

  constructor (options: JanusSessionsOptions) {
    this.#options = options
  }

  /** Those with a link included. */
  get size (): number {
    return this.#entries.size
  }

  get awaySize (): number {
    return this.#away.size
  }

  /** One that has begun. False: another has this id, and keeps it. */
  add (session: JanusSession, holder: SessionHolder): boolean {
    if (this.#entries.has(session.id)) return false
    this.#entries.set(session.id, { session, holder, bytes: 0, timer: null })
    return true
  }

  /** Null: there is none, or it is of another subject. */
  find (id: number, subject: string | null): JanusSession | null {
    const session = this.#entries.get(id)?.session
    return session === undefined || session.subject !== subject ? null : session
  }

  /**
   * Another link asks for a session that `find` has found, by `enter`: from then on nothing counts that the one before says of it. Where that
   * throws, the one before has it as it had.
   */
  move (id: number, to: SessionHolder, enter: () => void): void {
    const entry = this.#entries.get(id)!
    const from = entry.holder
    this.#take(entry, to)
    try {
      enter()
    } catch (error) {
      if (from?.isOpen === true) this.#take(entry, from)
      else this.away(id, to)
      throw error
    }
  }

  /** Its link is lost, and the client may come back for it. */
  away (id: number, holder: SessionHolder): void {
    const entry = this.#heldBy(id, holder)
    if (entry === null) return
    entry.holder = null
    entry.bytes = entry.session.estate.end.keptBytes
    entry.timer = this.#options.clock.after(entry.session.resumeMs, () => this.#drop(entry))
    this.#away.add(entry)
    this.#awayBytes += entry.bytes
    for (const oldest of this.#away) {
      if (this.#away.size <= this.#options.max && this.#awayBytes <= this.#options.maxBytes) break
      this.#drop(oldest)
    }
  }

  over (id: number, holder: SessionHolder): void {
    const entry = this.#heldBy(id, holder)
    if (entry !== null) this.#drop(entry)
  }

  /** Forgets those that are away. */
  stop (): void {
    for (const entry of this.#away) this.#drop(entry)
  }

  #heldBy (id: number, holder: SessionHolder): Entry | null {
    const entry = this.#entries.get(id)
    return entry === undefined || entry.holder !== holder ? null : entry
  }

  #take (entry: Entry, holder: SessionHolder): void {
    this.#isBack(entry)
    entry.holder = holder
  }

  #drop (entry: Entry): void {
    this.#isBack(entry)
    this.#entries.delete(entry.session.id)
  }

  #isBack (entry: Entry): void {
    entry.timer?.cancel()
    entry.timer = null
    if (this.#away.delete(entry)) this.#awayBytes -= entry.bytes
  }
}
