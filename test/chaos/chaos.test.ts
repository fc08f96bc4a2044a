import { fileURLToPath } from 'node:url'
import t from 'tap'
import { runChaos } from './child-run.js'
import { TRUNK_FAULTS, linkFaults } from './faults.js'
import { BACKEND_DRAINED, BACKEND_KILLED, MEDIA_SERVER_KILLED } from './injector.js'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const KINDS = [...[...TRUNK_FAULTS, ...linkFaults([], 0)].map(({ kind }) => kind), BACKEND_DRAINED, BACKEND_KILLED, MEDIA_SERVER_KILLED]

// More than tap gives a file.
t.setTimeout(120_000)
t.test('whatever happens to real processes and sockets, each event arrives once and in order, and nobody is left', async (t) => {
  const { code, output, result } = await runChaos(ROOT, ['--seconds', '12', '--clients', '16'])
  const { lost, duplicated, reordered, damaged, leaked, faults, delivered, resumes } = result
  t.same({ code, lost, duplicated, reordered, damaged, leaked }, { code: 0, lost: 0, duplicated: 0, reordered: 0, damaged: 0, leaked: 0 }, output)
  t.same(new Set(Object.keys(faults)), new Set(KINDS), 'every kind of fault was there')
  t.ok(delivered > 500 && resumes > 3, `${delivered} events were delivered, and sessions resumed ${resumes} times`)
})
