import { Link } from '../../lib/client/link.js'
import type { Network } from '../../lib/client/options.js'
import { CloseCode } from '../../lib/close-codes.js'
import { LinkError } from '../../lib/client/errors.js'
import { LINK_SUBPROTOCOL } from '../../lib/session/messages.js'
import { Client } from './client.js'
import type { Excuse } from './client.js'
import { ANSWER_MS, WINDOW_MS } from './setup.js'
import { pageSockets } from './sockets.js'

type Observer = Parameters<Network['watch']>[0]

/** What may have led to a close code that is for good. */
const EXCUSES: Partial<Record<number, Excuse[]>> = {
  [CloseCode.replaced]: ['taken over'],
  [CloseCode.removed]: ['kicked'],
  [CloseCode.internalError]: ['hook failed'],
  [CloseCode.joinTimeout]: ['frozen'],
  [CloseCode.notAuthenticated]: ['expired']
}

const RESETS: Excuse[] = ['server restart', 'taken over', 'kicked', 'expired', 'hook failed']

/** A page with the shipped SDK. */
export class SdkClient extends Client {
  readonly #observers = new Set<Observer>()
  #link: Link | null = null

  get isJoined (): boolean {
    return this.#link?.state === 'joined'
  }

  get isOver (): boolean {
    return this.#link === null || this.#link.state === 'failed' || this.#link.state === 'leaved'
  }

  get peerId (): string | null {
    return this.#link?.peerId ?? null
  }

  /** Joins; a page whose link has failed is loaded anew. */
  start (): void {
    if (!this.isOver) return
    if (this.#link?.state !== 'leaved') {
      this.excuses.clear()
      this.since = this.world.now
      this.#link = this.#make()
    }
    this.#link.join()
  }

  send (events: number): void {
    if (this.#link === null || this.#link.state === 'failed') return
    for (let i = 0; i < events; i++) {
      const { event, sent } = this.newEvent()
      try {
        this.#link.send(event)
      } catch (error) {
        if (!(error instanceof LinkError)) throw error
        this.world.report.count('full')
        return
      }
      sent()
      this.world.report.count('events up')
    }
  }

  leave (): void {
    void this.#link?.leave()
  }

  setOnline (online: boolean): void {
    this.online = online
    for (const observer of [...this.#observers]) online ? observer.online() : observer.offline()
  }

  /** The page is looked at again. */
  look (): void {
    for (const observer of [...this.#observers]) observer.visible()
  }

  #make (): Link {
    const { world } = this
    const online = (): boolean => this.online
    const link = new Link({
      url: 'ws://backend/signaling',
      token: async () => {
        if (world.random.chance(0.3)) await world.later.wait(this, 'a token')
        return this.token()
      },
      reconnect: { delayMs: (attempt) => Math.floor(world.random.next() * Math.min(3_000, 100 * 2 ** attempt)) },
      answerMs: ANSWER_MS,
      tokenMs: ANSWER_MS,
      WebSocket: pageSockets(() => world.dialLink(this, [LINK_SUBPROTOCOL], '')),
      network: {
        get online () { return online() },
        watch: (observer) => {
          this.#observers.add(observer)
          return () => this.#observers.delete(observer)
        }
      },
      clock: this.clock
    })
    link.on('mediaEvent', (event) => this.incoming.take(event))
    link.on('state', (state) => {
      this.note(state)
      if (state === 'leaved') this.begin()
    })
    link.on('joined', ({ resumed }) => this.#joined(resumed))
    link.on('reset', () => this.#reset())
    link.on('failed', ({ code, reason }) => this.#failed(code, reason))
    return link
  }

  #joined (resumed: boolean): void {
    this.note(resumed ? 'joined again' : 'joined anew')
    this.world.report.count(resumed ? 'resumes' : 'joins')
    if (!resumed) this.forgive()
    if (this.world.random.chance(0.3)) this.send(1)
  }

  #reset (): void {
    const away = this.world.now - this.lastHealthy
    const why = RESETS.find((why) => this.excuses.has(why)) ?? (away >= WINDOW_MS ? 'window' : null)
    this.note(`reset (${why ?? 'for no reason'})`)
    if (why === null) this.world.report.violation('needless reset', `${this.name} lost its session ${away} ms after it was last well`)
    else this.world.report.count(`reset: ${why}`)
    this.begin()
  }

  #failed (code: number, reason: string): void {
    if (this.connection?.harmed === true) this.excuse('frozen')
    if (this.world.setup.tokenMs > 0) this.excuse('expired')
    // A backend whose trunk is broken, and does not know yet, cannot hear who came last.
    if (this.world.hasRival(this) || (this.identity !== null && this.backend?.isSound === false)) this.excuse('taken over')
    const excuse = EXCUSES[code]?.find((why) => this.excuses.has(why))
    this.note(`failed ${code} ${reason}`)
    if (excuse === undefined) this.world.report.violation('wrong failure', `${this.name} failed with ${code} ${reason}`)
    else this.world.report.count(`failed: ${excuse}`)
    this.begin()
  }
}
