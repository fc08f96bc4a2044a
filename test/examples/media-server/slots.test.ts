import t from 'tap'
import { Slots, type MLine } from '../../../examples/media-server/slots.js'

const video = (id: string) => ({ id, kind: 'video' as const })
const recvonly = (mid: string): MLine => ({ mid, kind: 'video', direction: 'recvonly' })

t.test('an m-line is used again only after a round of silence', async (t) => {
  const slots = new Slots()
  slots.add(video('b:1'))
  t.same(slots.announce(), [video('b:1')])
  t.same(slots.tracksTypes, { audio: 0, video: 1 })
  t.same([...slots.assign([recvonly('0')])], [['0', 'b:1']])

  t.ok(slots.remove('b:1'))
  slots.add(video('b:2'))
  slots.announce()
  t.same(slots.tracksTypes, { audio: 0, video: 2 }, 'the m-line of the old track cannot be had yet')
  t.same([...slots.assign([recvonly('0'), recvonly('1')])], [['1', 'b:2']])

  slots.add(video('b:3'))
  slots.announce()
  t.same(slots.tracksTypes, { audio: 0, video: 2 }, 'now it can')
  t.same([...slots.assign([recvonly('0'), recvonly('1')])], [['0', 'b:3'], ['1', 'b:2']])
})

t.test('the count never shrinks', async (t) => {
  const slots = new Slots()
  slots.add(video('b:1'))
  slots.announce()
  slots.assign([recvonly('0'), recvonly('1'), { mid: '2', kind: 'audio', direction: 'recvonly' }])
  slots.remove('b:1')
  t.same(slots.tracksTypes, { audio: 1, video: 2 })
})

t.test('a client has to hear of the end of those tracks only that it has heard of', async (t) => {
  const slots = new Slots()
  slots.add(video('b:1'))
  t.notOk(slots.knows('b:1'))
  t.ok(slots.hasPending)
  t.notOk(slots.remove('b:1'), 'pending')
  t.notOk(slots.hasPending)
  slots.add(video('b:2'))
  slots.announce()
  t.ok(slots.knows('b:2'))
  t.ok(slots.remove('b:2'), 'announced')
  t.notOk(slots.remove('b:2'), 'gone')
  t.notOk(slots.knows('b:2'))
})

t.test('a track waits while its client offers too few m-lines', async (t) => {
  const slots = new Slots()
  slots.add(video('b:1'))
  slots.announce()
  t.same([...slots.assign([{ mid: '0', kind: 'audio', direction: 'recvonly' }])], [])
  t.same(slots.tracksTypes, { audio: 1, video: 1 })
})
