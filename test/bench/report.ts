/** One number that somebody may hold us to. */
export interface Figure {
  name: string
  value: number
  unit: string
  wanted: string
  pass: boolean
}

export interface Spread {
  median: number
  min: number
  max: number
}

export function spread (values: number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const median = (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2
  return { median, min: sorted[0]!, max: sorted[sorted.length - 1]! }
}

export function range ({ median, min, max }: Spread, digits: number): string {
  return `${median.toFixed(digits)} [${min.toFixed(digits)} - ${max.toFixed(digits)}]`
}

/** @param rows as many cells in each */
export function layOut (title: string, rows: string[][]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)))
  const lines = rows.map((row) => '  ' + row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ').trimEnd())
  return [title, ...lines].join('\n')
}

/** A figure that may be so large at most. */
export function atMost (name: string, value: number, most: number, unit = 'ratio'): Figure {
  return { name, value: Number(value.toFixed(3)), unit, wanted: `<= ${most}`, pass: value <= most }
}

export function figureTable (figures: Figure[]): string {
  return layOut('Figures', [
    ['figure', 'wanted', 'measured', ''],
    ...figures.map(({ name, value, unit, wanted, pass }) => [name, wanted, unit === 'ratio' ? `${value}` : `${value} ${unit}`, pass ? 'pass' : 'falls short'])
  ])
}

/** At most 1 for each part: it ends with the first run that fails, and the run with the first wrong echo. */
export function failureFigure (failures: number): Figure {
  return { name: 'runs that failed, as by a wrong, lost or reordered echo', value: failures, unit: 'runs', wanted: '0', pass: failures === 0 }
}

/** @param least 0: any will do */
export function echoesFigure (runs: object[], least: number): Figure {
  const value = runs.reduce((sum, run) => sum + ('echoes' in run && typeof run.echoes === 'number' ? run.echoes : 0), 0)
  return { name: 'echoes checked for owner, order, length and content, all of them right', value, unit: 'echoes', wanted: `>= ${least}`, pass: value >= least }
}
