import '../../../examples/media-server/jitter-buffer.js'
import t from 'tap'
import { RtpHeader, RtpPacket } from 'werift'
import { JitterBufferBase } from 'werift/nonstandard'

t.test('packets that are lost cost no look at every number there is, and the others come in order', (t) => {
  const buffer = new JitterBufferBase(90_000) as unknown as { presentSeqNum: number, sortAndClearBuffer (packets: Record<number, RtpPacket>): RtpPacket[] }
  let looks = 0
  const packets = new Proxy<Record<number, RtpPacket>>({}, {
    ownKeys (target) {
      looks++
      return Reflect.ownKeys(target)
    }
  })
  for (const sequenceNumber of [9, 65_535, 3, 65_530]) packets[sequenceNumber] = new RtpPacket(new RtpHeader({ sequenceNumber }), Buffer.alloc(1))
  buffer.presentSeqNum = 65_531
  const sorted = buffer.sortAndClearBuffer(packets)
  t.same(sorted.map(({ header: { sequenceNumber } }) => sequenceNumber), [65_535, 3, 9, 65_530])
  t.equal(looks, 1)
  t.same(Object.keys(packets), [])
  t.end()
})
