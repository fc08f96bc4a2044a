import { WebSocket } from 'ws'
import type { RawData } from 'ws'
import type { Clock } from '../../clock.js'
import { Fault, JanusCode, faultOf, isObject } from './messages.js'
import type { JanusMessage } from './messages.js'

/** Without it Janus closes the connection without a word. */
const ADMIN_SUBPROTOCOL = 'janus-admin-protocol'
/** Requests that are not answered yet, of one connection at most. */
const MAX_UNDER_WAY = 64
/** Bytes of one answer at most: all that Janus knows of a handle is some KiB. */
const ANSWER_BYTES = 1024 * 1024

export interface JanusAdminOptions {
  /** Of the WebSocket of Janus's Admin API: `ws://` or `wss://`. */
  url: string
  /** Asked for anew at each connection; empty: Janus needs none. */
  secret: () => string | Promise<string>
  ca?: string | Buffer | Array<string | Buffer> | undefined
  headers: Record<string, string>
  /** From connecting to the last answer, in milliseconds. */
  withinMs: number
  clock: Clock
}

/** @throws Fault what Janus answers if it is an error, or that nothing comes any more */
export type AskAdmin = (request: Record<string, unknown>) => Promise<JanusMessage>

/** Janus's Admin API, https://janus.conf.meetecho.com/docs/admin.html: what it does, while it tells clients what they want to hear. */
export class JanusAdmin {
  readonly #options: JanusAdminOptions

  constructor (options: JanusAdminOptions) {
    this.#options = options
  }

  /**
   * A connection for as long as `asks` takes, and no longer: the trunk stays the one that lasts.
   * @throws Fault it cannot be had, is lost, or takes too long
   */
  async with<Result> (asks: (ask: AskAdmin) => Promise<Result>): Promise<Result> {
    const { url, ca, headers, withinMs, clock } = this.#options
    let fail!: (fault: Fault) => void
    const failed = new Promise<never>((_resolve, reject) => { fail = reject })
    // Whoever waits for something hears of it; perhaps nobody does any more.
    failed.catch(() => {})
    const timer = clock.after(withinMs, () => fail(new Fault(JanusCode.unknown, `the Admin API has not answered within ${withinMs} ms`)))
    let socket: WebSocket | null = null
    try {
      const secret = await Promise.race([this.#secret(), failed])
      const dialled = socket = new WebSocket(url, ADMIN_SUBPROTOCOL, { perMessageDeflate: false, maxPayload: ANSWER_BYTES, headers, ...(ca === undefined ? {} : { ca }) })
      dialled.on('error', ({ message }) => fail(new Fault(JanusCode.unknown, `the Admin API cannot be reached: ${message}`)))
      dialled.on('close', () => fail(new Fault(JanusCode.unknown, 'the Admin API has closed the connection')))
      await Promise.race([new Promise((resolve) => dialled.once('open', resolve)), failed])
      const conversation = new Conversation(dialled, secret)
      return await Promise.race([asks((request) => Promise.race([conversation.ask(request), failed])), failed])
    } finally {
      timer.cancel()
      socket?.terminate()
    }
  }

  async #secret (): Promise<string> {
    try {
      return await this.#options.secret()
    } catch (error) {
      throw new Fault(JanusCode.unknown, `there is no secret for the Admin API: ${String((error as Error | null)?.message)}`)
    }
  }
}

/** Questions and answers on one socket. */
class Conversation {
  readonly #socket: WebSocket
  readonly #secret: string
  readonly #waiting: Array<() => void> = []
  readonly #underWay = new Map<string, (answer: JanusMessage) => void>()
  #number = 0

  constructor (socket: WebSocket, secret: string) {
    this.#socket = socket
    this.#secret = secret
    socket.on('message', (data) => this.#message(data))
  }

  /** Never settles when the socket is lost. */
  async ask (request: Record<string, unknown>): Promise<JanusMessage> {
    while (this.#underWay.size >= MAX_UNDER_WAY) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    const transaction = String(++this.#number)
    const answer = await new Promise<JanusMessage>((resolve) => {
      this.#underWay.set(transaction, resolve)
      const secret = this.#secret === '' ? {} : { admin_secret: this.#secret }
      this.#socket.send(JSON.stringify({ ...request, ...secret, transaction }), () => {})
    })
    if (answer.janus === 'error') throw faultOf(answer)
    return answer
  }

  #message (data: RawData): void {
    let message: unknown
    try {
      message = JSON.parse((data as Buffer).toString())
    } catch {
      return
    }
    if (!isObject(message) || typeof message.transaction !== 'string') return
    const answered = this.#underWay.get(message.transaction)
    this.#underWay.delete(message.transaction)
    answered?.(message as JanusMessage)
    this.#waiting.shift()?.()
  }
}
