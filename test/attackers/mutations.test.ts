import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { guards } from './guards.js'
import type { Guard } from './guards.js'

/** The proof that each attack can succeed: with its guard taken out of a built copy, its test fails. */

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const NEEDED = ['package.json', 'dist/lib', 'dist/plugins', 'dist/test/plugins/attackers.test.js', 'dist/test/attackers', 'dist/test/support.js', 'dist/test/link-client.js', 'dist/test/endpoint-server.js']

t.setTimeout(280_000)
t.jobs = 2

for (const guard of guards) {
  t.test(`${guard.attack}, without ${guard.edits.map(({ find }) => find.split('\n', 1)[0]).join(' and ')}`, { timeout: 60_000 }, async (t) => {
    const copy = mkdtempSync(join(tmpdir(), 'trunkline-attack-'))
    t.teardown(() => rmSync(copy, { recursive: true, force: true }))
    for (const path of NEEDED) {
      mkdirSync(dirname(join(copy, path)), { recursive: true })
      cpSync(join(ROOT, path), join(copy, path), { recursive: true })
    }
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
    for (const { file, find, put } of guard.edits) {
      const path = join(copy, 'dist', file)
      const code = readFileSync(path, 'utf8')
      t.equal(code.split(find).length, 2, `${file} has once: ${find}`)
      writeFileSync(path, code.replace(find, () => put))
    }
    const output = await run(copy, guard)
    // The attack itself: that nothing could be run at all would be no proof, nor that it only took too long.
    t.ok(output.includes(`# Subtest: ${guard.attack.replace('$', '')}`), 'the attack was begun')
    t.match(output, guard.waits === true ? /^ *not ok/m : /^ *not ok (?!.*timeout!)/m, 'the attack succeeds')
  })
}

async function run (copy: string, { test, attack, waits = false }: Guard): Promise<string> {
  const child = spawn(process.execPath, [join(copy, 'dist', 'test', `${test}.test.js`)], {
    stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, TAP_GREP: `/^${attack}/`, ATTACK_MS: waits ? '3000' : '25000' }
  })
  // What is left of a test that has failed keeps its process.
  const cut = setTimeout(() => child.kill('SIGKILL'), 40_000)
  let output = ''
  child.stdout.on('data', (data: Buffer) => {
    output += data.toString()
    if (/^ *not ok/m.test(output)) child.kill('SIGKILL')
  })
  await new Promise((resolve) => child.once('close', resolve))
  clearTimeout(cut)
  return output
}
