import t from 'tap'
import { FAULTS } from './actions.js'
import { run } from './run.js'

const SEEDS = 500
const STEPS = 150

t.test('a seed is played the same way again', async (t) => {
  for (const seed of [3, 7, 31]) t.equal((await run(seed, STEPS)).hash, (await run(seed, STEPS)).hash)
  t.not((await run(3, STEPS)).hash, (await run(4, STEPS)).hash)
})

t.test(`${SEEDS} histories: nothing is lost, repeated or reordered, and nobody is left behind`, { timeout: 60_000 }, async (t) => {
  const counts: Record<string, number> = {}
  for (let seed = 1; seed <= SEEDS; seed++) {
    const report = await run(seed, STEPS)
    for (const [what, count] of Object.entries(report.counts)) counts[what] = (counts[what] ?? 0) + count
    if (report.violations.length === 0) continue
    const [{ kind, text, trace }] = report.violations as [typeof report.violations[number]]
    t.fail(`seed ${seed}: ${kind}: ${text}`, { replay: `node dist/test/sim/main.js --steps ${STEPS} --seed ${seed} --trace`, trace })
  }
  t.comment(counts)
  for (const [, fault] of FAULTS) t.ok((counts[`fault: ${fault}`] ?? 0) >= 10, `fault: ${fault}`)
  for (const reset of ['server restart', 'window', 'kicked', 'taken over']) t.ok((counts[`reset: ${reset}`] ?? 0) >= 1, `reset: ${reset}`)
  t.ok((counts.resumes ?? 0) > SEEDS)
  t.ok((counts['events up'] ?? 0) > 20 * SEEDS)
  t.ok((counts['events down'] ?? 0) > 20 * SEEDS)
})
