import { Picture, readable, textWidth } from './svg.js'
import type { Role } from './svg.js'
import { drawable, linear } from './scale.js'
import type { Measured } from './scale.js'

export interface Bar extends Measured {
  name: string
  role: Role
}

export interface BarPlot {
  title: string
  /** What a bar is, and of what. */
  subtitle: string
  /** What the axis counts. */
  axis: string
  groups: Array<{ title: string, bars: Bar[] }>
  /** Where the figures come from. */
  source: string
}

const WIDTH = 820
const LEFT = 170
const RIGHT = 76
const TOP = 84
const BAR = 16
const STEP = 23
const GROUP_HEAD = 26
const GROUP_GAP = 14
const BOTTOM = 78

/** Bars below each other, in groups, with whiskers from the least to the most that was measured. */
export function barsSvg ({ title, subtitle, axis, groups, source }: BarPlot): string {
  const shown = groups.map(({ title, bars }) => ({ title, bars: drawable(bars) }))
  const rows = shown.reduce((sum, { bars }) => sum + GROUP_HEAD + GROUP_GAP + STEP * bars.length, 0)
  const picture = new Picture(WIDTH, TOP + rows + BOTTOM, title)
  const scale = linear(shown.flatMap(({ bars }) => bars.map(({ max }) => max)))
  const x = (value: number): number => LEFT + scale.at(value) * (WIDTH - LEFT - RIGHT)
  const end = TOP + rows

  picture.rect(0, 0, picture.width, picture.height, 'background')
  picture.text(title, 20, 34, { size: 18, kind: 'strong', room: WIDTH - 40 })
  picture.text(subtitle, 20, 56, { size: 12.5, kind: 'muted', room: WIDTH - 40 })
  for (const tick of scale.ticks) {
    picture.line(x(tick), TOP - 8, x(tick), end, tick === 0 ? 'axis' : 'grid')
    picture.text(readable(tick), x(tick), end + 18, { anchor: 'middle', kind: 'muted' })
  }
  picture.text(axis, LEFT, end + 40, { kind: 'muted', room: WIDTH - LEFT - 20 })
  picture.text(source, 20, end + 64, { size: 11, kind: 'muted', room: WIDTH - 40 })

  let y = TOP
  for (const group of shown) {
    picture.text(group.title, 20, y + 16, { size: 13, kind: 'strong', room: WIDTH - 40 })
    y += GROUP_HEAD
    for (const { name, role, value, min, max } of group.bars) {
      const middle = y + BAR / 2
      picture.text(name, LEFT - 10, middle + 4, { anchor: 'end', room: LEFT - 30, kind: role === 'ours' ? 'strong' : '' })
      picture.rect(LEFT, y, x(value) - LEFT, BAR, role)
      if (max > min) {
        picture.line(x(min), middle, x(max), middle, 'whisker')
        for (const edge of [min, max]) picture.line(x(edge), middle - 4, x(edge), middle + 4, 'whisker')
      }
      const label = readable(value)
      picture.text(label, Math.min(x(max) + 7, WIDTH - 12 - textWidth(label, 12)), middle + 4, { kind: role === 'ours' ? 'strong' : '' })
      y += STEP
    }
    y += GROUP_GAP
  }
  return picture.toString()
}
