import type { Test } from 'tap'
import { SAME_COLOUR } from './caller.js'
import type { Caller } from './caller.js'
import { distance } from './camera.js'

export const ON = 'Recording (red)'
export const UNKNOWN = 'Recording? (grey)'
export const OFF = 'off'

/** What a file's duration may differ from what a page has seen of the light. */
const CLOSE_MS = 500
/** Of a camera that has fifteen a second, on a machine that has a lot to do. */
const MIN_FRAMES_PER_SECOND = 3

/** Between the light's first going on and its last going off, by the page's own clock. */
export async function recordedMs (caller: Caller): Promise<number> {
  const lights = await caller.lights()
  const on = lights.find(({ shown }) => shown === ON)!
  const off = lights.at(-1)!
  if (off.shown !== OFF) throw new Error(`the light is still ${off.shown}`)
  return off.at - on.at
}

/** Each of these is in one file, which this one can play in the page, of the right length and with the right camera in it. */
export async function playsAll (t: Test, viewer: Caller, recorded: Caller[]): Promise<void> {
  const expectedMs = await recordedMs(viewer)
  const files = await viewer.files(recorded.length)
  for (const { name, colour } of recorded) {
    const file = files.find(({ text }) => text.startsWith(`${name} ·`))
    if (file === undefined) {
      t.fail(`no file of ${name} among ${JSON.stringify(files)}`)
      continue
    }
    const { controls, durationMs, width, frames, times, colour: shown, error } = await viewer.play(file.id)
    t.equal(error, null, `${viewer.name} plays the file of ${name}`)
    t.ok(controls && width > 0, 'with controls and a picture')
    t.ok(Math.abs(durationMs - expectedMs) <= CLOSE_MS, `it says that it is ${durationMs} ms long, and the light was on for ${Math.round(expectedMs)} ms`)
    t.ok(times.length > 1 && times.every((time, index) => index === 0 || time >= times[index - 1]!) && times.at(-1)! * 1_000 > durationMs - CLOSE_MS, 'it plays to its end')
    t.ok(frames > MIN_FRAMES_PER_SECOND * durationMs / 1_000, `${frames} frames are decoded`)
    t.ok(distance(shown, colour) < SAME_COLOUR, `in the colour of ${name}'s camera: ${shown.join()}`)
  }
}
