import type { Page } from 'playwright-core'
import type { Ticket } from './app-process.js'
import { launchBrowser } from './browser.js'
import type { BrowserProcess } from './browser.js'
import { distance } from './camera.js'
import type { Colour } from './camera.js'
import { until } from './until.js'

/** What has been decoded so far of what one tile plays. */
export interface Decoded {
  framesDecoded: number
  totalAudioEnergy: number
  totalSamplesReceived: number
}

/** What has happened to a call since `watch`. */
export interface Watched {
  /** Of the link. */
  state: string
  joins: Array<{ peerId: string, roomId: string, resumed: boolean }>
  resets: number
  failed: { code: number, reason: string } | null
  /** Of the link, in order. */
  states: string[]
  /** Interruptions that the person was shown as soon as they began. */
  shownAtOnce: number
  sameEndpoint: boolean
  /** SDP offers that were made. */
  offers: number
  descriptions: number
}

/** What the recording light has shown since some time: milliseconds since 1970. */
export interface Shown {
  at: number
  shown: string
}

/** How a recorded file has played. */
export interface Played {
  controls: boolean
  durationMs: number
  width: number
  /** That were decoded. */
  frames: number
  /** Where in the file it was, in seconds, in order. */
  times: number[]
  /** Of the last picture. */
  colour: Colour
  error: string | null
}

/** The encoder and the screen each round a little. */
export const SAME_COLOUR = 40

/** A person in the example's page: a browser of its own, with a camera that shows its colour. */
export class Caller {
  readonly name: string
  readonly colour: Colour
  readonly browser: BrowserProcess
  readonly page: Page
  #peerId = ''

  private constructor (name: string, colour: Colour, browser: BrowserProcess, page: Page) {
    this.name = name
    this.colour = colour
    this.browser = browser
    this.page = page
  }

  static async launch (name: string, colour: Colour): Promise<Caller> {
    const browser = await launchBrowser({ camera: colour })
    return new Caller(name, colour, browser, browser.page)
  }

  /** Another tab of the same browser. */
  async beside (name: string): Promise<Caller> {
    return new Caller(name, this.colour, this.browser, await this.browser.newPage())
  }

  /** Another tab of the same browser, for one who shows this ticket instead of being given one. */
  async tab (name: string, ticket: Ticket): Promise<Caller> {
    const page = await this.browser.newPage()
    await page.route('**/rooms/*/peers', (route) => {
      const url = new URL(ticket.url)
      url.host = new URL(route.request().url()).host
      return route.fulfill({ json: { ...ticket, url: url.href } })
    })
    return new Caller(name, this.colour, this.browser, page)
  }

  /** The one that the backend gave; another one after a reload. */
  get peerId (): string {
    return this.#peerId
  }

  async join (at: { url: string }, room: string, mode: 'relay' | 'direct' = 'relay'): Promise<void> {
    await this.tryToJoin(at, room, mode)
    await this.#joined()
  }

  async tryToJoin ({ url }: { url: string }, room: string, mode: 'relay' | 'direct'): Promise<void> {
    await this.page.goto(`${url}/?room=${room}&name=${this.name}&autojoin=1${mode === 'direct' ? '&mode=direct' : ''}`)
  }

  async reload (): Promise<void> {
    await this.page.reload()
    await this.#joined()
  }

  /** By the page's own data-state. */
  async state (): Promise<string> {
    return await this.page.evaluate<string>('probe.state()')
  }

  async tiles (): Promise<string[]> {
    return await this.page.evaluate<string[]>('probe.tiles()')
  }

  async decoded (peerId: string): Promise<Decoded> {
    return await this.page.evaluate<Decoded>(`probe.media(${JSON.stringify(peerId)})`)
  }

  /** From now on it is noted what the recording light shows. */
  async watchLight (): Promise<void> {
    await this.page.evaluate('probe.watchLight()')
  }

  async lights (): Promise<Shown[]> {
    return await this.page.evaluate<Shown[]>('probe.lights()')
  }

