import { isDeepStrictEqual } from 'node:util'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { EVENT, FRAMINGS, masked } from '../load/framing.js'
import type { Found, PreparedFrame } from '../load/framing.js'
import { writeDigits } from '../load/event.js'
import { PLUGIN } from './upstream.js'

/** Room for one read. Node hands it out and has it back before the next read of any socket, so one is enough for all. */
const READ = Buffer.allocUnsafeSlow(64 * 1024)
const NOTHING = Buffer.alloc(0)
const TEXT = 0x81
const DIGITS = 10
const ZERO = 48
/** No room has such a number. */
const FIRST_ROOM = 100_000

/** What is asked over and over. */
export type Asked = 'exists' | 'trickle'

export interface JanusClientOptions {
  port: number
  id: number
  asked: Asked
}

export interface JanusClientOwner {
  /** The answer to a request that was sent so long ago is here, and is right. */
  answered (latencyMs: number): void
  /** So many have come, in one read. */
  took (client: JanusClient, answers: number): void
}

/**
 * A client that speaks the Janus API as janus.js does, as cheaply as can be. It has a session and a handle of its own, and asks for a
 * room of its own: an answer that is another's is wrong in all of them. The first answer is read field by field, and every other
 * has to be the same text, with the number of a request that is under way: Janus does not keep their order.
 */
export class JanusClient {
  readonly #options: JanusClientOptions
  readonly #owner: JanusClientOwner
  readonly #socket: Socket
  readonly #found: Found = { start: 0, end: 0, kind: EVENT }
  readonly #room: number
  /** When each request was sent that has no answer, by its number. */
  readonly #sentAt = new Map<number, number>()
  #prepared: PreparedFrame | null = null
  #requestDigitsAt = 0
  /** Null until the first has come. */
  #expected: Buffer | null = null
  #digitsAt = 0
  #rest: Buffer = NOTHING
  #isUpgraded = false
  #sessionId = 0
  #handleId = 0
  #sent = 0
  #received = 0

  constructor (options: JanusClientOptions, owner: JanusClientOwner) {
    const { port, id } = options
    this.#options = options
    this.#owner = owner
    this.#room = FIRST_ROOM + id
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
    this.#socket.on('connect', () => this.#socket.write(FRAMINGS.plain.opening))
    this.#socket.on('error', (error) => this.#fail(error.message))
    this.#socket.on('end', () => this.#fail('the connection was closed'))
  }

  /** Requests that have no answer. */
  get underWay (): number {
    return this.#sentAt.size
  }

  get received (): number {
    return this.#received
  }

  /** Each request on its own, as a browser does. */
  send (count: number, now: number): void {
    const { bytes, start, mask } = this.#prepared!
    for (let i = 0; i < count; i++) {
      const number = this.#sent++
      writeDigits(bytes, start + this.#requestDigitsAt, number, mask, this.#requestDigitsAt)
      this.#sentAt.set(number, now)
      // A copy: the kernel may not have it yet when the next one is written.
      this.#socket.write(Buffer.from(bytes))
    }
  }

  #say (request: object): void {
    this.#socket.write(masked(TEXT, Buffer.from(JSON.stringify(request))).bytes)
  }

  #read (length: number): void {
    const carried = this.#rest.length
    const bytes = carried === 0 ? READ : Buffer.concat([this.#rest, READ.subarray(0, length)])
    const end = carried + length
    const at = this.#isUpgraded ? this.#readFrames(bytes, end, 0) : this.#readOpening(bytes, end)
    // A copy: the next socket's read goes to the same place.
    this.#rest = at === end ? NOTHING : Buffer.from(bytes.subarray(at, end))
  }

  #readOpening (bytes: Buffer, end: number): number {
    const text = bytes.toString('latin1', 0, end)
    const size = text.indexOf('\r\n\r\n')
    if (size < 0) return 0
    if (!text.startsWith('HTTP/1.1 101 ')) this.#fail(`no upgrade: ${text}`)
    this.#isUpgraded = true
    this.#say({ janus: 'create', transaction: this.#transaction('create') })
    return this.#readFrames(bytes, end, size + 4)
  }

