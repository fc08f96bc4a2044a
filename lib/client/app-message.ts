import { MESSAGE_CONTROL_BYTES, appMessage } from '../session/messages.js'
import { notMessage } from './errors.js'

/**
 * What the page says to the app, as it travels.
 * @throws LinkError TRK_LINK_MESSAGE
 */
export function toAppMessage (message: unknown): Uint8Array {
  let bytes: Uint8Array | null = null
  try {
    const json = JSON.stringify(message) as string | undefined
    if (json !== undefined) bytes = appMessage(json)
  } catch {
    // It has a circle in it, or a BigInt.
  }
  if (bytes === null || bytes.length > MESSAGE_CONTROL_BYTES) throw notMessage()
  return bytes
}
