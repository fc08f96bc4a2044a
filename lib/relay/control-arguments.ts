import { ControlArgumentError } from '../errors.js'
import { MAX_ID_BYTES, isId } from '../ids.js'
import type { RoomRequest } from './control.js'

/** What every driver finds out before it asks anything: an app that passes on what its users say may pass on anything. */

/** @throws ControlArgumentError one that may name neither a peer nor a room, by its name here */
export function checkIds (ids: Record<string, unknown>): void {
  for (const [name, id] of Object.entries(ids)) {
    if (!isId(id)) throw new ControlArgumentError(name, `a string of 1 to ${MAX_ID_BYTES} bytes, without a lone surrogate`)
  }
}

/** @throws ControlArgumentError */
export function checkRoomRequest ({ roomId, maxPeers, subscribeMode }: RoomRequest): void {
  checkIds({ roomId })
  if (maxPeers !== undefined && (!Number.isSafeInteger(maxPeers) || maxPeers < 1)) throw new ControlArgumentError('maxPeers', 'an integer of at least 1, or absent')
  if (subscribeMode !== undefined && subscribeMode !== 'auto' && subscribeMode !== 'manual') throw new ControlArgumentError('subscribeMode', "'auto', 'manual', or absent")
}
