import type { Page } from 'playwright-core'
import type { BrowserProcess } from '../../e2e/support/browser.js'
import { until } from '../../e2e/support/until.js'
import { ROOM } from './janus-config.js'

/** What has happened to a page since it was opened. */
export interface CallerState {
  /** Sessions that were created. */
  sessions: number
  /** How often janus.js has said that the connection is lost. */
  lost: number
  /** How often its `reconnect` has worked. */
  reconnects: number
  offers: number
  descriptions: number
  /** Null while there is none. */
  sessionId: number | null
  handles: string[]
  errors: string[]
}

/** What a plugin has said to one of the page's handles. */
export interface Heard {
  handle: string
  message: Record<string, any>
}

export interface RoomOptions {
  room?: number | string
  publishes?: boolean
  /** Subscribes to whoever publishes. */
  watches?: boolean
}

const FEW_FRAMES = 5

/** A person in a page of `JanusApp`, with janus.js: a tab of a browser. */
export class JanusCaller {
  readonly name: string
  readonly page: Page

  private constructor (name: string, page: Page) {
    this.name = name
    this.page = page
  }

  /** Resolves when it has a session. @param url of the app, or of a way to it */
  static async open (browser: BrowserProcess, { url }: { url: string }, name: string): Promise<JanusCaller> {
    const page = await browser.newPage()
    await page.goto(url)
    const caller = new JanusCaller(name, page)
    await caller.#call('connect', `${url.replace('http', 'ws')}/janus`, name)
    await until(`${name} has a session`, async () => (await caller.state()).sessionId !== null)
    return caller
  }

  /** Joins a VideoRoom, now and in each session to come. */
  async enterRoom ({ room = ROOM.id, publishes = false, watches = false }: RoomOptions): Promise<void> {
    await this.#call('enterRoom', { room, publishes, watches })
    await until(`${this.name} is in the room`, async () => (await this.heard('room')).some(({ videoroom }) => videoroom === 'joined'))
  }

  async publish (room: RoomOptions = {}): Promise<void> {
    await this.enterRoom({ ...room, publishes: true })
    await until(`${this.name} publishes`, async () => (await this.heard('room')).some(({ configured }) => configured === 'ok'))
  }

  async subscribe (room: RoomOptions = {}): Promise<void> {
    await this.enterRoom({ ...room, watches: true })
  }

  /** Sends its camera to EchoTest, under the name `echo`. */
  async enterEcho (): Promise<void> {
    await this.#call('enterEcho')
  }

  /** Of those whom it sees, by the name of the handle (`feed <id>`, `echo`): frames that were decoded so far. */
  async framesByHandle (): Promise<Record<string, number>> {
    return await this.#call('frames')
  }

  /** Of the one whom it sees. */
  async frames (): Promise<number> {
    return Object.values(await this.framesByHandle()).reduce((sum, each) => sum + each, 0)
  }

  /** The name of the handle by which it sees somebody, once it does; frames of it are decoded, and shown, from then on. */
  async sees (fits: (name: string) => boolean = (name) => name !== 'room', withinMs = 30_000): Promise<string> {
    const before = await this.framesByHandle()
    return await until(`${this.name} sees somebody`, async () => {
      const seen = Object.entries(await this.framesByHandle()).find(([name, frames]) => fits(name) && frames - (before[name] ?? 0) >= FEW_FRAMES)
      return seen !== undefined && await this.#call<number>('sees', seen[0]) >= FEW_FRAMES && seen[0]
    }, withinMs)
  }

  /** From now on it is measured for how long no new frame comes by this handle. */
  async watchFrames (name: string): Promise<void> {
    await this.#call('watchFrames', name)
  }

  /** The longest time without a new frame so far, in milliseconds. */
  async longestGap (): Promise<number> {
    return await this.#call('longestGap')
  }

  /** Says something to the plugin; `answer` has what is answered. */
  async ask (key: string, message: Record<string, unknown>, handle = 'room'): Promise<void> {
    await this.#call('ask', key, message, handle)
  }

  /** Undefined: none has come yet. */
  async answer (key: string): Promise<{ data?: Record<string, any> | null, error?: string } | undefined> {
    return (await this.#call<Record<string, { data: null }>>('answers'))[key]
  }

  async answered (key: string): Promise<{ data?: Record<string, any> | null, error?: string }> {
    return await until(`${this.name} has an answer to ${key}`, () => this.answer(key))
  }

  /** What was said to one handle, in order. */
  async heard (handle: string): Promise<Array<Record<string, any>>> {
    return (await this.#call<Heard[]>('heard')).filter((each) => each.handle === handle).map(({ message }) => message)
  }

  async state (): Promise<CallerState> {
    return await this.#call('state')
  }

  async close (): Promise<void> {
    await this.page.close()
  }

  async #call<T> (method: string, ...args: unknown[]): Promise<T> {
    return await this.page.evaluate<T>(`janusPage.${method}(${args.map((arg) => JSON.stringify(arg)).join()})`)
  }
}
