import t from 'tap'
import type { Admitted } from '../../../lib/dialects/dialect.js'
import { Estate } from '../../../lib/dialects/estate.js'
import { StandIn } from '../../../lib/dialects/stand-in.js'
import { Pins } from '../../../lib/pins.js'
import type { Claim } from '../../../lib/relay/link.js'
import { ManualClock } from '../../../lib/testing/index.js'

interface Heard {
  claims: Claim[]
  up: string[]
  down: string[]
}

function standIn (estate: Estate | null): Heard & { link: StandIn } {
  const heard: Heard = { claims: [], up: [], down: [] }
  const door = { clock: new ManualClock(), queueBytes: 1_000, windowEvents: 512, pins: new Pins(1_000) }
  const link = new StandIn({ bufferedBytes: 0, joined () {}, send: (data) => heard.down.push(data.toString()), pause () {}, resume () {}, close () {} }, door, estate)
  const session = { ask: (claim: Claim) => heard.claims.push(claim), uplink: (data: Buffer) => heard.up.push(data.toString()), skip () {}, ack () {}, end () {}, retire () {} }
  link.enter({
    enter: (_link: StandIn, claim: Claim) => {
      heard.claims.push(claim)
      return session
    }
  } as unknown as Admitted)
  return { ...heard, link }
}

const ANSWER = { peerId: 'p', roomId: 'r', resumeMs: 1_000, windowBytes: 1_000, recordings: { isKnown: false, revision: 0, recordings: [] } }
const REPLACED = { code: 4409, reason: 'moved' }

t.test('the end of a session goes from link to link, and nothing late of the one before gets into it', async (t) => {
  const estate = new Estate(512, 'asker')
  const first = standIn(estate)
  t.ok(first.link.resumes && first.link.endIsHere)
  first.link.joined({ ...ANSWER, key: 'k1', resumed: false, received: 0 })
  for (const text of ['1', '2', '3']) first.link.uplink(Buffer.from(text), false)
  first.link.send(Buffer.from('a'), false)
  first.link.ack(1)
  first.link.close(REPLACED)
  t.notOk(estate.end.attached)
  const late = (): void => {
    first.link.uplink(Buffer.from('late'), false)
    first.link.send(Buffer.from('late'), false)
    first.link.skip()
    first.link.ack(3)
    first.link.suspended()
    first.link.unpin()
  }
  late()
  const second = standIn(estate)
  second.link.uplink(Buffer.from('4'), false)
  t.same(second.up, [], 'not before the answer')
  second.link.joined({ ...ANSWER, key: 'k2', resumed: true, received: 1 })
  late()
  t.ok(estate.end.attached)
  second.link.send(Buffer.from('b'), false)
  second.link.rejoin('trunk')
  second.link.rejoin('token')
  t.same(first.claims, [{ peerId: null, key: '', received: 0, asker: 'asker', turn: 1 }])
  t.same(second.claims, [{ peerId: 'p', key: 'k1', received: 1, asker: 'asker', turn: 2 }, { peerId: 'p', key: 'k2', received: 2, asker: 'asker', turn: 3 }])
  t.same([first.up, second.up], [['1', '2', '3'], ['2', '3', '4']])
  t.same([first.down, second.down], [['a'], ['b']])
})

t.test('of a client that never has another link nothing is left', async (t) => {
  const { link, claims } = standIn(null)
  t.notOk(link.resumes)
  link.joined({ ...ANSWER, key: 'k', resumed: false, received: 0 })
  link.uplink(Buffer.from('1'), false)
  link.rejoin('trunk')
  t.same(claims.map(({ asker, turn }) => [asker, turn]), [['', 0], ['', 0]])
  link.close(REPLACED)
  t.equal(link.bufferedBytes, 0)
})
