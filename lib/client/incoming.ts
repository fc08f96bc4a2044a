import { BINARY_EVENT, CONTROL, readMessage } from '../session/messages.js'
import type { BackendControl, Joined, LinkMessage } from '../session/messages.js'

/** What the backend says, checked. A media event is bytes, or a string for text. */
export type Incoming =
  | Exclude<LinkMessage, { kind: typeof CONTROL | typeof BINARY_EVENT }>
  | { kind: typeof BINARY_EVENT, data: string | Uint8Array }
  | { kind: typeof CONTROL, control: BackendControl }

/**
 * Reads one message of a socket; null: of a kind that is not known, and to be passed over. Controls that are not known are
 * not told from those that are: their type fits nothing.
 * @throws Error one that breaks the protocol
 */
export function readIncoming (data: unknown): Incoming | null {
  if (typeof data === 'string') return { kind: BINARY_EVENT, data }
  const message = readMessage(new Uint8Array(data as ArrayBuffer))
  if (message?.kind !== CONTROL) return message
  const control = message.control as BackendControl | null
  if (typeof control?.type !== 'string') throw new Error('a control message without a type')
  if (control.type === 'joined' && !isJoined(control)) throw new Error('joined lacks what it must say')
  return { kind: CONTROL, control }
}

function isJoined ({ id, peerId, roomId, key, received, windowBytes, heartbeatMs }: Joined): boolean {
  return [peerId, roomId, key].every((text: unknown) => typeof text === 'string' && text !== '') &&
    [id, received, windowBytes, heartbeatMs].every((count) => Number.isSafeInteger(count) && count >= 0)
}
