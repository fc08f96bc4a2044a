import { EventEmitter } from 'node:events'
import { decodeServerEvent, encodePeerEvent, type PeerEvent } from '../../../examples/media-server/media-events.js'
import type { Peer } from '../../../examples/media-server/seat.js'

/** A client on a trunk that is not there. */
export class FakePeer extends EventEmitter implements Peer {
  readonly id: string
  readonly roomId: string
  readonly metadata: unknown
  readonly sent: string[] = []
  ended: [number, string] | undefined

  constructor (id: string, roomId = 'room', metadata: unknown = null) {
    super()
    this.id = id
    this.roomId = roomId
    this.metadata = metadata
  }

  send (data: Uint8Array): void {
    const event = decodeServerEvent(data)
    this.sent.push('endpointId' in event ? `${event.type} ${event.endpointId}` : event.type)
  }

  close (code: number, reason: string): void {
    this.ended = [code, reason]
  }

  /** Its session is over. */
  async go (code = 1000): Promise<void> {
    this.emit('close', { code })
    await Promise.resolve()
  }

  say (event: PeerEvent): void {
    this.emit('mediaEvent', Buffer.from(encodePeerEvent(event)), true)
  }
}
