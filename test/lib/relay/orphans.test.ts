import t from 'tap'
import { ManualClock } from '../../../lib/testing/index.js'
import type { MediaServer } from '../../../lib/relay/media-server.js'
import { Orphans } from '../../../lib/relay/orphans.js'

const status = { code: 1000, reason: 'left' }

function orphans (max: number): { kept: Orphans, told: string[], clock: ManualClock, trunk: { up: boolean } } {
  const told: string[] = []
  const clock = new ManualClock()
  const trunk = { up: false }
  const mediaServer = { resumeMs: 10_000, leave: ({ key }: { key: string }) => told.push(key) } as unknown as MediaServer
  return { kept: new Orphans(mediaServer, clock, max, () => trunk.up), told, clock, trunk }
}

const session = (n: number): { peerId: string, key: string } => ({ peerId: 'p', key: `key ${n}` })

t.test('at the bound the oldest is left to its window', async (t) => {
  const { kept, told } = orphans(2)
  for (const n of [1, 2]) kept.add(session(n), status)
  kept.tell()
  t.same(told, ['key 1', 'key 2'])
  for (const n of [3, 4, 5]) kept.add(session(n), status)
  kept.tell()
  t.same(told.slice(2), ['key 4', 'key 5'])
  kept.tell()
  t.equal(told.length, 4, 'each is told once')
})

t.test('one whose window has passed needs no telling, and one that comes while the trunk is up does not wait', async (t) => {
  const { kept, told, clock, trunk } = orphans(10)
  kept.add(session(1), status)
  clock.advance(9_999)
  kept.add(session(2), status)
  clock.advance(1)
  kept.tell()
  t.same(told, ['key 2'])
  trunk.up = true
  kept.add(session(3), status)
  t.same(told, ['key 2', 'key 3'])
})
