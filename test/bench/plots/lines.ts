import { Picture, readable } from './svg.js'
import type { Role } from './svg.js'
import { drawable, linear, logarithmic } from './scale.js'
import type { Measured } from './scale.js'

export interface Line {
  name: string
  role: Role
  points: Array<Measured & { x: number }>
}

export interface LinePlot {
  title: string
  subtitle: string
  /** What the axes count; x is logarithmic. */
  xAxis: string
  yAxis: string
  lines: Line[]
  /** Where the figures come from. */
  source: string
}

const WIDTH = 820
const HEIGHT = 460
const LEFT = 66
const RIGHT = 150
const TOP = 100
const BOTTOM = 94
/** Between the names at the ends of the lines, and between ticks. Pixels. */
const NAME_STEP = 17
const TICK_STEP = 48

/** Lines over a logarithmic axis, each named at its end, with the least and the most that was measured. */
export function linesSvg ({ title, subtitle, xAxis, yAxis, lines, source }: LinePlot): string {
  const picture = new Picture(WIDTH, HEIGHT, title)
  const shown = lines.map(({ points, ...line }) => ({
    ...line, points: drawable(points).filter(({ x }) => Number.isFinite(x) && x > 0).sort((a, b) => a.x - b.x)
  })).filter(({ points }) => points.length > 0)
  const xScale = logarithmic(shown.flatMap(({ points }) => points.map(({ x }) => x)))
  const yScale = linear(shown.flatMap(({ points }) => points.map(({ max }) => max)))
  const x = (value: number): number => LEFT + 14 + xScale.at(value) * (WIDTH - LEFT - RIGHT - 28)
  const y = (value: number): number => HEIGHT - BOTTOM - yScale.at(value) * (HEIGHT - TOP - BOTTOM)

  picture.rect(0, 0, WIDTH, HEIGHT, 'background')
  picture.text(title, 20, 34, { size: 18, kind: 'strong', room: WIDTH - 40 })
  picture.text(subtitle, 20, 56, { size: 12.5, kind: 'muted', room: WIDTH - 40 })
  picture.text(yAxis, 20, 82, { kind: 'muted', room: WIDTH - 40 })
  for (const tick of yScale.ticks) {
    picture.line(LEFT, y(tick), WIDTH - RIGHT, y(tick), tick === 0 ? 'axis' : 'grid')
    picture.text(readable(tick), LEFT - 8, y(tick) + 4, { anchor: 'end', kind: 'muted', room: LEFT - 16 })
  }
  let free = -Infinity
  for (const tick of xScale.ticks) {
    if (x(tick) < free) continue
    free = x(tick) + TICK_STEP
    picture.line(x(tick), y(0), x(tick), y(0) + 5, 'axis')
    picture.text(readable(tick), x(tick), y(0) + 20, { anchor: 'middle', kind: 'muted', room: TICK_STEP })
  }
  picture.text(xAxis, (LEFT + WIDTH - RIGHT) / 2, y(0) + 42, { anchor: 'middle', kind: 'muted' })
  picture.text(source, 20, HEIGHT - 18, { size: 11, kind: 'muted', room: WIDTH - 40 })

  // Ours last, above the others.
  const inOrder = [...shown].sort((a, b) => Number(a.role === 'ours') - Number(b.role === 'ours'))
  for (const { role, points } of inOrder) {
    for (const { x: at, min, max } of points) {
      if (max === min) continue
      picture.line(x(at), y(min), x(at), y(max), 'whisker')
      for (const edge of [min, max]) picture.line(x(at) - 4, y(edge), x(at) + 4, y(edge), 'whisker')
    }
    picture.polyline(points.map(({ x: at, value }) => [x(at), y(value)]), role)
    for (const point of points) picture.circle(x(point.x), y(point.value), 4, role)
  }
  label(picture, shown, x, y)
  name(picture, shown, x, y)
  return picture.toString()
}

/** Each point's value, where the whiskers leave room; of many lines it would be a heap of numbers. */
function label (picture: Picture, lines: Line[], x: (value: number) => number, y: (value: number) => number): void {
  if (lines.length > 2) return
  for (const line of lines) {
    for (const point of line.points) {
      const other = lines.find((other) => other !== line)?.points.find((other) => other.x === point.x)
      const isAbove = other === undefined || point.value >= other.value
      picture.text(readable(point.value), x(point.x), isAbove ? y(point.max) - 9 : y(point.min) + 19, { anchor: 'middle', room: TICK_STEP, kind: line.role === 'ours' ? 'strong' : '' })
    }
  }
}

/** The lines' names beside their last points, from the top down, none over another. */
function name (picture: Picture, lines: Line[], x: (value: number) => number, y: (value: number) => number): void {
  let free = TOP
  const ends = lines.map(({ name, role, points }) => ({ name, role, end: points[points.length - 1]! })).sort((a, b) => y(a.end.value) - y(b.end.value))
  for (const { name, role, end } of ends) {
    const at = Math.max(free, y(end.value) + 4)
    free = at + NAME_STEP
    picture.text(name, x(end.x) + 14, at, { size: 13, kind: role === 'ours' ? 'strong' : '', room: RIGHT - 16 })
  }
}
