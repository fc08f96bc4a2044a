import type { AppProcess } from './app-process.js'
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

/** The encoder and the screen each round a little. */
const SAME_COLOUR = 40

/** A person in the example's page: a browser of its own, with a camera that shows its colour. */
export class Caller {
  readonly name: string
  readonly colour: Colour
  readonly browser: BrowserProcess
  #peerId = ''

  private constructor (name: string, colour: Colour, browser: BrowserProcess) {
    this.name = name
    this.colour = colour
    this.browser = browser
  }

  static async launch (name: string, colour: Colour): Promise<Caller> {
    return new Caller(name, colour, await launchBrowser({ camera: colour }))
  }

  /** The one that the backend gave; another one after a reload. */
  get peerId (): string {
    return this.#peerId
  }

  async join (app: AppProcess, room: string): Promise<void> {
    await this.browser.page.goto(`${app.url}/?room=${room}&name=${this.name}&autojoin=1`)
    await this.#joined()
  }

  async reload (): Promise<void> {
    await this.browser.page.reload()
    await this.#joined()
  }

  /** By the page's own data-state. */
  async state (): Promise<string> {
    return await this.browser.page.evaluate<string>('probe.state()')
  }

  async tiles (): Promise<string[]> {
    return await this.browser.page.evaluate<string[]>('probe.tiles()')
  }

  async decoded (peerId: string): Promise<Decoded> {
    return await this.browser.page.evaluate<Decoded>(`probe.media(${JSON.stringify(peerId)})`)
  }

  /**
   * Resolves when the other's tile shows the other's colour, and both frames and sound of it go on being decoded.
   * @returns how much was decoded meanwhile
   */
  async seesAndHears (other: Caller, withinMs = 30_000): Promise<Decoded> {
    const { peerId, colour } = other
    const who = `${this.name} sees and hears ${other.name}`
    await until(`${who}: the tile is there, in its colour`, async () => {
      const shown = await this.browser.page.evaluate<Colour | null>(`probe.colour(${JSON.stringify(peerId)})`)
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
    this.#peerId = await this.browser.page.evaluate<string>('probe.peerId()')
  }
}

/** Everybody of these sees and hears everybody else. */
export async function allSeeEachOther (callers: Caller[]): Promise<void> {
  for (const one of callers) {
    for (const other of callers) if (other !== one) await one.seesAndHears(other)
  }
}
