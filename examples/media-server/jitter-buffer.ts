import type { RtpPacket } from 'werift'
import { JitterBufferBase } from 'werift/nonstandard'

/**
 * What werift's jitter buffer does with the packets that it has waited for in vain, or too long: it looks for each of them under all 65 536
 * sequence numbers, one by one, so that a publisher that loses packets, or says that it does, holds up everybody. These are the
 * same packets in the same order, sorted.
 */
Object.assign(JitterBufferBase.prototype, {
  sortAndClearBuffer (this: { readonly presentSeqNum?: number }, buffer: Record<number, RtpPacket>): RtpPacket[] {
    const first = this.presentSeqNum ?? 0
    const place = ({ header: { sequenceNumber } }: RtpPacket): number => (sequenceNumber - first) & 0xffff
    const packets = Object.values(buffer).sort((a, b) => place(a) - place(b))
    for (const { header: { sequenceNumber } } of packets) delete buffer[sequenceNumber]
    return packets
  }
})