  #readFrames (bytes: Buffer, end: number, at: number): number {
    const found = this.#found
    const now = performance.now()
    let answers = 0
    while (FRAMINGS.plain.read(bytes, at, end, found)) {
      at = found.end
      if (found.kind !== EVENT) continue
      if (this.#expected !== null) {
        this.#owner.answered(now - this.#check(bytes, this.#expected, found))
        answers++
      } else {
        this.#begin(bytes.toString('utf8', found.start, found.end))
      }
    }
    if (answers > 0) this.#owner.took(this, answers)
    return at
  }

  /** The answers to `create`, to `attach`, and to the first request. */
  #begin (text: string): void {
    const answer = JSON.parse(text) as { data?: { id: number } }
    if (this.#sessionId === 0) {
      this.#sessionId = answer.data?.id ?? 0
      this.#expect(answer, { janus: 'success', transaction: this.#transaction('create'), data: { id: this.#sessionId } })
      this.#say({ janus: 'attach', session_id: this.#sessionId, plugin: PLUGIN, transaction: this.#transaction('attach') })
    } else if (this.#handleId === 0) {
      this.#handleId = answer.data?.id ?? 0
      this.#expect(answer, { janus: 'success', session_id: this.#sessionId, transaction: this.#transaction('attach'), data: { id: this.#handleId } })
      this.#prepare()
      this.send(1, performance.now())
    } else {
      this.#expect(answer, this.#answer(this.#transaction(0)))
      this.#expected = Buffer.from(text)
      this.#digitsAt = this.#expected.indexOf(this.#transaction(0)) + this.#transaction(0).length - DIGITS
      this.#sentAt.delete(0)
      this.#received++
    }
  }

  #prepare (): void {
    const transaction = this.#transaction(0)
    const asked = this.#options.asked === 'exists'
      ? { janus: 'message', body: { request: 'exists', room: this.#room } }
      : { janus: 'trickle', candidate: { candidate: 'candidate:934362675 1 udp 2122194687 192.0.2.2 52572 typ host generation 0 ufrag ahIl network-id 1', sdpMid: '0', sdpMLineIndex: 0 } }
    // In the order in which janus.js writes them.
    const { janus, ...what } = asked
    const request = Buffer.from(JSON.stringify({ janus, ...what, transaction, session_id: this.#sessionId, handle_id: this.#handleId }))
    this.#prepared = masked(TEXT, request)
    this.#requestDigitsAt = request.indexOf(transaction) + transaction.length - DIGITS
  }

  #answer (transaction: string): object {
    if (this.#options.asked === 'trickle') return { janus: 'ack', session_id: this.#sessionId, transaction }
    const plugindata = { plugin: PLUGIN, data: { videoroom: 'success', room: this.#room, exists: false } }
    return { janus: 'success', session_id: this.#sessionId, transaction, sender: this.#handleId, plugindata }
  }

  /** @returns when it was asked */
  #check (bytes: Buffer, expected: Buffer, { start, end }: Found): number {
    let number = 0
    for (let i = start + this.#digitsAt; i < start + this.#digitsAt + DIGITS; i++) number = number * 10 + bytes[i]! - ZERO
    const sentAt = this.#sentAt.get(number)
    if (sentAt === undefined) this.#fail(`an answer that is another's, or comes twice: ${bytes.toString('utf8', start, end)}`)
    writeDigits(expected, this.#digitsAt, number)
    if (bytes.compare(expected, 0, expected.length, start, end) !== 0) this.#fail(`a wrong answer: ${bytes.toString('utf8', start, end)}, not ${expected.toString()}`)
    this.#sentAt.delete(number)
    this.#received++
    return sentAt
  }

  #transaction (what: string | number): string {
    return `bench-${this.#options.id}-${typeof what === 'string' ? what : String(what).padStart(DIGITS, '0')}`
  }

  #expect (answer: object, wanted: object): void {
    if (!isDeepStrictEqual(answer, wanted)) this.#fail(`a wrong answer: ${JSON.stringify(answer)}, not ${JSON.stringify(wanted)}`)
  }

  #fail (why: string): never {
    throw new Error(`client ${this.#options.id}, request ${this.#received}: ${why}`)
  }
}
