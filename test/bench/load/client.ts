import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { Found, Framing, PreparedFrame } from './framing.js'

/** Room for one read. Node hands it out and has it back before the next read of any socket, so one is enough for all. */
const READ = Buffer.allocUnsafeSlow(64 * 1024)

const DIGITS = 10

export interface ClientOptions {
  port: number
  id: number
  eventBytes: number
  window: number
  framing: Framing
}

export interface ClientOwner {
  /** The echo of an event that was written at `sentAt` has come, and is the right one. */
  echoed (sentAt: number): void
  /** Whether the next event is to follow. */
  goesOn (): boolean
}

/**
 * A client that has `window` events under way, and writes the next when an echo has come. Each event names its client
 * and its number, and each echo is compared with what it has to be, to the last byte.
 */
export class Client {
  readonly #options: ClientOptions
  readonly #owner: ClientOwner
  readonly #socket: Socket
  /** One for each event under way: it is written anew only after its echo, so that the kernel has it for good. */
  readonly #frames: PreparedFrame[]
  readonly #sentAt: Float64Array
  readonly #expected: Buffer
  readonly #digitsAt: number
  readonly #found: Found = { start: 0, end: 0, isEvent: false }
  #rest: Buffer = Buffer.alloc(0)
  #isOpen = false
  #sent = 0
  #received = 0

  constructor (options: ClientOptions, owner: ClientOwner) {
    const { port, id, eventBytes, window, framing } = options
    this.#options = options
    this.#owner = owner
    const { event, digitsAt } = makeEvent(id, eventBytes)
    this.#expected = event
    this.#digitsAt = digitsAt
    this.#frames = Array.from({ length: window }, () => framing.prepare(event))
    this.#sentAt = new Float64Array(window)
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
      if (framing.opening === '') this.#open()
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

  #open (): void {
    this.#isOpen = true
    this.#send(this.#options.window)
  }

  #read (length: number): void {
    const carried = this.#rest.length
    const bytes = carried === 0 ? READ : Buffer.concat([this.#rest, READ.subarray(0, length)])
    const end = carried + length
    const at = this.#isOpen ? this.#readFrames(bytes, end) : this.#readOpening(bytes, end)
    // A copy: the next socket's read goes to the same place.
    this.#rest = at === end ? this.#rest.subarray(0, 0) : Buffer.from(bytes.subarray(at, end))
  }

  #readOpening (bytes: Buffer, end: number): number {
    const text = bytes.toString('latin1', 0, end)
    const size = text.indexOf('\r\n\r\n')
    if (size < 0) return 0
    if (!text.startsWith('HTTP/1.1 101 ')) this.#fail(`no upgrade: ${text}`)
    this.#open()
    return size + 4
  }

  #readFrames (bytes: Buffer, end: number): number {
    const { framing } = this.#options
    const now = performance.now()
    let at = 0
    let echoes = 0
    while (framing.read(bytes, at, end, this.#found)) {
      at = this.#found.end
      if (this.#found.isEvent) {
        this.#check(bytes, this.#found)
        echoes++
        this.#owner.echoed(now - this.#sentAt[this.#received++ % this.#options.window]!)
      }
    }
    if (echoes > 0 && this.#owner.goesOn()) this.#send(echoes)
    return at
  }

  #check (bytes: Buffer, { start, end }: Found): void {
    const expected = this.#expected
    writeDigits(expected, this.#digitsAt, this.#received, null)
    if (end - start === expected.length && bytes.compare(expected, 0, expected.length, start, end) === 0) return
    this.#fail(`a wrong, lost or reordered echo: ${end - start} bytes ${bytes.toString('latin1', start, Math.min(end, start + 60))}, not ${expected.length} bytes ${expected.toString('latin1', 0, 60)}`)
  }

  /** Each event on its own, as a browser does. */
  #send (count: number): void {
    const now = performance.now()
    for (let i = 0; i < count; i++) {
      const slot = this.#sent % this.#options.window
      const { bytes, start, mask } = this.#frames[slot]!
      writeDigits(bytes, start + this.#digitsAt, this.#sent++, mask, this.#digitsAt)
      this.#sentAt[slot] = now
      this.#socket.write(bytes)
    }
  }

  #fail (why: string): never {
    throw new Error(`client ${this.#options.id}, event ${this.#received}: ${why}`)
  }
}

/** A media event as large as asked for, and where its number stands. */
function makeEvent (id: number, size: number): { event: Buffer, digitsAt: number } {
  const head = `{"type":"candidate","client":"${String(id).padStart(6, '0')}","number":"`
  const tail = '","data":"'
  const rest = size - head.length - DIGITS - tail.length - 2
  if (rest < 0) throw new Error(`an event has ${size - rest} bytes at least`)
  const data = Array.from({ length: rest }, (_, i) => 'abcdefghijklmnopqrstuvwxyz0123456789'[(i * 7 + id) % 36]).join('')
  return { event: Buffer.from(head + '0'.repeat(DIGITS) + tail + data + '"}'), digitsAt: head.length }
}

function writeDigits (target: Buffer, at: number, number: number, mask: Buffer | null, maskedFrom = 0): void {
  for (let i = DIGITS - 1; i >= 0; i--) {
    const digit = 48 + number % 10
    target[at + i] = mask === null ? digit : digit ^ mask[(maskedFrom + i) & 3]!
    number = Math.floor(number / 10)
  }
}
