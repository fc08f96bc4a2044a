import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import { messageOf } from '../../../lib/trunk/codec.js'
import type { Tag } from '../../../lib/trunk/codec.js'
import { protobufCodec as codec } from '../../../lib/trunk/frames.js'
import { SUBPROTOCOL, VERSION, frame } from '../../../lib/trunk/schema.js'
import type { Frame } from '../../../lib/trunk/schema.js'
import { serve } from '../child.js'
import { Part } from '../fairness/part.js'

/** The media server's side of `relays/fifo.ts`, written the same way: what it has to say it puts on the trunk at once. */

const part = new Part()
let epoch = 0

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false, handleProtocols: () => SUBPROTOCOL })
server.on('connection', (trunk) => {
  trunk.on('message', (data) => { for (const received of codec.decode(data as Buffer)) receive(trunk, received) })
  trunk.on('error', () => trunk.terminate())
})
server.on('listening', () => serve({ port: (server.address() as AddressInfo).port }, part.answers))

function receive (trunk: WebSocket, { peerId, kind, body }: Frame): void {
  if (kind === 'text') {
    part.event(peerId, body)
  } else if (kind === 'close') {
    part.left(peerId)
  } else if (kind === 'hello') {
    say(trunk, frame('welcome', { version: VERSION, serverId: 'fifo', maxMessageBytes: 0, heartbeatMs: 0, resumeWindowMs: 0, windowBytes: 0 }))
  } else if (kind === 'open') {
    const here = ++epoch
    const tag = codec.tag(peerId, here)
    part.joined(peerId, (text) => {
      pass(trunk, tag, Buffer.from(text))
      return true
    })
    say(trunk, frame('opened', { id: body.id, key: 'fifo', resumed: false, received: 0, windowBytes: 0, recordings: [] }, peerId, here))
  }
}

function say (trunk: WebSocket, said: Frame): void {
  trunk.send(messageOf(codec, [said]))
}

function pass (trunk: WebSocket, tag: Tag, event: Buffer): void {
  const encoded = codec.event(tag, event, false)
  trunk.send(codec.batch([encoded], encoded.length))
}
