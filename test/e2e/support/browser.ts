import { readFileSync } from 'node:fs'
import { chromium as playwright } from 'playwright-core'
import type { Browser, Page } from 'playwright-core'
import { chromium } from '../../setup/chromium.js'
import { colourCamera } from './camera.js'
import type { Colour } from './camera.js'
import { processTree } from './proc.js'
import { sourceOf } from './source.js'

export interface BrowserProcess {
  readonly pid: number
  readonly page: Page
  readonly browser: Browser
  /** Another tab, with the probe as well. */
  newPage (): Promise<Page>
  /** SIGKILL to the browser and to every process of it. */
  kill (): void
  close (): Promise<void>
}

export interface BrowserOptions {
  /** What its camera shows; without one it has neither camera nor microphone. */
  camera?: Colour
  args?: string[]
}

const ARGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--allow-loopback-in-peer-connection',
  '--autoplay-policy=no-user-gesture-required'
]

/** A browser of its own, as a process of its own, with one page that has the probe of `pages/probe.js`. */
export async function launchBrowser ({ camera, args = [] }: BrowserOptions = {}): Promise<BrowserProcess> {
  const executablePath = chromium()
  if (executablePath === null) throw new Error('there is no Chromium')
  const file = camera === undefined ? null : await colourCamera(camera)
  const devices = file === null
    ? []
    : ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream', `--use-file-for-fake-video-capture=${file.path}`]
  const server = await playwright.launchServer({ executablePath, args: [...ARGS, ...devices, ...args], headless: true, handleSIGINT: false })
  const browser = await playwright.connect(server.wsEndpoint())
  const pid = server.process().pid!
  const newPage = async (): Promise<Page> => {
    const page = await browser.newPage()
    await page.addInitScript(readFileSync(sourceOf('test/e2e/pages/probe.js'), 'utf8'))
    return page
  }
  return {
    pid,
    page: await newPage(),
    browser,
    newPage,
    kill () {
      for (const each of processTree(pid)) {
        try {
          process.kill(each.pid, 'SIGKILL')
        } catch {
          // Some follow the first by themselves.
        }
      }
    },
    async close () {
      await browser.close().catch(() => {})
      await server.close().catch(() => {})
      await file?.remove()
    }
  }
}
