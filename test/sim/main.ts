import { parseArgs } from 'node:util'
import { run } from './run.js'

/** Plays seeds, and says what went wrong: node dist/test/sim/main.js --seeds N [--from S] [--steps N] [--failures N] [--seed S --trace] */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    steps: { type: 'string', default: '300' },
    /** Enough: after so many seeds that went wrong it stops. */
    failures: { type: 'string', default: '100' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false }
  }
})

const SHOWN = 3
const steps = Number(values.steps)
const first = Number(values.seed ?? values.from)
const last = values.seed === undefined ? first + Number(values.seeds) - 1 : first
const say = (line: string): void => { process.stdout.write(line + '\n') }

const counts: Record<string, number> = {}
const kinds: Record<string, number> = {}
let failed = 0
let played = 0
const began = performance.now()
for (let seed = first; seed <= last && failed < Number(values.failures); seed++) {
  played++
  const report = await run(seed, steps, values.trace ? say : null)
  for (const [what, count] of Object.entries(report.counts)) counts[what] = (counts[what] ?? 0) + count
  for (const { kind } of report.violations) kinds[kind] = (kinds[kind] ?? 0) + 1
  if (values.seed !== undefined) say(`trace hash ${report.hash}`)
  if (report.violations.length === 0) continue
  const [{ kind, text, trace }] = report.violations as [typeof report.violations[number]]
  if (++failed <= SHOWN) say(`${trace.join('\n')}\n`)
  say(`seed ${seed}: ${kind}: ${text}\n  node dist/test/sim/main.js --steps ${steps} --seed ${seed} --trace`)
}
const spent = performance.now() - began

say(`${played} seeds of ${steps} steps, ${(spent / played).toFixed(1)} ms each`)
for (const what of Object.keys(counts).sort()) say(`  ${what}: ${counts[what]}`)
say(failed === 0 ? 'no violations' : `violations in ${failed} seeds: ${Object.entries(kinds).map(([kind, count]) => `${kind} ${count}`).join(', ')}`)
process.exit(failed === 0 ? 0 : 1)
