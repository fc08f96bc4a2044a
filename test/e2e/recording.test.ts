import t from 'tap'
import { withoutChromium } from '../setup/chromium.js'
import { Caller, allSeeEachOther } from './support/caller.js'
import type { Shown } from './support/caller.js'
import { ChaosStack } from './support/chaos-stack.js'
import { OFF, ON, UNKNOWN, playsAll } from './support/recordings.js'
import { until } from './support/until.js'

t.test('what one has recorded, all see and can play', { skip: withoutChromium() }, async (t) => {
  const stack = await ChaosStack.start()
  t.teardown(() => stack.stop())
  const callers = await Promise.all([Caller.launch('Red', [200, 50, 40]), Caller.launch('Blue', [50, 80, 200])])
  t.teardown(() => Promise.all(callers.map(({ browser }) => browser.close())))
  const [red, blue] = callers as [Caller, Caller]
  const way = await stack.way()
  for (const caller of callers) {
    await caller.join(way, 'call')
    await caller.watchLight()
    await caller.sees(OFF)
  }
  await allSeeEachOther(callers)

  /** Begins and ends of what was done, in milliseconds since 1970. */
  const harms: Array<[number, number]> = []
  const startedAt = Date.now()
  await red.page.click('#record')
  for (const caller of callers) await caller.sees(ON)
  t.match(await blue.page.textContent('#record'), /Stop recording/, 'the other one can stop it')

  const late = await blue.beside('Late')
  await late.join(way, 'call')
  await late.watchLight()
  await late.sees(ON)
  t.same((await late.lights()).map(({ shown }) => shown), [ON], 'one who comes later sees it at once')
  await red.seesAndHears(late)
  await late.page.close()
  await until('it is gone', async () => (await red.tiles()).length === 1)

  for (const [what, harm] of [['trunk', () => stack.trunk.cut()], ['links', () => way.proxy.cut()]] as const) {
    const before = await Promise.all(callers.map(async (caller) => (await caller.lights()).length))
    const harmedAt = Date.now()
    await harm()
    for (const [index, caller] of callers.entries()) {
      await until(`${caller.name} knows again after the ${what} were lost`, async () => {
        const lights = await caller.lights()
        return lights.length >= before[index]! + 2 && lights.at(-1)!.shown === ON
      })
    }
    harms.push([harmedAt, Date.now()])
  }

  const stoppedAt = Date.now()
  await blue.page.click('#record')
  for (const caller of callers) await caller.sees(OFF)
  t.match(await red.page.textContent('#record'), /Record$/, 'it can be started again')

  for (const caller of callers) {
    const lights = await caller.lights()
    t.comment(`${caller.name} has seen ${say(lights, startedAt)}`)
    t.same(lights.map(({ shown }) => shown), [OFF, ON, UNKNOWN, ON, UNKNOWN, ON, OFF], `${caller.name} has seen nothing else`)
    t.ok(lights.find(({ shown }) => shown === ON)!.at >= startedAt, 'the light was on no sooner')
    t.ok(lights.at(-1)!.at >= stoppedAt, 'nor off')
    for (const [index, { at, shown }] of lights.entries()) {
      if (shown !== UNKNOWN) continue
      const until = lights[index + 1]!.at
      t.ok(harms.some(([from, to]) => at >= from && until <= to), `${caller.name} did not know for ${Math.round(until - at)} ms, and while something was lost`)
    }
  }

  await t.test('each file plays in the page', async (t) => {
    // That of the one who came later is another: it is shorter.
    for (const caller of callers) {
      const files = await caller.files(3)
      t.same(files.map(({ text }) => text.split(' · ')[0]).sort(), ['Blue', 'Late', 'Red'], `${caller.name} is told who is in them`)
    }
    await Promise.all(callers.map(async (caller) => await playsAll(t, caller, callers)))
  })

  await t.test('another recording is another file', async (t) => {
    await red.page.click('#record')
    await red.sees(ON)
    await red.page.click('#record')
    await red.sees(OFF)
    await red.files(5)
    t.pass('it is offered beside the others')
  })

  await Promise.all(callers.map(({ browser }) => browser.close()))
  t.equal(await stack.stop(), 0, 'the backend ends in good order')
})

function say (lights: Shown[], from: number): string {
  return lights.map(({ at, shown }) => `${shown} at ${Math.round(at - from)} ms`).join(', ')
}
