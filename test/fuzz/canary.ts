import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { Link } from '../../lib/client/index.js'
import type { LinkOptions } from '../../lib/client/index.js'
import { Reader, Writer } from '../../lib/protobuf.js'
import { fishjamAuth } from './corpus.js'
import type { Violations } from './watch.js'

export type CanaryKind = 'link' | 'plain' | 'fishjam'

/** How often each speaks, in milliseconds, when its last event has come back. */
const EVERY_MS = 5

/**
 * A client that does nothing wrong: its numbered events come back from the media server, each once and in order, whatever
 * others do.
 */
export class Canary {
  readonly name: string
  readonly #nonce: string
  readonly #violations: Violations
  #send: (text: string) => void = () => {}
  #leave: () => Promise<void> | void = () => {}
  #sent = 0
  #heard = 0
  #isOver = false

  private constructor (name: string, nonce: string, violations: Violations) {
    this.name = name
    this.#nonce = nonce
    this.#violations = violations
  }

  static async start (kind: CanaryKind, host: string, index: number, nonce: string, violations: Violations): Promise<Canary> {
    const name = `canary-${index}-${kind}-${nonce}`
    const canary = new Canary(name, nonce, violations)
    const token = JSON.stringify({ roomId: 'canaries', peerId: name })
    if (kind === 'link') await canary.#asLink(host, token)
    else await canary.#asSocket(kind, host, token)
    void canary.#speak()
    return canary
  }

  /** How many of its events have come back. */
  get heard (): number {
    return this.#heard
  }

  async stop (): Promise<void> {
    this.#isOver = true
    await this.#leave()
  }

  async #speak (): Promise<void> {
    while (!this.#isOver) {
      if (this.#sent === this.#heard) this.#send(`${this.#nonce} ${this.name} ${this.#sent++}`)
      await sleep(EVERY_MS)
    }
  }

  #hear (text: string): void {
    const wanted = `${this.#nonce} ${this.name} ${this.#heard}`
    if (text === wanted) this.#heard++
    else this.#violations.add(`${this.name} heard '${text.slice(0, 100)}' instead of '${wanted}'`)
  }

  #over (why: string): void {
    if (!this.#isOver) this.#violations.add(`${this.name} ${why}`)
  }

  async #asLink (host: string, token: string): Promise<void> {
    const link = new Link({
      url: `ws://${host}/signaling`,
      token,
      // Its types know more kinds of messages than a browser's socket has.
      WebSocket: WebSocket as unknown as NonNullable<LinkOptions['WebSocket']>
    })
    link.on('mediaEvent', (event) => this.#hear(event.toString()))
    link.on('reset', () => this.#over('has lost its session'))
    link.on('failed', ({ code, reason }) => this.#over(`was sent away: ${code} ${reason}`))
    this.#send = (text) => link.send(text)
    this.#leave = async () => await link.leave()
    const joined = new Promise<void>((resolve) => link.on('joined', () => resolve()))
    link.join()
    await joined
  }

  async #asSocket (kind: 'plain' | 'fishjam', host: string, token: string): Promise<void> {
    const socket = new WebSocket(kind === 'plain' ? `ws://${host}/signaling?token=${encodeURIComponent(token)}` : `ws://${host}/socket/peer/websocket`)
    socket.on('close', (code, reason) => this.#over(`was closed: ${code} ${reason.toString()}`))
    socket.on('error', () => {})
    await new Promise((resolve) => socket.once('open', resolve))
    if (kind === 'plain') {
      this.#send = (text) => socket.send(text)
      socket.on('message', (data) => this.#hear((data as Buffer).toString()))
    } else {
      socket.send(fishjamAuth(token).data)
      await new Promise((resolve) => socket.once('message', resolve))
      this.#send = (text) => socket.send(new Writer().bytes(3, new Writer().bytes(1, Buffer.from(text)).finish()).finish())
      socket.on('message', (data) => this.#hear(textOf(data as Buffer)))
    }
    this.#leave = () => socket.close()
  }
}

/** Of an envelope with a media event. */
function textOf (envelope: Buffer): string {
  const outer = new Reader(envelope)
  if (!outer.next() || outer.field !== 3) return `field ${outer.field}`
  const inner = outer.message()
  return inner.next() ? inner.string() : ''
}
