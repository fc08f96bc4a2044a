import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const NEEDED = ['package.json', 'dist/lib', 'dist/plugins', 'dist/test/fuzz', 'dist/test/attackers/raw-client.js', 'dist/test/sim/random.js']

async function fuzz (root: string, messages: number): Promise<{ code: number | null, output: string }> {
  const child = spawn(process.execPath, [join(root, 'dist/test/fuzz/main.js'), '--messages', String(messages), '--seed', '7'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (data: Buffer) => { output += data.toString() })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, output }
}

t.setTimeout(280_000)

t.test('a short run finds nothing', { timeout: 120_000 }, async (t) => {
  const { code, output } = await fuzz(ROOT, 10_000)
  t.equal(code, 0, output)
  t.match(output, /clients of the app: \d{4} messages/)
  t.comment(output)
})

/** What it has to report, each with a check taken out of a built copy. */
const MUTATIONS = [
  { name: 'what was malformed', file: 'lib/trunk/channel.js', find: 'catch (error) {\n            this.close(CloseCode.protocolError, error.message);', put: 'catch (error) {\n            throw error;', expected: /uncaughtException: .*not a valid message/ },
  { name: 'whose event it was', file: 'lib/trunk/frames.js', find: 'peerId = readPeerId(reader, message);', put: "peerId = readPeerId(reader, message).replace(/^victim-\\d-.*/, () => globalThis.last ?? ''); if (peerId.startsWith('canary')) globalThis.last = peerId;", expected: /canary/ },
  { name: 'who has gone', file: 'plugins/client-route.js', find: 'closed: (client) => connections.delete(client),', put: 'closed: () => {},', expected: /somebody is left/ }
]

for (const { name, file, find, put, expected } of MUTATIONS) {
  t.test(`it notices when nobody looks ${name}`, { timeout: 120_000 }, async (t) => {
    const copy = mkdtempSync(join(tmpdir(), 'trunkline-fuzz-'))
    t.teardown(() => rmSync(copy, { recursive: true, force: true }))
    for (const path of NEEDED) {
      mkdirSync(dirname(join(copy, path)), { recursive: true })
      cpSync(join(ROOT, path), join(copy, path), { recursive: true })
    }
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
    const path = join(copy, 'dist', file)
    const code = readFileSync(path, 'utf8')
    t.equal(code.split(find).length, 2, `${file} has once: ${find}`)
    writeFileSync(path, code.replace(find, () => put))
    const found = await fuzz(copy, 3_000)
    t.equal(found.code, 1, found.output)
    t.match(found.output, expected)
  })
}
