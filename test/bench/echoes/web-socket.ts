import { createHash } from 'node:crypto'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { serve } from '../child.js'

/**
 * A media server that says back what it hears, on each connection of its own. It speaks as much of RFC 6455 as that takes:
 * a library costs more than the cheapest relays, and they would have to wait for it.
 */

const TEXT = 0x81
/** RFC 6455, 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
/** As large as a masked frame's head can be here. */
const HEAD_BYTES = 8
const NOTHING = Buffer.alloc(0)

const server = createServer({ noDelay: true }, (socket) => {
  let isUpgraded = false
  let rest: Buffer = NOTHING
  socket.on('data', (chunk: Buffer) => {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    if (!isUpgraded) {
      const size = upgrade(socket, bytes)
      isUpgraded = size > 0
      bytes = bytes.subarray(size)
    }
    rest = isUpgraded ? echo(socket, bytes) : bytes
  })
  socket.on('error', () => socket.destroy())
})
server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () => serve({ port: (server.address() as AddressInfo).port }))

/** The length of the request; 0: it is not whole yet. */
function upgrade (socket: Socket, bytes: Buffer): number {
  const request = bytes.toString('latin1')
  const size = request.indexOf('\r\n\r\n')
  if (size < 0) return 0
  const [, key = ''] = /^sec-websocket-key: *(\S+)/im.exec(request) ?? []
  const accept = createHash('sha1').update(key + GUID).digest('base64')
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
  return size + 4
}

/**
 * Says back all whole messages in one write, without masks and where they are: the chunk was read for this socket alone. What
 * is left is the rest.
 */
function echo (socket: Socket, bytes: Buffer): Buffer {
  let at = 0
  let from = 0
  let to = 0
  while (bytes.length - at >= HEAD_BYTES) {
    if (bytes[at] !== TEXT) {
      socket.destroy()
      return NOTHING
    }
    const short = bytes[at + 1]! & 0x7f
    if (short === 127) throw new Error('a message of more than 64 KiB')
    const headBytes = short === 126 ? 4 : 2
    const start = at + headBytes + 4
    const length = short === 126 ? bytes.readUInt16BE(at + 2) : short
    if (start + length > bytes.length) break
    unmask(bytes, start, start + length)
    if (to === 0) from = to = at + 4
    bytes.copyWithin(to, at, at + headBytes)
    bytes[to + 1] = short
    if (to + headBytes !== start) bytes.copyWithin(to + headBytes, start, start + length)
    to += headBytes + length
    at = start + length
  }
  if (to > 0) socket.write(bytes.subarray(from, to))
  return at === bytes.length ? NOTHING : Buffer.from(bytes.subarray(at))
}

/** With the mask that stands before `start`; four bytes at a time where these lie well in memory. */
function unmask (bytes: Buffer, start: number, end: number): void {
  const mask = [bytes[start - 4]!, bytes[start - 3]!, bytes[start - 2]!, bytes[start - 1]!] as const
  let i = start
  if (end - start > 512) {
    const { buffer, byteOffset } = bytes
    while (((byteOffset + i) & 3) !== 0) bytes[i] = bytes[i]! ^ mask[(i++ - start) & 3]!
    const words = new Uint32Array(buffer, byteOffset + i, (end - i) >> 2)
    const turn = i - start
    const [wide] = new Uint32Array(Uint8Array.from([0, 1, 2, 3], (n) => mask[(turn + n) & 3]!).buffer)
    for (let w = 0; w < words.length; w++) words[w] = words[w]! ^ wide!
    i += 4 * words.length
  }
  for (; i < end; i++) bytes[i] = bytes[i]! ^ mask[(i - start) & 3]!
}
