import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { Link, LinkError, fullJitter } from '../../lib/client/index.js'
import type { LinkOptions } from '../../lib/client/index.js'
import { ChaosClient } from './client.js'
import type { ClientOptions } from './client.js'
import { readEvent } from './events.js'

/** Beyond it, a link that cannot leave is dropped, in milliseconds: whether its session is gone is found out elsewhere. */
const LEAVE_MS = 5_000

/** A client with `trunkline/client`: its instance ends with `reset`, and with nothing else. */
export class SdkClient extends ChaosClient {
  readonly #link: Link
  #resumes = 0
  #awaySince = performance.now()

  constructor (options: ClientOptions) {
    super(options)
    const link = this.#link = new Link({
      url: `ws://127.0.0.1:${options.proxy.port}/signaling`,
      token: this.token,
      reconnect: fullJitter(50, 1_000),
      answerMs: 4_000,
      // Its types know more kinds of messages than a browser's socket has.
      WebSocket: WebSocket as unknown as NonNullable<LinkOptions['WebSocket']>
    })
    link.on('mediaEvent', (event) => this.instance?.heard.take(readEvent(event)))
    link.on('state', (_state, previous) => { if (previous === 'joined') this.#awaySince = performance.now() })
    link.on('joined', ({ peerId, resumed }) => {
      if (resumed) this.#resumes++
      if (this.instance !== null) this.instance.peerId = peerId
    })
    link.on('reset', () => {
      this.#over('reset', '')
      this.begin()
    })
    link.on('failed', ({ code, reason }) => this.#over('failed', `${code} ${reason}`))
  }

  get isIn (): boolean {
    return this.#link.state === 'joined'
  }

  get resumes (): number {
    return this.#resumes
  }

  start (): void {
    this.begin()
    this.#link.join()
  }

  async leave (): Promise<void> {
    const done = new AbortController()
    await Promise.race([this.#link.leave(), sleep(LEAVE_MS, undefined, { signal: done.signal }).catch(() => {})])
    done.abort()
  }

  destroy (): void {
    this.#link.destroy()
  }

  protected send (event: string | Uint8Array): boolean {
    try {
      this.#link.send(event)
      return true
    } catch (error) {
      if (error instanceof LinkError && error.code === 'TRK_LINK_FULL') return false
      throw error
    }
  }

  #over (how: 'reset' | 'failed', text: string): void {
    this.over({ how, cause: null, awayMs: performance.now() - this.#awaySince, text })
  }
}
