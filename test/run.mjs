import { spawn } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

// What `npm test` runs: node test/run.mjs [unit|e2e|janus]. Plain JavaScript, since it builds the rest.

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = (name, path) => join(root, 'node_modules', name, path)
const what = process.argv[2] ?? 'all'
if (!['all', 'unit', 'e2e', 'janus'].includes(what)) {
  process.stderr.write('usage: node test/run.mjs [unit|e2e|janus]\n')
  process.exit(2)
}

let passed = 0
let failed = 0
let skipped = 0

/** Runs a program to its end; with `onLine` its output is read instead of shown. */
function run (args, onLine) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', onLine === undefined ? 'inherit' : 'pipe', 'inherit'] })
    if (onLine !== undefined) createInterface(child.stdout).on('line', onLine)
    child.on('error', reject)
    child.on('close', (code) => resolve(code === 0))
  })
}

/** A check that is one whole: what it prints is shown only when it fails. */
async function check (name, ...args) {
  const output = []
  const ok = await run(args, (line) => output.push(line))
  if (ok) passed++
  else failed++
  process.stdout.write(`${ok ? 'ok' : 'NOT OK'} ${name}\n`)
  if (!ok) process.stdout.write(output.join('\n') + '\n')
  return ok
}

/** Test files, built: every `.test.js` below these folders. */
function files (...folders) {
  return folders.flatMap((folder) => readdirSync(join(root, 'dist', 'test', folder), { recursive: true })
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => join('dist', 'test', folder, name)))
}

/** Those that try a test against a copy of the package with something taken out: they take longer. */
const isMutations = (name) => name.endsWith('mutations.test.js')

/** Those that want the machine for themselves. */
const isMeasured = (name) => name.endsWith('quick.test.js')

/** Runs tap and counts its assertions. Of what passes, one line for each file is shown; of what fails, all. */
async function tap (name, options, tests) {
  let total = null
  let inFailure = false
  const ok = await run([bin('tap', 'dist/esm/run.mjs'), '--reporter=tap', ...options, ...tests], (line) => {
    const counts = /^# \{ (total: .*) \}$/.exec(line)
    if (counts !== null) total = Object.fromEntries(counts[1].split(', ').map((pair) => pair.split(': ')).map(([key, n]) => [key, Number(n)]))
    const result = /^( *)(not )?ok \d+ - /.exec(line)
    if (result !== null) inFailure = result[2] !== undefined
    if (inFailure || /^ok /.test(line) || / # SKIP/.test(line)) process.stdout.write(line + '\n')
  })
  passed += total?.pass ?? 0
  skipped += total?.skip ?? 0
  // A file that breaks outside of any assertion counts too.
  failed += total?.fail ?? 0
  if (!ok && (total?.fail ?? 0) === 0) failed++
  process.stdout.write(`${ok ? 'ok' : 'NOT OK'} ${name}\n`)
}

rmSync(join(root, 'dist'), { recursive: true, force: true })
if (await check('build', bin('typescript', 'bin/tsc'), '-p', 'tsconfig.json')) {
  if (what === 'all') {
    await check('lint', bin('eslint', 'bin/eslint.js'), '--max-warnings=0', '.')
    for (const example of ['video-call', 'janus']) await check(`types of the page: ${example}`, bin('typescript', 'bin/tsc'), '-p', `examples/${example}/page/tsconfig.json`)
    await check('type tests', bin('tstyche', 'build/bin.js'))
    await check('package: publint', bin('publint', 'src/cli.js'))
    await check('package: types resolve', bin('@arethetypeswrong/cli', 'dist/index.js'), '--profile', 'esm-only', '--pack', '.')
  }
  if (what === 'all' || what === 'unit') await tap('unit tests', ['--jobs=2'], [...files('lib', 'plugins', 'docs', 'examples'), ...files('attackers').filter((name) => !isMutations(name)), ...files('bench').filter((name) => !isMeasured(name))])
  if (what === 'all') await tap('simulation and chaos', ['--jobs=1', '--timeout=300'], [...files('sim', 'chaos', 'fuzz'), ...files('attackers').filter(isMutations)])
  // By themselves: they measure.
  if (what === 'all') await tap('benchmark, a quick look', ['--jobs=1', '--timeout=180'], files('bench').filter(isMeasured))
  if (what !== 'unit') {
    await check('chromium', join('dist', 'test', 'setup', 'chromium.js'))
    if (what !== 'janus') await tap('browser tests', ['--jobs=1', '--timeout=300'], files('e2e'))
    if (what !== 'e2e') {
      await check('janus', join('dist', 'test', 'setup', 'janus.js'))
      await tap('tests with a real Janus', ['--jobs=1', '--timeout=300'], files('janus'))
    }
  }
}

process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`)
process.exitCode = failed > 0 ? 1 : 0
