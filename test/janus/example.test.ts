import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import t from 'tap'
import { launchBrowser } from '../e2e/support/browser.js'
import { isAlive, tcpSockets, udpSockets } from '../e2e/support/proc.js'
import { until } from '../e2e/support/until.js'
import { withoutChromium } from '../setup/chromium.js'
import { withoutJanus } from '../setup/janus.js'
import { ExampleProcess, runExample } from './support/example-process.js'

const FEW_FRAMES = 5
/** Janus is started again after a second. Windows that went on asking it for their sessions would need longer. */
const BACK_MS = 7_000

const FRAMES = "[...document.querySelectorAll('#tiles li')].map((li) => [li.innerText, li.querySelector('video').getVideoPlaybackQuality().totalVideoFrames])"

/** Resolves when frames of both tiles go on. */
async function sees (page: Page, names: string[], withinMs?: number): Promise<void> {
  let before: Map<string, number> | null = null
  await until(`a window shows ${names.join(' and ')}`, async () => {
    const tiles = await page.evaluate<Array<[string, number]>>(FRAMES)
    const now = new Map(tiles)
    // Also where somebody is there twice.
    if (tiles.map(([name]) => name).sort().join() !== [...names].sort().join()) before = null
    else before ??= now
    return before !== null && names.every((name) => now.get(name)! - before!.get(name)! >= FEW_FRAMES)
  }, withinMs)
}

t.test('two windows see each other', { skip: withoutChromium() || withoutJanus() }, async (t) => {
  const example = await ExampleProcess.start()
  t.teardown(() => example.stop())
  const browser = await launchBrowser({ camera: [40, 40, 200] })
  t.teardown(() => browser.close())
  const open = async (name: string): Promise<Page> => {
    const page = await browser.newPage()
    await page.goto(`${example.url}/?name=${name}&autojoin=1`)
    return page
  }
  const [ada, ben] = [await open('Ada'), await open('Ben')]
  await sees(ada, ['Ada (you)', 'Ben'])
  await sees(ben, ['Ben (you)', 'Ada'])
  t.same(await example.health(), { trunk: 'up', trunks: 1, peers: 2 })
  const pid = await example.janusPid()
  const sockets = [...tcpSockets(pid), ...udpSockets(pid)]
  t.equal(sockets.filter(({ state, localPort }) => state === 'established' && tcpSockets(pid).some((each) => each.state === 'listening' && each.localPort === localPort)).length, 1, 'one connection to Janus')
  t.same(sockets.filter(({ localAddress }) => localAddress !== '127.0.0.1'), [], 'on loopback alone')

  process.kill(pid, 'SIGKILL')
  await until('there is another Janus', async () => await example.janusPid() !== pid)
  await sees(ada, ['Ada (you)', 'Ben'], BACK_MS)
  await sees(ben, ['Ben (you)', 'Ada'], BACK_MS)
  t.equal(await ada.evaluate('document.body.dataset.state'), 'joined')
  t.match(await example.health(), { trunk: 'up', trunks: 1, peers: 2 }, 'and they are no more than they were')

  await ben.close()
  await until('Ada is told that Ben is gone', async () => await ada.evaluate("document.querySelectorAll('#tiles li').length") === 1)
  const last = await example.janusPid()
  t.equal(await example.stop(), 0, 'it ends in good order')
  t.notOk(isAlive(last), 'and Janus with it')
})

t.test('without a Janus it says how to get one', async (t) => {
  const empty = mkdtempSync(join(tmpdir(), 'trunkline-empty-'))
  t.teardown(() => rmSync(empty, { recursive: true }))
  const { code, out, error } = await runExample({ PATH: empty })
  t.equal(code, 1)
  t.equal(out, '')
  t.equal(error.match(/^ *sudo apt-get install .*\bjanus$/gm)?.length, 1)
  t.equal(error.match(/apt-get/g)?.length, 1)
})
