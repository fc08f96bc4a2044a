import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

/** The built package, and its root, where the sources are. */
const built = fileURLToPath(new URL('../..', import.meta.url))
const root = join(built, '..')

interface Mutation {
  name: string
  /** Taken out, or changed, by exact text. */
  edits: Array<{ file: string, find: string, put: string }>
  /** What of it must be found. */
  expected: RegExp
}

/** Each takes one thing out that a promise rests upon: a check that does not notice is none. */
const mutations: Mutation[] = [
  {
    name: 'nothing is taken for granted: with nothing taken out there is nothing to find',
    edits: [],
    expected: /no violations/
  },
  {
    name: 'dedupe: what the other side has got already is sent again',
    edits: [{ file: 'lib/session/end.js', find: 'if (windowBytes > 0 && this.ack(received) !== \'taken\')', put: 'if (this.judge(received) === \'beyond\')' }],
    expected: /violations in .*(duplicated|reordered)/
  },
  {
    name: 'dedupe: an end takes in what is of an older attachment',
    edits: [
      { file: 'lib/session/end.js', find: 'if (!this.#attached)\n            return false;\n        this.#received++', put: 'this.#received++' },
      { file: 'lib/relay/relayed-peer.js', find: 'if (this.#state === \'joined\')\n            this.#traffic.downlink(data, binary);', put: 'this.#traffic.downlink(data, binary);' }
    ],
    expected: /violations in .*(duplicated|reordered|lost)/
  },
  {
    name: 'replay: what was under way is not sent again',
    edits: [{ file: 'lib/session/end.js', find: 'this.#next = this.#head;\n        this.#underWay = 0;', put: '' }],
    expected: /violations in .*lost/
  },
  {
    name: 'fencing: whoever lost a peer to another link is still heard',
    edits: [
      // Its end is not heard of, which would only cut the newer one.
      { file: 'lib/relay/seat.js', find: 'this.#peer = null;', put: 'this.end = this.ask = () => {};' },
      { file: 'lib/dialects/session-link.js', find: 'close({ code, reason }) {\n        this.#state = \'closed\';\n        this.#session = null;', put: 'close({ code, reason }) {' },
      { file: 'lib/dialects/client-socket.js', find: '#message(data, binary) {\n        if (this.#state !== \'open\')\n            return;', put: '#message(data, binary) {' }
    ],
    expected: /violations in .*(duplicated|reordered)/
  },
  {
    name: 'epochs: what is of an older attachment is heard',
    edits: [
      { file: 'lib/trunk/endpoint.js', find: 'if (peer === undefined || peer.trunk !== trunk.channel) {', put: 'if (peer === undefined) {' },
      { file: 'lib/trunk/endpoint.js', find: 'peer.epoch !== received.epoch', put: 'false' }
    ],
    expected: /violations in .*(duplicated|reordered|wrong failure)/
  },
  {
    name: 'answers: who did not hear of the session that it was given is refused',
    edits: [
      { file: 'lib/trunk/endpoint-peer.js', find: 'isSame(key, this.#oldKey) ? \'answer\' : null', put: 'null' }
    ],
    expected: /violations in .*wrong failure/
  },
  {
    name: 'askings: one that comes late takes the session back',
    edits: [
      { file: 'lib/trunk/endpoint-peer.js', find: 'asker === this.#asked.asker && turn < this.#asked.turn', put: 'false' },
      { file: 'lib/relay/title.js', find: 'asking.turn < this.#last.turn', put: 'false' }
    ],
    expected: /violations in .*wrong failure/
  }
]

t.setTimeout(120_000)

for (const { name, edits, expected } of mutations) {
  t.test(name, { timeout: 60_000 }, async (t) => {
    const copy = mkdtempSync(join(tmpdir(), 'trunkline-sim-'))
    t.teardown(() => rmSync(copy, { recursive: true, force: true }))
    for (const folder of ['lib', 'test/sim']) cpSync(join(built, folder), join(copy, 'dist', folder), { recursive: true })
    cpSync(join(root, 'package.json'), join(copy, 'package.json'))
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
    for (const { file, find, put } of edits) {
      const path = join(copy, 'dist', file)
      const code = readFileSync(path, 'utf8')
      t.equal(code.split(find).length, 2, `${dirname(file)} has once: ${find}`)
      writeFileSync(path, code.replace(find, () => put))
    }
    const { code, output } = await play(join(copy, 'dist', 'test', 'sim', 'main.js'), edits.length === 0 ? '100' : '1500')
    t.equal(code, edits.length === 0 ? 0 : 1, 'the exit code')
    t.match(output.split('\n').filter((line) => line.includes('violations')).join('\n'), expected)
    t.comment(output.split('\n').slice(-2).join(' '))
  })
}

async function play (main: string, seeds: string): Promise<{ code: number | null, output: string }> {
  const child = spawn(process.execPath, [main, '--seeds', seeds, '--steps', '200', '--failures', '3'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (data: Buffer) => { output += data.toString() })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, output }
}
