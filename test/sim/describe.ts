import { codecs } from '../../lib/trunk/channel.js'
import { ACK, CONTROL, SKIP, readMessage } from '../../lib/session/messages.js'
import type { Frame } from '../../lib/trunk/schema.js'
import type { ConnectionKind, Item } from './network.js'

type Message = Extract<Item, { kind: 'message' }>

/** What a message says, for who reads a trace. */
export function describe (kind: ConnectionKind, { data, binary }: Message, encoding: 'protobuf' | 'json'): string {
  if (kind === 'trunk') return codecs.get(encoding === 'json' ? 'trunkline.v1.json' : 'trunkline.v1')!.decode(data).map(frameText).join(', ')
  if (!binary) return short(data)
  const message = readMessage(data)
  if (message === null) return '?'
  switch (message.kind) {
    case CONTROL: return JSON.stringify(message.control)
    case ACK: return `ack ${message.received}`
    case SKIP: return 'skip'
    default: return short(data)
  }
}

function frameText ({ kind, epoch, body, peerId }: Frame): string {
  const said = Buffer.isBuffer(body) ? short(body) : body === null ? '' : JSON.stringify(body)
  return `${kind}${epoch === 0 ? '' : `@${epoch % 1_000_000}`} ${peerId.slice(0, 4)} ${said}`
}

const short = (data: Buffer): string => data.subarray(0, 24).toString().replace(/\.+$/, '')