  /** Resolves when the recording light shows this; with when that began. */
  async sees (shown: string): Promise<number> {
    return await until(`${this.name} sees the light: ${shown}`, async () => {
      const last = (await this.lights()).at(-1)
      return last?.shown === shown && last.at
    })
  }

  /** The recorded files that the page offers, once they are so many. */
  async files (count: number): Promise<Array<{ id: string, text: string }>> {
    return await until(`${this.name} is offered ${count} files`, async () => {
      const files = await this.page.evaluate<Array<{ id: string, text: string }>>('probe.files()')
      return files.length >= count && files
    })
  }

  async play (id: string): Promise<Played> {
    return await this.page.evaluate<Played>(`probe.play(${JSON.stringify(id)})`)
  }

  /** Why the call is over, or never was, as the person is told. */
  async notice (): Promise<string> {
    return await until(`${this.name} is told why`, async () => await this.state() === 'lobby' && await this.page.evaluate<string | null>('probe.notice()'))
  }

  /** From now on everything is counted that happens to the call. */
  async watch (): Promise<void> {
    await this.page.evaluate('probe.watch()')
  }

  async watched (): Promise<Watched> {
    return await this.page.evaluate<Watched>('probe.watched()')
  }

  /** From now on it is measured for how long no new frame of the other is decoded. */
  async watchFrames ({ peerId }: Caller): Promise<void> {
    await this.page.evaluate(`probe.watchFrames(${JSON.stringify(peerId)})`)
  }

  /** The longest time without a new frame so far, in milliseconds. */
  async longestGap (): Promise<number> {
    return await this.page.evaluate<number>('probe.longestGap()')
  }

  /** From now on says a number to the others every so many milliseconds, each one more than the last, whatever becomes of the link. */
  async count (everyMs: number): Promise<void> {
    await this.page.evaluate(`probe.count(${everyMs})`)
  }

  /** @returns the last number */
  async stopCounting (): Promise<number> {
    return await this.page.evaluate<number>('probe.stopCounting()')
  }

  /** From now on keeps what another one counts. */
  async listen ({ peerId }: Caller): Promise<void> {
    await this.page.evaluate(`probe.listen(${JSON.stringify(peerId)})`)
  }

  async heard (): Promise<number[]> {
    return await this.page.evaluate<number[]>('probe.heard()')
  }

  /**
   * Resolves when the other's tile shows the other's colour, and both frames and sound of it go on being decoded.
   * @returns how much was decoded meanwhile
   */
  async seesAndHears (other: Caller, withinMs = 30_000): Promise<Decoded> {
    const { peerId, colour } = other
    const who = `${this.name} sees and hears ${other.name}`
    await until(`${who}: the tile is there, in its colour`, async () => {
      const shown = await this.page.evaluate<Colour | null>(`probe.colour(${JSON.stringify(peerId)})`)
      return shown !== null && distance(shown, colour) < SAME_COLOUR
    }, withinMs)
    const before = await this.decoded(peerId)
    return await until(`${who}: frames and sound go on`, async () => {
      const now = await this.decoded(peerId)
      const grown = {
        framesDecoded: now.framesDecoded - before.framesDecoded,
        totalAudioEnergy: now.totalAudioEnergy - before.totalAudioEnergy,
        totalSamplesReceived: now.totalSamplesReceived - before.totalSamplesReceived
      }
      return grown.framesDecoded >= 5 && grown.totalAudioEnergy > 0 && grown
    }, withinMs)
  }

  async #joined (): Promise<void> {
    await until(`${this.name} has joined`, async () => await this.state() === 'joined')
    this.#peerId = await this.page.evaluate<string>('probe.peerId()')
  }
}

/** Everybody of these sees and hears everybody else. */
export async function allSeeEachOther (callers: Caller[]): Promise<void> {
  for (const one of callers) {
    for (const other of callers) if (other !== one) await one.seesAndHears(other)
  }
}
