import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { ACK_EVENTS } from '../../../lib/session/end.js'
import { makeEvent, writeDigits } from './event.js'
import { EVENT, READY } from './framing.js'
import type { Found, Framing, PreparedFrame } from './framing.js'

/** Room for one read. Node hands it out and has it back before the next read of any socket, so one is enough for all. */
const READ = Buffer.allocUnsafeSlow(64 * 1024)
const NOTHING = Buffer.alloc(0)

export interface ClientOptions {
  port: number
  id: number
  eventBytes: number
  /** Events that are under way at once, usually: there is room for more, but that takes a while to make. */
  window: number
  framing: Framing
}

export interface ClientOwner {
  /** The echo of an event that was due so long ago has come, and is the right one. */
  echoed (latencyMs: number): void
  /** So many echoes have come, in one read. */
  took (client: Client, echoes: number): void
}

/**
 * A client of the load, as cheap as can be: it must not be what is measured. It sends its first event by itself, so that its
 * owner sees that it is in. Each event has its number, and each echo is compared with what it has to be, to the last byte.
 */
export class Client {
  readonly #options: ClientOptions
  readonly #owner: ClientOwner
  readonly #socket: Socket
  readonly #prepared: PreparedFrame
  readonly #expected: Buffer
  readonly #digitsAt: number
  readonly #found: Found = { start: 0, end: 0, kind: EVENT }
  /** One for each event under way: it is written anew only after its echo, so that the kernel has it for good. */
  #frames: Buffer[]
  #dueAt: Float64Array
  #rest: Buffer = NOTHING
  #isUpgraded = false
  #sent = 0
  #received = 0
  #unacknowledged = 0

  constructor (options: ClientOptions, owner: ClientOwner) {
    const { port, id, eventBytes, window, framing } = options
    this.#options = options
    this.#owner = owner
    const { event, digitsAt } = makeEvent(id, eventBytes)
    this.#expected = event
    this.#digitsAt = digitsAt
    this.#prepared = framing.prepare(event)
    this.#frames = this.#makeFrames(window)
    this.#dueAt = new Float64Array(window)
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: READ,
        callback: (length) => {
          this.#read(length)
          return true
        }
      }
    })
    this.#socket.on('connect', () => {
      if (framing.opening === '') this.#upgraded()
      else this.#socket.write(framing.opening)
    })
    this.#socket.on('error', (error) => this.#fail(error.message))
    this.#socket.on('end', () => this.#fail('the connection was closed'))
  }

  /** Events whose echo has not come. */
  get underWay (): number {
    return this.#sent - this.#received
  }

  get received (): number {
    return this.#received
  }

  /** Each event on its own, as a browser does. */
  send (count: number, dueAt: number): void {
    if (this.underWay + count > this.#frames.length) this.#grow(this.underWay + count)
    const { start, mask } = this.#prepared
    for (let i = 0; i < count; i++) {
      const slot = this.#sent % this.#frames.length
      const frame = this.#frames[slot]!
      writeDigits(frame, start + this.#digitsAt, this.#sent++, mask, this.#digitsAt)
      this.#dueAt[slot] = dueAt
      this.#socket.write(frame)
    }
  }

  /** What is under way stays where it is: the socket may have to write it yet. */
  #grow (least: number): void {
    const old = this.#dueAt
    const slots = Math.max(least, 2 * old.length)
    this.#frames = this.#makeFrames(slots)
    this.#dueAt = new Float64Array(slots)
    for (let i = this.#received; i < this.#sent; i++) this.#dueAt[i % slots] = old[i % old.length]!
  }

  #makeFrames (slots: number): Buffer[] {
    return Array.from({ length: slots }, () => Buffer.from(this.#prepared.bytes))
  }

  #upgraded (): void {
    this.#isUpgraded = true
    const greeting = this.#options.framing.greeting()
    if (greeting === null) this.#ready()
    else this.#socket.write(greeting)
  }

  #ready (): void {
    this.send(1, performance.now())
  }

  #read (length: number): void {
    const carried = this.#rest.length
    const bytes = carried === 0 ? READ : Buffer.concat([this.#rest, READ.subarray(0, length)])
    const end = carried + length
    const at = this.#isUpgraded ? this.#readFrames(bytes, end) : this.#readOpening(bytes, end)
    // A copy: the next socket's read goes to the same place.
    this.#rest = at === end ? NOTHING : Buffer.from(bytes.subarray(at, end))
  }

  #readOpening (bytes: Buffer, end: number): number {
    const text = bytes.toString('latin1', 0, end)
    const size = text.indexOf('\r\n\r\n')
    if (size < 0) return 0
    if (!text.startsWith('HTTP/1.1 101 ')) this.#fail(`no upgrade: ${text}`)
    this.#upgraded()
    return this.#readFrames(bytes, end, size + 4)
  }

  #readFrames (bytes: Buffer, end: number, at = 0): number {
    const { framing } = this.#options
    const found = this.#found
    const now = performance.now()
    let echoes = 0
    while (framing.read(bytes, at, end, found)) {
      at = found.end
      if (found.kind === EVENT) {
        this.#check(bytes, found)
        echoes++
        this.#owner.echoed(now - this.#dueAt[this.#received++ % this.#dueAt.length]!)
      } else if (found.kind === READY) {
        this.#ready()
      }
    }
    if (echoes > 0) {
      this.#acknowledge(echoes)
      this.#owner.took(this, echoes)
    }
    return at
  }

  #check (bytes: Buffer, { start, end }: Found): void {
    const expected = this.#expected
    writeDigits(expected, this.#digitsAt, this.#received)
    if (this.underWay > 0 && end - start === expected.length && bytes.compare(expected, 0, expected.length, start, end) === 0) return
    this.#fail(`a wrong, lost or reordered echo: ${end - start} bytes ${bytes.toString('latin1', start, Math.min(end, start + 60))}, not ${expected.length} bytes ${expected.toString('latin1', 0, 60)}`)
  }

  #acknowledge (echoes: number): void {
    this.#unacknowledged += echoes
    if (this.#unacknowledged < ACK_EVENTS) return
    this.#unacknowledged = 0
    const ack = this.#options.framing.ack(this.#received)
    if (ack !== null) this.#socket.write(ack)
  }

  #fail (why: string): never {
    throw new Error(`client ${this.#options.id}, event ${this.#received}: ${why}`)
  }
}
