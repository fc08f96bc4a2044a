import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { whereOf, whereTables } from './where.js'
import type { CpuProfile } from './where.js'

const node = (id: number, functionName: string, url = ''): CpuProfile['nodes'][number] => ({ id, callFrame: { functionName, url } })
const profile: CpuProfile = {
  nodes: [
    node(1, '(root)'), node(2, '(idle)'), node(3, 'writeBuffer'), node(4, 'push', 'file:///x/dist/lib/trunk/outbox.js'), node(5, 'push', 'file:///x/dist/lib/relay/lane.js'),
    node(6, 'emit', 'node:events'), node(7, 'consume', 'file:///x/node_modules/ws/lib/receiver.js'), node(8, 'isUtf8'), node(9, 'boot', 'file:///x/node_modules/fastify/fastify.js')
  ],
  samples: [2, 3, 4, 4, 5, 6, 7, 8, 9, 10],
  timeDeltas: [300, 200, 100, 100, 50, 50, 50, 50, 50, 50]
}

t.test('each sample counts for the room that it was in', async (t) => {
  const where = Object.fromEntries(whereOf(profile).map(({ room, share }) => [room, Math.round(share * 100)]))
  t.same(where, {
    'waiting, and reading from sockets': 30,
    'writing to sockets': 20,
    'Trunkline: trunk (frames, queues, credit)': 20,
    'Trunkline: relay (peers, lanes, hooks)': 5,
    'Node: streams, sockets, timers': 5,
    ws: 5,
    'native code: masks, UTF-8, new buffers, the rest of V8': 5,
    'others: start, Fastify': 10
  })
  t.same(whereOf({ nodes: [], samples: [], timeDeltas: [] }), [])
})

t.test('a table for each profile, and for nothing else', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'trunkline-where-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  writeFileSync(join(dir, 'trunkline.cpuprofile'), JSON.stringify(profile))
  writeFileSync(join(dir, 'notes.txt'), 'no profile')
  t.match(whereTables(dir), /^trunkline\.cpuprofile\n +where +of the time\n +waiting, and reading from sockets +30\.0 %/)
})
