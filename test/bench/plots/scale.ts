/** From what was measured to where it is drawn. */

/** What was measured several times. */
export interface Measured {
  value: number
  min: number
  max: number
}

export interface Scale {
  /** Where a value lies, from 0 to 1. */
  at (value: number): number
  ticks: number[]
}

const STEPS = [1, 2, 2.5, 5, 10]

/** From 0 to a round number that is no less than any value; some five ticks. */
export function linear (values: number[]): Scale {
  const most = Math.max(0, ...values)
  // Where nothing was measured there is still an axis.
  if (most < 1e-9 || most > 1e15) return { at: (value) => most > 0 ? bounded(value / most) : 0, ticks: most > 0 ? [0, most] : [0] }
  const power = 10 ** Math.floor(Math.log10(most / 5))
  const step = power * STEPS.find((step) => step * power * 5 >= most)!
  const count = Math.ceil(most / step - 1e-9)
  return { at: (value) => bounded(value / (count * step)), ticks: Array.from({ length: count + 1 }, (_, i) => Number((i * step).toPrecision(12))) }
}

/** From the least to the largest, each ten times as far as the one before; the values themselves are the ticks. */
export function logarithmic (values: number[]): Scale {
  const ticks = [...new Set(values.filter((value) => value > 0))].sort((a, b) => a - b)
  const [least = 1, most = 1] = [ticks[0], ticks[ticks.length - 1]]
  const span = Math.log10(most) - Math.log10(least)
  return { at: (value) => span === 0 ? 0.5 : bounded((Math.log10(value) - Math.log10(least)) / span), ticks }
}

/** Only what can be drawn, and min and max on the sides where they belong. */
export function drawable<T extends Measured> (measured: T[]): T[] {
  return measured
    .filter(({ value }) => Number.isFinite(value) && value >= 0)
    .map((one) => ({
      ...one,
      min: Number.isFinite(one.min) ? Math.max(0, Math.min(one.min, one.value)) : one.value,
      max: Number.isFinite(one.max) ? Math.max(one.max, one.value) : one.value
    }))
}

function bounded (part: number): number {
  return Math.max(0, Math.min(1, part))
}
