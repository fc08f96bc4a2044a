/** Just enough SVG for a plot: everything that is drawn is inside the picture, whatever it is given. */

export type Anchor = 'start' | 'middle' | 'end'

/** Who a shape belongs to: what the plot is about, or what it is compared with. */
export type Role = 'ours' | 'other'

/** What no text comes nearer to than this: the edge of the picture. Pixels. */
const EDGE = 8

const STYLE = `
  text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif; font-variant-numeric: tabular-nums; fill: #1f2328 }
  .muted { fill: #59636e }
  .strong { font-weight: 600 }
  .background { fill: #ffffff }
  .grid { stroke: #d1d9e0; stroke-width: 1 }
  .axis { stroke: #818b98; stroke-width: 1 }
  .ours { fill: #0969da } .other { fill: #9aa4b0 }
  .line { fill: none; stroke-width: 2.5; stroke-linejoin: round } .line.ours { stroke: #0969da } .line.other { stroke: #818b98 }
  .whisker { stroke: #1f2328; stroke-width: 1.25; opacity: 0.75 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .muted { fill: #9198a1 }
    .background { fill: #0d1117 }
    .grid { stroke: #2a313c }
    .axis { stroke: #656c76 }
    .ours { fill: #4493f8 } .other { fill: #656c76 }
    .line.ours { stroke: #4493f8 } .line.other { stroke: #818b98 }
    .whisker { stroke: #f0f6fc }
  }`

/** A picture that grows by what is drawn on it. */
export class Picture {
  readonly width: number
  readonly height: number
  readonly #title: string
  readonly #shapes: string[] = []

  constructor (width: number, height: number, title: string) {
    this.width = width
    this.height = height
    this.#title = title
  }

  rect (x: number, y: number, width: number, height: number, role: Role | 'background'): void {
    this.#shapes.push(`<rect class="${role}" x="${px(x)}" y="${px(y)}" width="${px(width)}" height="${px(height)}"${role === 'background' ? '' : ' rx="2"'}/>`)
  }

  line (x1: number, y1: number, x2: number, y2: number, kind: 'grid' | 'axis' | 'whisker'): void {
    this.#shapes.push(`<line class="${kind}" x1="${px(x1)}" y1="${px(y1)}" x2="${px(x2)}" y2="${px(y2)}"/>`)
  }

  polyline (points: Array<[x: number, y: number]>, role: Role): void {
    this.#shapes.push(`<polyline class="line ${role}" points="${points.map(([x, y]) => `${px(x)},${px(y)}`).join(' ')}"/>`)
  }

  circle (x: number, y: number, r: number, role: Role): void {
    this.#shapes.push(`<circle class="${role}" cx="${px(x)}" cy="${px(y)}" r="${px(r)}"/>`)
  }

  /** One line of text, as much of it as there is room for; moved where it would reach over the edge. `y` is its base line. */
  text (text: string, x: number, y: number, { size = 12, anchor = 'start', kind = '', room = this.width - 2 * EDGE }: { size?: number, anchor?: Anchor, kind?: string, room?: number } = {}): void {
    const shown = fit(text, size, Math.min(room, this.width - 2 * EDGE))
    const width = textWidth(shown, size)
    const before = anchor === 'start' ? 0 : anchor === 'middle' ? width / 2 : width
    const left = clamp(x - before, EDGE, this.width - EDGE - width)
    const base = clamp(y, EDGE + size, this.height - EDGE)
    this.#shapes.push(`<text${kind === '' ? '' : ` class="${kind}"`} x="${px(left + before)}" y="${px(base)}" font-size="${px(size)}"${anchor === 'start' ? '' : ` text-anchor="${anchor}"`}>${escape(shown)}</text>`)
  }

  toString (): string {
    const title = escape(this.#title)
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${px(this.width)} ${px(this.height)}" width="${px(this.width)}" height="${px(this.height)}" role="img" aria-label="${title}">`,
      `<title>${title}</title>`,
      `<style>${STYLE}\n</style>`,
      ...this.#shapes,
      '</svg>',
      ''
    ].join('\n')
  }
}

/** About how wide a text is, rather too wide: who looks at it has fonts that nobody knows here. */
export function textWidth (text: string, size: number): number {
  let ems = 0
  for (const character of text) ems += character > '\u024f' ? 1.1 : /[A-Zmw@%]/.test(character) ? 0.82 : /[ .,:;'|il]/.test(character) ? 0.32 : 0.58
  return ems * size
}

/** A number as people read it: three digits that count, thousands apart. */
export function readable (value: number): string {
  const size = Math.abs(value)
  if (size >= 1e7 || (size > 0 && size < 0.001)) return value.toPrecision(3)
  if (size >= 100) return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ' ')
  return String(Number(value.toPrecision(3)))
}

/** As much of it as fits, with an ellipsis for the rest. */
function fit (text: string, size: number, room: number): string {
  // What XML cannot say at all, not even escaped.
  const clean = text.replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '')
  if (textWidth(clean, size) <= room) return clean
  let kept = ''
  for (const character of clean) {
    if (textWidth(kept + character + '…', size) > room) break
    kept += character
  }
  return kept + '…'
}

function escape (text: string): string {
  const clean = fit(text, 0, 0)
  return clean.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}

function clamp (value: number, least: number, most: number): number {
  return Math.max(least, Math.min(value, most))
}

function px (value: number): string {
  return String(Math.round(value * 100) / 100)
}
