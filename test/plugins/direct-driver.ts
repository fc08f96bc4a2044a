import { trunklineServer } from '../../lib/media-servers/trunkline.js'
import type { Driver } from '../../lib/relay/media-server.js'
import type { MediaServerControl } from '../../lib/relay/control.js'

/** The reference driver with a control API of the test's own. */
export function driverWith (control: Partial<MediaServerControl>, options: { url: string, token: string }): Driver {
  const { create } = trunklineServer(options)
  return { name: 'driver of the test', create: (context) => Object.defineProperty(create(context), 'control', { value: control }) }
}
