import { MessageError } from '../errors.js'
import { MESSAGE_BYTES } from '../session/messages.js'

/**
 * What an app says to a client, as it travels.
 * @throws MessageError
 */
export function toMessage (message: unknown): string {
  let json: string | undefined
  try {
    json = JSON.stringify(message)
  } catch (error) {
    throw new MessageError(`it is not JSON (${(error as Error).message})`)
  }
  if (json === undefined) throw new MessageError('it is not JSON')
  if (Buffer.byteLength(json) > MESSAGE_BYTES) throw new MessageError(`it is larger than ${MESSAGE_BYTES} bytes of JSON`)
  return json
}
