import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Red, green and blue, 0 to 255. */
export type Colour = readonly [number, number, number]

const WIDTH = 320
const HEIGHT = 180
const FRAMES_PER_SECOND = 15
/** The file is played over and over. */
const FRAMES = 2

/** A file in the format that Chromium takes for a camera (YUV4MPEG2), showing nothing but one colour. */
export async function colourCamera (colour: Colour): Promise<{ path: string, remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'trunkline-camera-'))
  const path = join(folder, 'camera.y4m')
  const [y, u, v] = toYuv(colour)
  const frame = Buffer.concat([
    Buffer.from('FRAME\n'),
    Buffer.alloc(WIDTH * HEIGHT, y), Buffer.alloc(WIDTH * HEIGHT / 4, u), Buffer.alloc(WIDTH * HEIGHT / 4, v)
  ])
  const header = Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F${FRAMES_PER_SECOND}:1 Ip A1:1 C420jpeg\n`)
  await writeFile(path, Buffer.concat([header, ...Array<Buffer>(FRAMES).fill(frame)]))
  return { path, remove: () => rm(folder, { recursive: true, force: true }) }
}

/** BT.601, studio range. */
function toYuv ([r, g, b]: Colour): [number, number, number] {
  return [
    Math.round(16 + 0.257 * r + 0.504 * g + 0.098 * b),
    Math.round(128 - 0.148 * r - 0.291 * g + 0.439 * b),
    Math.round(128 + 0.439 * r - 0.368 * g - 0.071 * b)
  ]
}

/** How far apart two colours are, 0 to 441. */
export function distance (one: Colour, other: Colour): number {
  return Math.hypot(...one.map((value, index) => value - other[index]!))
}
