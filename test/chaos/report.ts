import type { Result } from './run.js'

const SHOWN = 20

/** What a run comes to, for people. */
export function tableOf (result: Result): string {
  const { faults, memory, resets, closes, unresumed, violations } = result
  const rows: Array<[string, string | number]> = [
    ['events sent', result.sent],
    ['events delivered', result.delivered],
    ['lost', result.lost],
    ['duplicated', result.duplicated],
    ['reordered', result.reordered],
    ['damaged', result.damaged],
    ['lost with sessions that could not be resumed', total(unresumed)],
    ...indented(unresumed),
    ['resumes', result.resumes],
    ['resets', total(resets)],
    ...indented(resets),
    ['sessions of plain clients that ended', total(closes)],
    ...indented(closes),
    ['faults', total(faults)],
    ...indented(faults),
    ['peers leaked', result.leaked],
    ...memory.map(({ name, replaced, startBytes, endBytes }): [string, string] => [
      `heap of the ${name}${replaced === 0 ? '' : `, its process number ${replaced + 1}`}`, `${MB(startBytes)} at start, ${MB(endBytes)} at end`
    ])
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  const lines = rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`)
  const more = violations.length > SHOWN ? [`and ${violations.length - SHOWN} more`] : []
  return [...lines, '', ...(violations.length === 0 ? ['no violations'] : [`${violations.length} VIOLATIONS`, ...violations.slice(0, SHOWN), ...more])].join('\n')
}

export const MB = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MB`

const total = (counts: Record<string, number>): number => Object.values(counts).reduce((sum, n) => sum + n, 0)

function indented (counts: Record<string, number>): Array<[string, number]> {
  return Object.entries(counts).sort(([a], [b]) => a < b ? -1 : 1).map(([name, n]) => [`  ${name}`, n])
}
