import { cpSync, mkdtempSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { runChaos } from './child-run.js'

/** The proof that chaos can fail: without what it is there to watch over, it does. */

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const NEEDED = ['package.json', 'dist/lib', 'dist/plugins', 'dist/test/chaos', 'dist/test/bench/child.js', 'dist/test/sim/random.js']
const END = 'dist/lib/session/end.js'

const MUTATIONS = [
  {
    name: 'an end that sends again what the other one has already is found out by what comes twice',
    text: "windowBytes > 0 && this.ack(received) !== 'taken'",
    instead: 'windowBytes < 0',
    counter: 'duplicated'
  },
  {
    name: 'an end that does not send again what was under way is found out by what is missing',
    text: 'this.#next = this.#head;',
    instead: '',
    counter: 'lost'
  }
] as const

// More than tap gives a file.
t.setTimeout(120_000)
t.jobs = MUTATIONS.length
for (const { name, text, instead, counter } of MUTATIONS) {
  t.test(name, async (t) => {
    const copy = mkdtempSync(join(tmpdir(), 'trunkline-mutation-'))
    t.teardown(() => rmSync(copy, { recursive: true, force: true }))
    for (const path of NEEDED) {
      mkdirSync(dirname(join(copy, path)), { recursive: true })
      cpSync(join(ROOT, path), join(copy, path), { recursive: true })
    }
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
    const source = readFileSync(join(copy, END), 'utf8')
    t.equal(source.split(text).length, 2, 'what is taken out is there, once')
    writeFileSync(join(copy, END), source.replace(text, instead))

    const { code, output, result } = await runChaos(copy, ['--seconds', '8', '--clients', '12'])
    t.equal(code, 1, output)
    t.ok(result[counter] > 0, `${result[counter]} ${counter}`)
  })
}
