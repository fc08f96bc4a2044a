import type { Random } from './random.js'
import type { Report } from './report.js'

/** What the app's hooks do with an event, which it says itself, so that they do the same when they see it again. */
export type Fate = 'pass' | 'drop' | 'replace'

interface Sent {
  binary: boolean
  size: number
  fate: Fate
}

const REPLACED = '!'
const FATES: Record<string, Fate> = { p: 'pass', d: 'drop', r: 'replace' }

/** The numbered events of one side in one session. */
export class Outgoing {
  readonly name: string
  readonly events: Sent[] = []
  /** Whether the other side takes no more of it: what is lost then is of no interest. */
  over = false

  constructor (name: string) {
    this.name = name
  }

  /** The next event; it counts once it is `sent`. */
  make (random: Random, hooked: boolean): { event: string | Uint8Array, sent: () => void } {
    const fate: Fate = hooked ? random.weighted([[8, 'pass'], [1, 'drop'], [1, 'replace']]) : 'pass'
    const binary = random.chance(0.4)
    const text = `${this.name}#${this.events.length}#${fate[0]}#`.padEnd(random.chance(0.08) ? random.between(500, 3000) : random.between(20, 160), '.')
    return {
      event: binary ? new Uint8Array(Buffer.from(text)) : text,
      sent: () => this.events.push({ binary, size: text.length, fate })
    }
  }

  /** What arrives of it, of the first `count`. */
  arriving (from: number): number {
    let next = from
    while (this.events[next]?.fate === 'drop') next++
    return next
  }
}

/** What a hook is to do with an event. */
export function fateOf (text: string): Fate {
  return FATES[/#([pdr])#/.exec(text.slice(0, 40))?.[1] ?? ''] ?? 'pass'
}

export const replaced = (text: string): string => REPLACED + text

/** All streams of a run, by name. */
export type Streams = Map<string, Outgoing>

/** What one side gets in one session: each event once, in order, without a gap, and as it was sent. */
export class Incoming {
  readonly #who: string
  readonly #streams: Streams
  readonly #report: Report
  readonly #missing = new Set<number>()
  #stream: Outgoing | null = null
  #next = 0

  constructor (who: string, streams: Streams, report: Report) {
    this.#who = who
    this.#streams = streams
    this.#report = report
  }

  get stream (): Outgoing | null {
    return this.#stream
  }

  take (event: string | Uint8Array): void {
    const raw = typeof event === 'string' ? event : Buffer.from(event).toString()
    const isReplaced = raw.startsWith(REPLACED)
    const text = isReplaced ? raw.slice(1) : raw
    const [name = '', number = ''] = text.split('#', 2)
    const stream = this.#streams.get(name)
    if (stream === undefined) return this.#wrong('other', `of a stream that there is not: ${text.slice(0, 40)}`)
    this.#stream ??= stream
    if (stream !== this.#stream) return this.#wrong('other', `of ${name} in a session of ${this.#stream.name}`)
    this.#count(Number(number))
    const sent = stream.events[Number(number)]
    if (sent === undefined) return this.#wrong('other', `${name}#${number}, which was never sent`)
    if (sent.fate === 'drop') return this.#wrong('other', `${name}#${number}, which the hook has dropped`)
    if ((sent.fate === 'replace') !== isReplaced) return this.#wrong('other', `${name}#${number}, which was ${isReplaced ? '' : 'not '}replaced`)
    // A hook that answers a string makes a text of it.
    const binary = typeof event !== 'string'
    if (text.length !== sent.size || (binary !== sent.binary && !isReplaced)) this.#wrong('other', `${name}#${number}, changed`)
  }

  /** Whether all has come that was sent, what hooks have dropped apart. */
  hasAll (stream: Outgoing): boolean {
    return (this.#stream === null || this.#stream === stream) && this.#missing.size === 0 && stream.arriving(this.#next) === stream.events.length
  }

  /** The session is over, or the run is: what has not come by now does not come. */
  finish (): void {
    if (this.#missing.size > 0) this.#wrong('lost', `${this.#stream!.name}#${[...this.#missing].join(', ')} and got what came after`)
    this.#missing.clear()
  }

  toString (): string {
    return `${this.#who} has got ${this.#next} of ${this.#stream?.events.length ?? 0}`
  }

  #count (number: number): void {
    const next = this.#stream!.arriving(this.#next)
    const { name } = this.#stream!
    if (number === next) {
      this.#next = number + 1
    } else if (number > next) {
      for (let n = next; n < number; n++) if (this.#stream!.events[n]?.fate !== 'drop') this.#missing.add(n)
      this.#next = number + 1
      this.#report.trace(`${this.#who} misses ${name}#${next} to ${number - 1}`)
    } else if (this.#missing.delete(number)) {
      this.#wrong('reordered', `${name}#${number} after ${name}#${this.#next - 1}`)
    } else {
      this.#wrong('duplicated', `${name}#${number} again`)
    }
  }

  #wrong (kind: 'lost' | 'duplicated' | 'reordered' | 'other', text: string): void {
    this.#report.violation(kind, `${this.#who} ${kind === 'lost' ? 'never got' : 'got'} ${text}`)
  }
}
