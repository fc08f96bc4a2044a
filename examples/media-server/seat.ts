import type { Participant } from './participant.js'
import type { HostedRoom, Way } from './rooms.js'

/** A client, as it comes through the trunk. */
export interface Peer {
  readonly id: string
  readonly roomId: string
  /** What the backend says of it. */
  readonly metadata: unknown
  on (event: 'mediaEvent', listener: (data: Uint8Array, binary: boolean) => void): unknown
  on (event: 'close', listener: (status: { code: number }) => void): unknown
  on (event: 'detach' | 'attach', listener: () => void): unknown
  /** While the peer is detached, what is sent waits in its session. */
  send (data: Uint8Array): void
  close (code: number, reason: string): void
}

/** A peer's place in its room. */
export interface Seat {
  readonly peer: Peer
  readonly way: Way
  readonly hosted: HostedRoom
  /** From its `connect` event on. */
  participant: Participant | undefined
  /** Its signaling is lost for now. */
  isAway: boolean
}
